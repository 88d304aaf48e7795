"""Relations as classes of pairs of entities: which pairs there are, and how one is shown to a model."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from pg_llm.errors import InvalidInput
from pg_llm.graph.host.extraction_result import Found, Mention
from pg_llm.models.engine import Engine
from pg_llm.models.spec import NO_RELATION
from pg_llm.tasks import Steps, WorkItem, probability, stepwise

# Entities on either side, and characters between, that a pair may have: some 200 tokens.
_NEXT = 12
_FAR = 800
# Pairs that are shown to the model before it is others' turn.
_AT_ONCE = 256
# Characters that are shown before and after a pair.
_AROUND = 200
_BESIDE = 30
_END = re.compile(r"[.!?]['\")\]]*\s+(?=[\"'(\[]*[A-Z])|[。！？]|\n\s*\n")  # noqa: RUF001 - Chinese
# A full stop after these ends no sentence.
_SHORT = re.compile(r"(?:\b[A-Z]|\b(?:Mr|Mrs|Ms|Dr|St|Prof|Sen|Rep|Gov|Gen|Lt|Col|Jr|Sr|vs|No|Inc|Ltd|Co|U\.S))\.\s+$")


def candidates(text: str, entities: Sequence[Mention]) -> Iterator[tuple[Mention, Mention]]:
    """Ordered pairs of entities of one sentence, near each other, so that a long text stays bounded."""
    ordered = sorted(entities, key=lambda mention: (mention[1], mention[2]))
    ends = [
        match.end() for match in _END.finditer(text) if not _SHORT.search(text[max(0, match.end() - 12) : match.end()])
    ]
    number = 0
    sentence = []
    for mention in ordered:
        while number < len(ends) and ends[number] <= mention[1]:
            number += 1
        sentence.append(number)
    for row, one in enumerate(ordered):
        for column in range(row + 1, min(row + 1 + _NEXT, len(ordered))):
            other = ordered[column]
            if sentence[row] != sentence[column] or other[1] - one[2] > _FAR:
                break
            if one[2] <= other[1]:
                yield one, other
                yield other, one


def shown(text: str, subject: Mention, target: Mention) -> str:
    """The words around a pair, its ends marked by what they are and which of the two."""
    marks = sorted(((subject[1], subject[2], "subject", subject[0]), (target[1], target[2], "object", target[0])))
    start, end = max(0, marks[0][0] - _AROUND), marks[1][1] + _AROUND
    parts = [f"{subject[0]} {text[subject[1] : subject[2]]}, {target[0]} {text[target[1] : target[2]]}: "]
    for first, last, role, kind in marks:
        parts.append(f"{text[start:first]}[{role} {kind}: {text[first:last]}]")
        start = last
    return "".join((*parts, text[start:end]))


def worded(text: str, subject: Mention, target: Mention) -> str:
    """A pair for a layer on embeddings and words: types and the words between them, not the names, which vary.

    Two lines: what is embedded, and words that each say of which kind of place they are from.
    """
    first, second = sorted((subject, target), key=lambda mention: mention[1])
    role = "subject" if first is subject else "object"
    other = "object" if first is subject else "subject"
    between = text[first[2] : second[1]][:_AROUND].split()
    before = text[max(0, first[1] - _BESIDE) : first[1]].split()[-2:]
    after = text[second[2] : second[2] + _BESIDE].split()[:2]
    words = [
        f"{role}_{first[0]} {other}_{second[0]} {subject[0]}__{target[0]}",
        *(f"{role}_{word}" for word in between),
        *(f"before_{role}_{word}" for word in before),
        *(f"after_{role}_{word}" for word in after),
        *(f"{role}_{first[0]}_{second[0]}_{word}" for word in between),
        f"length_{role}_{min(len(between), 6)}",
    ]
    return f"{role} {first[0]} {' '.join(between)} {other} {second[0]}\n{' '.join(words)}"


def prepare(model: Engine, given: Sequence[dict[str, Any]], options: dict[str, Any]) -> list[WorkItem]:
    """One piece of work per text: a window for each pair."""
    labels: list[str] = model.details.get("labels", [])
    if NO_RELATION not in labels:
        raise InvalidInput(
            "this model tells no relations", hint="llm_fit() with the task relations makes one that does."
        )
    render = worded if model.details.get("words") else shown
    return [stepwise(_read(model, item, render, options)) for item in given]


def _read(model: Engine, item: dict[str, Any], render: Callable[..., str], options: dict[str, Any]) -> Steps:
    text = item["text"]
    entities: list[Mention] = [(kind, start, end, score) for kind, start, end, score in item["entities"]]
    labels, ends, wanted = model.details["labels"], model.details.get("ends"), options["relations"]

    def able(label: str, subject: Mention, target: Mention) -> bool:
        """Whether a relation has been seen between two such types; what is not asked for is told apart all the same."""
        return label == NO_RELATION or ends is None or [subject[0], target[0]] in ends.get(label, ())

    def asked(label: str, subject: Mention, target: Mention) -> bool:
        """Whether the caller wants it."""
        if wanted is None:
            return True
        its = wanted.get(label)
        return its is not None and all(
            not its[role] or end[0] in its[role] for role, end in (("subject", subject), ("object", target))
        )

    found = Found(entities)
    waiting = candidates(text, entities)
    while pairs := list(itertools.islice(waiting, _AT_ONCE)):
        outputs = yield [its[0] for its in model.encode([render(text, *pair) for pair in pairs])]
        for (subject, target), row in zip(pairs, probability.softmax(np.asarray(outputs)), strict=True):
            _, chance, best = max(
                (able(label, subject, target), chance, label) for label, chance in zip(labels, row, strict=True)
            )
            if best != NO_RELATION and asked(best, subject, target):
                place = min(subject[1], target[1]), max(subject[2], target[2])
                found.relate(subject, best, target, place, float(chance))
    return found.written()
