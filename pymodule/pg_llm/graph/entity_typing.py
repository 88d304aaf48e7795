"""Entity typing: a model's labels are mapped to the types of a schema, in doubt by zero-shot classification."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pg_llm.arguments import Label
from pg_llm.classify import entities, entity_labels, scoring
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.graph.schema import Schema

# How much likelier a type is that the entity model's label names.
_LABEL_PRIOR = 5.0
_NONE_OF_THESE = "something else"
UNTYPED = "OTHER"

# Type, start, end, score.
Mention = tuple[str | None, int, int, float]
# By label of the entity model the types of the schema that it may stand for.
LabelTypes = dict[str, list[str]]


def recognize(
    db: Connection, model: Model, texts: Sequence[str], schema: Schema
) -> tuple[list[list[Mention]], set[str]]:
    """The entities of each text under the schema's types, and those of these types that the model recognizes."""
    labels, role_types = model.labels or [], set(schema.role_types)
    types = schema.types
    if types is None:
        names = dict.fromkeys((*schema.role_types, *_labels_without_synonym(labels, role_types)))
        types = [(name, None) for name in names]
    exact = {name: [name] for name, _ in types if name in labels}
    synonyms = {label: _synonymous_types(label, types) for label in labels if label not in exact}
    label_types = {**exact, **{label: names for label, names in synonyms.items() if names}}
    recognized = {name for names in label_types.values() for name in names}
    unmapped = [name for name, _ in types if name not in recognized and name not in role_types]
    wanted = [label for label in labels if label in label_types or (unmapped and label not in entity_labels.NUMERIC)]
    mentions = _mentions(db, model, texts, wanted)
    ambiguous = {name for names in label_types.values() if len(names) > 1 for name in names}
    choices = [type_ for type_ in types if type_[0] in ambiguous or (unmapped and type_[0] not in exact)]
    _assign_types(db, texts, mentions, label_types, choices)
    return mentions, recognized | set(unmapped)


def type_untyped(db: Connection, texts: Sequence[str], mentions: Sequence[list[list[Any]]], schema: Schema) -> None:
    """Give a type to mentions that have none, in place; without a list of entity types all get the same."""
    untyped = [
        (text, mention)
        for text, of_text in zip(texts, mentions, strict=True)
        for mention in of_text
        if mention[0] is None
    ]
    if schema.entity_types is None:
        for _, mention in untyped:
            mention[0] = UNTYPED
        return
    questions = [(text, tuple(mention)) for text, mention in untyped]
    answers = _classify(db, questions, schema.entity_types, {})
    for (_, mention), (type_, probability) in zip(untyped, answers, strict=True):
        mention[0], mention[3] = None if type_ == _NONE_OF_THESE else type_, mention[3] * probability


def _synonymous_types(label: str, types: Sequence[Label]) -> list[str]:
    """The types whose names are synonyms of a model's label."""
    return [name for name, _ in types if name.lower() in entity_labels.SYNONYMS.get(label, ())]


def _labels_without_synonym(labels: Sequence[str], role_types: set[str]) -> list[str]:
    """A model's labels but for numbers and for those that a relation has another name for."""
    types = [(name, None) for name in role_types]
    return [
        label
        for label in labels
        if label in role_types or (label not in entity_labels.NUMERIC and not _synonymous_types(label, types))
    ]


def _mentions(db: Connection, model: Model, texts: Sequence[str], labels: Sequence[str]) -> list[list[Mention]]:
    if not labels:
        return [[] for _ in texts]
    return [
        [tuple(mention) for mention in of_text]  # type: ignore[misc]  # JSON lists of four
        for of_text in entities.find(db, model, texts, [(name, None) for name in labels])
    ]


def _assign_types(
    db: Connection,
    texts: Sequence[str],
    mentions: list[list[Mention]],
    label_types: LabelTypes,
    choices: Sequence[Label],
) -> None:
    """Replace the labels of mentions by types, in place; the classification model decides ambiguous ones.

    Mentions that are of none of the types are removed.
    """
    questions = [
        (text, mention)
        for text, of_text in zip(texts, mentions, strict=True)
        for mention in of_text
        if _is_ambiguous(label_types.get(str(mention[0]), []), choices)
    ]
    answers = _classify(db, questions, choices, label_types)
    for of_text in mentions:
        typed: list[Mention] = []
        for label, start, end, score in of_text:
            names = label_types.get(str(label), [])
            type_: str | None = names[0] if names else None
            if _is_ambiguous(names, choices):
                type_, probability = next(answers)
                score *= probability
            if type_ and type_ != _NONE_OF_THESE:
                typed.append((type_, start, end, score))
        of_text[:] = typed


def _is_ambiguous(names: Sequence[str], choices: Sequence[Label]) -> bool:
    """Whether a label leaves open which of the types is meant."""
    return bool(choices) and (len(names) != 1 or names[0] in {name for name, _ in choices})


def _classify(
    db: Connection, questions: Sequence[tuple[str, Mention]], choices: Sequence[Label], label_types: LabelTypes
) -> Iterator[tuple[str, float]]:
    """The most probable type of each mention and its probability; the types of its label have a higher prior."""
    if not questions:
        return
    classifier = models.find(db, None, "classification", scoring.MODELS)
    phrases = [
        entities.phrase(text, (str(label or "thing"), start, end, score))
        for text, (label, start, end, score) in questions
    ]
    labels = [*choices, (_NONE_OF_THESE, None)]
    results = classifier.run("classification", phrases, labels=labels, examples=[], many=False, variant=0)
    for (_, mention), result in zip(questions, results, strict=True):
        scores = json.loads(result)
        for name in label_types.get(str(mention[0]), ()):
            scores[name] *= _LABEL_PRIOR
        best = scoring.best(scores)
        yield best, scores[best] / sum(scores.values())
