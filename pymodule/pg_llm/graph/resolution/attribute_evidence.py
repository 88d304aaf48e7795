"""How much what is said of two things speaks for their being one.

How often one thing agrees with itself in a relation, and two things by chance, is learnt from the pairs themselves
(Fellegi and Sunter 1969, by expectation maximization); what their names say holds it fast. Agreement in what many
share counts less than in what few do (Winkler 2000).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

# A relation seen from one of its ends: its predicate, and whether the thing is its subject.
Side = tuple[str, bool]
Triple = tuple[int, str, int]
# Levels of agreement, the best first.
SAME, CLOSE, NEAR, OTHER = range(4)
CLOSE_VALUE, NEAR_VALUE = 0.85, 0.6
# What one thing and what two are expected to show before any pair was seen, and how many pairs that is worth.
_ONE = (0.72, 0.12, 0.06, 0.10)
_ONE_FUNCTIONAL = (0.85, 0.08, 0.04, 0.03)
_TWO = (0.08, 0.03, 0.09, 0.80)
_BELIEF = 20.0
_ROUNDS = 12
_MOST, _MOST_NEAR = 5.0, 0.5
# Where a thing has several objects, that two share none says little.
_SEVERAL = 0.4
_LEAST_SEVERAL = -0.7
_MOST_VALUES = 20
_MOSTLY, _PARTLY = 0.5, 0.3
_RELATED = -2.5


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two things compare from one side of a relation; `chance` that two agree so by accident, for equal values."""

    side: Side
    level: int
    chance: float


class Facts:
    """What is said of things, each by its number."""

    def __init__(
        self, triples: Iterable[Triple], alike: Callable[[int, int], float], functional: frozenset[str]
    ) -> None:
        self._alike = alike
        self._functional = functional
        self.values: defaultdict[int, defaultdict[Side, set[int]]] = defaultdict(lambda: defaultdict(set))
        self._related: set[tuple[int, int]] = set()
        for subject, predicate, object_ in triples:
            self.values[subject][predicate, True].add(object_)
            self.values[object_][predicate, False].add(subject)
            self._related.add((subject, object_))
        self._counts: defaultdict[Side, Counter[int]] = defaultdict(Counter)
        self._things: Counter[Side] = Counter()
        self._many: Counter[Side] = Counter()
        for its in self.values.values():
            for side, found in its.items():
                self._things[side] += 1
                self._many[side] += len(found) > 1
                self._counts[side].update(found)

    def of(self, thing: int, side: Side) -> set[int]:
        """What a thing is related to, seen from one side."""
        its = self.values.get(thing)
        return its.get(side, set()) if its else set()

    def related(self, one: int, other: int) -> bool:
        """Whether a relation holds between the two, which then are hardly one."""
        return (one, other) in self._related or (other, one) in self._related

    def agreements(self, one: int, other: int) -> list[Agreement]:
        """How the two compare wherever something is said of both."""
        left, right = self.values.get(one), self.values.get(other)
        if not left or not right:
            return []
        return [self._agreement(side, left[side], right[side]) for side in sorted(left.keys() & right.keys())]

    def several(self, side: Side) -> bool:
        """Whether things have more than one value there as a rule."""
        if side[1] and side[0] in self._functional:
            return False
        return self._many[side] > _SEVERAL * self._things[side]

    def functional(self, side: Side) -> bool:
        """Whether it was said that a thing can have one value only."""
        return side[1] and side[0] in self._functional

    def _agreement(self, side: Side, left: set[int], right: set[int]) -> Agreement:
        both = left & right
        if both:
            rarest = min(self._counts[side][value] for value in both)
            # A thing with more values than is usual is several things under one name: each fits a part of it.
            size = (min if self.several(side) else max)(len(left), len(right))
            level = SAME if len(both) / size >= _MOSTLY else CLOSE if len(both) / size >= _PARTLY else NEAR
            return Agreement(side, level, rarest / max(self._things[side], 1))
        some = [sorted(values)[:_MOST_VALUES] for values in (left, right)]
        best = max(self._alike(a, b) for a in some[0] for b in some[1])
        return Agreement(side, _level(best), 0.0)


class Weights:
    """What each level of agreement is worth from each side, in logarithms of odds."""

    def __init__(self, facts: Facts, pairs: Iterable[tuple[float, Sequence[Agreement]]]) -> None:
        """Learn from pairs: what their names say, and how they compare."""
        patterns: Counter[tuple[float, tuple[tuple[Side, int], ...]]] = Counter(
            (round(names), tuple((each.side, each.level) for each in found)) for names, found in pairs if found
        )
        sides = {side for _, found in patterns for side, _ in found}
        self._several = {side for side in sides if facts.several(side)}
        first = {side: _ONE_FUNCTIONAL if facts.functional(side) else _ONE for side in sides}
        self._one: dict[Side, Sequence[float]] = dict(first)
        self._two: dict[Side, Sequence[float]] = dict.fromkeys(sides, _TWO)
        for _ in range(_ROUNDS if sides else 0):
            worth = {(side, level): self._worth(side, level) for side in sides for level in range(OTHER + 1)}
            counts = {side: [[_BELIEF * share for share in shares] for shares in (first[side], _TWO)] for side in sides}
            for (names, found), times in patterns.items():
                one = probability(names + sum(worth[each] for each in found))
                for side, level in found:
                    counts[side][0][level] += times * one
                    counts[side][1][level] += times * (1 - one)
            self._one = {side: _shares(counts[side][0]) for side in sides}
            self._two = {side: _shares(counts[side][1]) for side in sides}

    def worth(self, found: Agreement) -> float:
        """What one agreement or disagreement is worth."""
        return self._worth(found.side, found.level, found.chance)

    def _worth(self, side: Side, level: int, chance: float = 0.0) -> float:
        one, two = self._one.get(side, _ONE)[level], self._two.get(side, _TWO)[level]
        if level == SAME and chance:
            # Between what is usual there and what this value's own frequency says.
            two = math.sqrt(two * min(max(chance, two / 20), 1.0))
        worth = min(max(math.log(one / two), -_MOST), _MOST_NEAR if level == NEAR else _MOST)
        return max(worth, _LEAST_SEVERAL) if level == OTHER and side in self._several else worth


def _level(alike: float) -> int:
    return CLOSE if alike >= CLOSE_VALUE else NEAR if alike >= NEAR_VALUE else OTHER


def probability(odds: float) -> float:
    """The probability of odds that are given as a logarithm."""
    return 1 / (1 + math.exp(-max(min(odds, 50.0), -50.0)))


def evidence(facts: Facts, weights: Weights, one: int, other: int, found: Sequence[Agreement]) -> float:
    """All that is said of the two, in logarithms of odds."""
    return sum(map(weights.worth, found)) + (_RELATED if facts.related(one, other) else 0.0)


def _shares(counts: Sequence[float]) -> Sequence[float]:
    return [count / sum(counts) for count in counts]


def told(found: Sequence[Agreement]) -> list[str]:
    """Where the two agree and differ, in words."""
    words = {SAME: "same", CLOSE: "nearly the same", OTHER: "other"}
    said: defaultdict[str, list[str]] = defaultdict(list)
    for each in found:
        if each.level in words:
            said[words[each.level]].append(each.side[0] if each.side[1] else f"{each.side[0]} of")
    return [f"{what} {', '.join(sides)}" for what, sides in said.items()]
