"""Relation classification: pairs of entities of a sentence, and the input that a model classifies for each."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from pg_llm.errors import InvalidInput
from pg_llm.graph.host.extraction_result import ExtractionResult, Mention
from pg_llm.models.engine import Engine
from pg_llm.models.spec import NO_RELATION
from pg_llm.tasks import Steps, WorkItem, probability, stepwise

# Entities, and characters, between the two of a pair at most: some 200 tokens.
_MAX_ENTITIES_BETWEEN = 12
_MAX_DISTANCE = 800
# Pairs that the model classifies before other requests have their turn.
_BATCH = 256
# Characters of context on each side of a pair, for a transformer and for features.
_CONTEXT = 200
_FEATURE_CONTEXT = 30
_SENTENCE_END = re.compile(r"[.!?]['\")\]]*\s+(?=[\"'(\[]*[A-Z])|[。！？]|\n\s*\n")  # noqa: RUF001 - Chinese
# A full stop after an abbreviation ends no sentence.
_ABBREVIATION = re.compile(
    r"(?:\b[A-Z]|\b(?:Mr|Mrs|Ms|Dr|St|Prof|Sen|Rep|Gov|Gen|Lt|Col|Jr|Sr|vs|No|Inc|Ltd|Co|U\.S))\.\s+$"
)


def candidates(text: str, entities: Sequence[Mention]) -> Iterator[tuple[Mention, Mention]]:
    """Ordered pairs of entities of one sentence that are near each other, so that a long text has not too many."""
    ordered = sorted(entities, key=lambda mention: (mention[1], mention[2]))
    ends = [
        match.end()
        for match in _SENTENCE_END.finditer(text)
        if not _ABBREVIATION.search(text[max(0, match.end() - 12) : match.end()])
    ]
    number = 0
    sentences = []
    for mention in ordered:
        while number < len(ends) and ends[number] <= mention[1]:
            number += 1
        sentences.append(number)
    for first, one in enumerate(ordered):
        for second in range(first + 1, min(first + 1 + _MAX_ENTITIES_BETWEEN, len(ordered))):
            other = ordered[second]
            if sentences[first] != sentences[second] or other[1] - one[2] > _MAX_DISTANCE:
                break
            if one[2] <= other[1]:
                yield one, other
                yield other, one


def marked_text(text: str, subject: Mention, object_: Mention) -> str:
    """The words around a pair with typed entity markers (Zhou and Chen 2021), for a transformer."""
    marks = sorted(((subject[1], subject[2], "subject", subject[0]), (object_[1], object_[2], "object", object_[0])))
    start, end = max(0, marks[0][0] - _CONTEXT), marks[1][1] + _CONTEXT
    parts = [f"{subject[0]} {text[subject[1] : subject[2]]}, {object_[0]} {text[object_[1] : object_[2]]}: "]
    for first, last, role, type_ in marks:
        parts.append(f"{text[start:first]}[{role} {type_}: {text[first:last]}]")
        start = last
    return "".join((*parts, text[start:end]))


def features(text: str, subject: Mention, object_: Mention) -> str:
    """A pair for a linear layer on embeddings and words: types and context, without the names, which vary.

    Two lines: the text that is embedded, and words with prefixes that tell where they stand.
    """
    first, second = sorted((subject, object_), key=lambda mention: mention[1])
    role = "subject" if first is subject else "object"
    other = "object" if first is subject else "subject"
    between = text[first[2] : second[1]][:_CONTEXT].split()
    before = text[max(0, first[1] - _FEATURE_CONTEXT) : first[1]].split()[-2:]
    after = text[second[2] : second[2] + _FEATURE_CONTEXT].split()[:2]
    words = [
        f"{role}_{first[0]} {other}_{second[0]} {subject[0]}__{object_[0]}",
        *(f"{role}_{word}" for word in between),
        *(f"before_{role}_{word}" for word in before),
        *(f"after_{role}_{word}" for word in after),
        *(f"{role}_{first[0]}_{second[0]}_{word}" for word in between),
        f"length_{role}_{min(len(between), 6)}",
    ]
    return f"{role} {first[0]} {' '.join(between)} {other} {second[0]}\n{' '.join(words)}"


def prepare(model: Engine, items: Sequence[dict[str, Any]], options: dict[str, Any]) -> list[WorkItem]:
    """One piece of work per text, with a window for each pair."""
    labels: list[str] = model.details.get("labels", [])
    if NO_RELATION not in labels:
        raise InvalidInput(
            "this model tells no relations", hint="llm_fit() with the task relations makes one that does."
        )
    render = features if model.details.get("words") else marked_text
    return [stepwise(_classify(model, item, render, options)) for item in items]


def _classify(model: Engine, item: dict[str, Any], render: Callable[..., str], options: dict[str, Any]) -> Steps:
    text = item["text"]
    entities: list[Mention] = [(type_, start, end, score) for type_, start, end, score in item["entities"]]
    labels, type_pairs, requested = model.details["labels"], model.details.get("ends"), options["relations"]

    def is_possible(label: str, subject: Mention, object_: Mention) -> bool:
        """Whether the training data has the relation between two such types, whether or not it is requested."""
        return label == NO_RELATION or type_pairs is None or [subject[0], object_[0]] in type_pairs.get(label, ())

    def is_requested(label: str, subject: Mention, object_: Mention) -> bool:
        if requested is None:
            return True
        relation = requested.get(label)
        return relation is not None and all(
            not relation[role] or mention[0] in relation[role]
            for role, mention in (("subject", subject), ("object", object_))
        )

    result = ExtractionResult(entities)
    remaining = candidates(text, entities)
    while pairs := list(itertools.islice(remaining, _BATCH)):
        outputs = yield [windows[0] for windows in model.encode([render(text, *pair) for pair in pairs])]
        for (subject, object_), row in zip(pairs, probability.softmax(np.asarray(outputs)), strict=True):
            _, score, best = max(
                (is_possible(label, subject, object_), chance, label) for label, chance in zip(labels, row, strict=True)
            )
            if best != NO_RELATION and is_requested(best, subject, object_):
                span = min(subject[1], object_[1]), max(subject[2], object_[2])
                result.add_relation(subject, best, object_, span, float(score))
    return result.to_json()
