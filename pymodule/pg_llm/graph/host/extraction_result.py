"""The result of an extraction: the entities of a text and the relations between them, each once."""

from __future__ import annotations

import bisect
import json
import sys
from collections.abc import Sequence

# Preceding spans that are tested for covering another one.
_MAX_TESTED = 8

# Type (None where it is unknown), start and end in the text, score.
Mention = tuple[str | None, int, int, float]


class ExtractionResult:
    """Collects entities and relations; of a relation that is stated several times the surest is kept."""

    def __init__(self, entities: Sequence[Mention] = ()) -> None:
        self._given = {(start, end): (type_, start, end, score) for type_, start, end, score in entities}
        self._relations: dict[tuple[Mention, str, Mention], tuple[int, int, float]] = {}
        self._related: set[frozenset[tuple[int, int]]] = set()
        self._open: dict[tuple[Mention, Mention], tuple[str, int, int, float, list[tuple[str, bool]]]] = {}

    def replace_entity(self, old: Mention, new: Mention) -> None:
        """Replace a given entity."""
        self._given.pop(old[1:3], None)
        self._given[new[1:3]] = new

    def add_relation(
        self,
        subject: Mention,
        predicate: str,
        object_: Mention,
        span: tuple[int, int],
        score: float,
        *,
        subject_elsewhere: bool = False,
    ) -> None:
        """Add a relation that the words of `span` state; one between overlapping entities is ignored.

        The passage is extended to both entities, but not to a subject in another sentence.
        """
        if subject[1] < object_[2] and object_[1] < subject[2]:
            return
        key = (subject, predicate, object_)
        self._related.add(frozenset((subject[1:3], object_[1:3])))
        inside = (*span, *object_[1:3], *(() if subject_elsewhere else subject[1:3]))
        if score > self._relations.get(key, (0, 0, -1.0))[2]:
            self._relations[key] = (min(inside), max(inside), score)

    def add_open_question(
        self, one: Mention, other: Mention, phrase: str, score: float, candidates: list[tuple[str, bool]]
    ) -> None:
        """Add two entities of which a phrase, compared with descriptions, will tell the relation.

        The candidates are names of relations, each with whether it leads from the other entity to the one.
        """
        if candidates and (one, other) not in self._open and one[1] != other[1]:
            span = min(one[1], other[1]), max(one[2], other[2])
            self._open[one, other] = (phrase, *span, score, candidates)

    def are_related(self, one: Mention, other: Mention) -> bool:
        """Whether any relation holds between the two, in either direction."""
        return frozenset((one[1:3], other[1:3])) in self._related

    def to_json(self) -> str:
        """A JSON object of entities, relations between their positions, and open questions."""
        used = [mention for subject, _, object_ in self._relations for mention in (subject, object_)]
        used += [mention for pair in self._open for mention in pair]
        entities: dict[tuple[str | None, int, int], float] = {}
        for type_, start, end, score in (*used, *self._given.values()):
            key = (type_, start, end)
            entities[key] = max(score, entities.get(key, 0.0))
        in_relations = {mention[:3] for mention in used}
        spans = sorted({mention[1:3] for mention in used})
        ordered = sorted(
            (key for key in entities if key in in_relations or not _is_covered(key[1:], spans)),
            key=lambda key: (key[1], key[2], key[0] or ""),
        )
        position = {key: number for number, key in enumerate(ordered)}
        relations = sorted(
            [position[subject[:3]], predicate, position[object_[:3]], start, end, round(score, 4)]
            for (subject, predicate, object_), (start, end, score) in self._relations.items()
        )
        questions = [
            [position[one[:3]], position[other[:3]], phrase, start, end, round(score, 4), candidates]
            for (one, other), (phrase, start, end, score, candidates) in self._open.items()
        ]
        return json.dumps(
            {
                "entities": [[*key, round(entities[key], 4)] for key in ordered],
                "relations": relations,
                "open": questions,
            },
            ensure_ascii=False,
        )


def _is_covered(span: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
    """Whether one of the others covers the span. An entity in a relation is surer than a given one that it covers."""
    after = bisect.bisect_right(others, (span[0], sys.maxsize))
    return any(end >= span[1] for _, end in others[max(0, after - _MAX_TESTED) : after])
