"""What is found in a text: entities and the relations between them, each once."""

from __future__ import annotations

import bisect
import json
import sys
from collections.abc import Sequence

# Places before one that may hold it.
_NEAR = 8

# Type (None where nobody has said it), start and end in the text, score.
Mention = tuple[str | None, int, int, float]


class Found:
    """Gathers; of one relation between two mentions the surest is kept."""

    def __init__(self, entities: Sequence[Mention] = ()) -> None:
        self._given = {(start, end): (kind, start, end, score) for kind, start, end, score in entities}
        self._made: dict[tuple[str | None, int, int], float] = {}
        self._relations: dict[tuple[Mention, str, Mention], tuple[int, int, float]] = {}
        self._pairs: set[frozenset[tuple[int, int]]] = set()
        self._open: dict[tuple[Mention, Mention], tuple[str, int, int, float, list[tuple[str, bool]]]] = {}

    def replace(self, one: Mention, other: Mention) -> None:
        """Take another place for a given entity."""
        self._given.pop(one[1:3], None)
        self._given[other[1:3]] = other

    def relate(
        self, subject: Mention, name: str, target: Mention, place: tuple[int, int], score: float, *, apart: bool = False
    ) -> None:
        """Add a relation; nothing is related to itself. The subject may be apart from the place that says it."""
        if subject[1] < target[2] and target[1] < subject[2]:
            return
        key = (subject, name, target)
        self._pairs.add(frozenset((subject[1:3], target[1:3])))
        inside = (*place, *target[1:3], *(() if apart else subject[1:3]))
        if score > self._relations.get(key, (0, 0, -1.0))[2]:
            self._relations[key] = (min(inside), max(inside), score)

    def ask(self, one: Mention, other: Mention, phrase: str, score: float, names: list[tuple[str, bool]]) -> None:
        """Note two mentions whose relation, one of the names (true: from the other to the one), a phrase will tell."""
        if names and (one, other) not in self._open and one[1] != other[1]:
            place = min(one[1], other[1]), max(one[2], other[2])
            self._open[one, other] = (phrase, *place, score, names)

    def related(self, one: Mention, other: Mention) -> bool:
        """Whether any relation holds between the two, in either direction."""
        return frozenset((one[1:3], other[1:3])) in self._pairs

    def written(self) -> str:
        """As JSON: entities, relations between their numbers, and what is open."""
        used = [end for subject, _, target in self._relations for end in (subject, target)]
        used += [end for ends in self._open for end in ends]
        entities: dict[tuple[str | None, int, int], float] = {}
        for kind, start, end, score in (*used, *self._given.values()):
            key = (kind, start, end)
            entities[key] = max(score, entities.get(key, 0.0))
        taken = {mention[:3] for mention in used}
        places = sorted({mention[1:3] for mention in used})
        ordered = sorted(
            (key for key in entities if key in taken or not _covered(key[1:], places)),
            key=lambda key: (key[1], key[2], key[0] or ""),
        )
        number = {key: row for row, key in enumerate(ordered)}
        relations = sorted(
            [number[subject[:3]], name, number[target[:3]], start, end, round(score, 4)]
            for (subject, name, target), (start, end, score) in self._relations.items()
        )
        questions = [
            [number[one[:3]], number[other[:3]], phrase, start, end, round(score, 4), names]
            for (one, other), (phrase, start, end, score, names) in self._open.items()
        ]
        return json.dumps(
            {
                "entities": [[*key, round(entities[key], 4)] for key in ordered],
                "relations": relations,
                "open": questions,
            },
            ensure_ascii=False,
        )


def _covered(place: tuple[int, int], places: Sequence[tuple[int, int]]) -> bool:
    """Whether one of the places holds the other: what is in a relation is known better than what was given."""
    after = bisect.bisect_right(places, (place[0], sys.maxsize))
    return any(end >= place[1] for _, end in places[max(0, after - _NEAR) : after])
