"""Named-entity recognition under labels of one's own: kinds of the model, patterns, or what a classifier tells."""

from __future__ import annotations

import bisect
import json
from collections.abc import Iterator, Sequence
from typing import Any

from pg_llm.arguments import Label
from pg_llm.classify import abstention, entity_labels, scoring
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.errors import InvalidInput, InvalidModel

MODELS = ("entities", "generation")
# Label, start and end from 0, score; a language model gives none.
Entity = tuple[str, int, int, float | None]
# How much likelier a label is that the recogniser's kind stands for. Chosen on the first parts of CrossNER politics.
_KIND_PRIOR = 2.7
# Characters of context on either side of an entity.
_CONTEXT = 60


def recognize(
    db: Connection,
    inputs: Sequence[str | None],
    labels: Sequence[Label] | None,
    model: str | None,
    threshold: float,
) -> list[tuple[int, list[dict[str, Any]] | None]]:
    """The entities of each text as rows with positions from 1, beside the text's position; None for NULL.

    A language model gives no score, and so none is below the threshold.
    """
    recognizer = models.find(db, model, "entities", MODELS)
    return [
        (
            position,
            None
            if text is None or found is None
            else [
                {"entity": text[start:end], "label": label, "start_pos": start + 1, "end_pos": end + 1, "score": score}
                for label, start, end, score in found
                if score is None or score >= threshold
            ],
        )
        for position, (text, found) in enumerate(zip(inputs, _find(db, recognizer, inputs, labels), strict=True), 1)
    ]


def find(db: Connection, recognizer: Model, texts: Sequence[str], labels: Sequence[Label] | None) -> list[list[Entity]]:
    """The entities of each text, of the labels' kinds only."""
    return [found or [] for found in _find(db, recognizer, texts, labels)]


def find_in_all(
    db: Connection, recognizer: Model, texts: Sequence[str], labels: Sequence[Label] | None
) -> list[list[Entity]]:
    """As `find`, but a text that the model fails at is an error under every `llm.on_error`: it may hold anything."""
    found = [each for each in _find(db, recognizer, texts, labels) if each is not None]
    if len(found) < len(texts):
        raise InvalidModel(
            f'model "{recognizer.name}" failed at {len(texts) - len(found)} of {len(texts)} texts, so what they hold is'
            " not known",
            hint="SET llm.on_error = 'error' tells why.",
        )
    return found


def _find(
    db: Connection, recognizer: Model, texts: Sequence[str | None], labels: Sequence[Label] | None
) -> list[list[Entity] | None]:
    """A label names a kind of the model, or a pattern, or it is what a classification model says of what was found."""
    if labels is None:
        if recognizer.task == "generation":
            raise InvalidInput(
                f'model "{recognizer.name}" has no labels of its own, so labels must be given',
                hint="Write labels => '{person,organisation,drug: a medicine}'.",
            )
        return _run(recognizer, texts, None)
    own = recognizer.labels or []
    # What a label with a description means is told by that.
    patterns = {
        kind: name
        for name, description in labels
        if not description and name not in own and (kind := entity_labels.pattern(name))
    }
    others = [label for label in labels if label[0] not in patterns.values()]
    if not others:
        found: list[list[Entity] | None] = [None if text is None else [] for text in texts]
    elif recognizer.task == "generation":
        found = [_parsed(result) for result in recognizer.run_rows("spans", texts, labels=others)]
    else:
        found = _labelled(db, recognizer, texts, others)
    return _with_patterns(db, texts, found, patterns) if patterns else found


def _labelled(
    db: Connection, recognizer: Model, texts: Sequence[str | None], labels: Sequence[Label]
) -> list[list[Entity] | None]:
    """The entities of a recogniser under labels of one's own."""
    own = recognizer.labels or []
    kinds = {name: entity_labels.kinds(name, own) for name, _ in labels}
    meant: dict[str, list[str]] = {}
    for name, of_label in kinds.items():
        for kind in of_label:
            meant.setdefault(kind, []).append(name)
    unknown = [name for name, of_label in kinds.items() if not of_label]
    wanted = [kind for kind in own if kind in meant or (unknown and kind not in entity_labels.NUMERIC)]
    found = _run(recognizer, texts, [(kind, None) for kind in wanted]) if wanted else [None] * len(texts)
    ambiguous = {kind for kind in wanted if unknown or len(meant[kind]) > 1}
    questions = [
        (text, entity)
        for text, entities in zip(texts, found, strict=True)
        for entity in entities or ()
        if entity[0] in ambiguous
    ]
    answers = _classified(db, questions, labels, meant, unknown)
    labelled: list[list[Entity] | None] = []
    for text, entities in zip(texts, found, strict=True):
        if entities is None:
            labelled.append(None if text is None or wanted else [])
            continue
        # One after the other, as the answers come.
        named = [
            next(answers) if entity[0] in ambiguous else (meant[entity[0]][0], *entity[1:])
            for entity in entities
            if entity[0] in wanted
        ]
        labelled.append([entity for entity in named if entity])
    return labelled


def _classified(
    db: Connection,
    questions: Sequence[tuple[str | None, Entity]],
    labels: Sequence[Label],
    meant: dict[str, list[str]],
    unknown: Sequence[str],
) -> Iterator[Entity | None]:
    """Each entity with the label that fits best; None where its kind has no label and none is likelier than not."""
    if not questions:
        return
    classifier = models.find(db, None, "classification", scoring.MODELS)
    phrases = [phrase(text or "", entity) for text, entity in questions]
    options = {"labels": labels, "examples": [], "many": False, "variant": 0, "allow_none": True}
    for (_, (kind, start, end, score)), result in zip(
        questions, classifier.run("classification", phrases, **options), strict=True
    ):
        scores = json.loads(result)
        candidates = {name: scores[name] for name in unknown}
        candidates |= {name: scores[name] * _KIND_PRIOR for name in meant.get(kind, ())}
        if not candidates or (kind not in meant and abstention.is_none(scores)):
            yield None
        else:
            label = scoring.best(candidates)
            yield label, start, end, (score or 0.0) * candidates[label] / sum(candidates.values())


def _with_patterns(
    db: Connection, texts: Sequence[str | None], found: Sequence[list[Entity] | None], patterns: dict[str, str]
) -> list[list[Entity] | None]:
    """The entities with those of patterns among them; what overlaps one of these is left out."""
    given = [text for text in texts if text is not None]
    matched = iter(models.run_without_model(db, "entity_patterns", given, kinds=patterns))
    merged: list[list[Entity] | None] = []
    for text, entities in zip(texts, found, strict=True):
        certain = [] if text is None else _parsed(next(matched)) or []
        if entities is None:
            merged.append(None)
            continue
        ends = [end for _, _, end, _ in certain]
        # Both lists are in order, and no two patterns overlap.
        free = [
            entity
            for entity in entities
            if (place := bisect.bisect_right(ends, entity[1])) == len(certain) or certain[place][1] >= entity[2]
        ]
        merged.append(sorted([*certain, *free], key=lambda entity: entity[1:3]))
    return merged


def _run(recognizer: Model, texts: Sequence[str | None], labels: Sequence[Label] | None) -> list[list[Entity] | None]:
    return [_parsed(result) for result in recognizer.run_rows("entities", texts, labels=labels)]


def _parsed(result: str | None) -> list[Entity] | None:
    return None if result is None else [(label, start, end, score) for label, start, end, score in json.loads(result)]


def phrase(text: str, entity: Entity) -> str:
    """The entity, the kind that the recognizer gave it, and the words around it."""
    kind, start, end, _ = entity
    context = text[max(0, start - _CONTEXT) : end + _CONTEXT]
    return f"{text[start:end]} ({kind}): {context}"
