"""Evidence of relations that two entities match: probabilistic record linkage (Fellegi and Sunter 1969).

How often a match and a non-match agree in a relation is estimated from the pairs themselves by expectation maximization
(Winkler 1988), where the evidence of their names stays fixed. Agreement in a frequent value counts less than in a rare
one (Winkler 2000).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

# One end of a relation: its predicate, and whether the entity is its subject.
Side = tuple[str, bool]
Triple = tuple[int, str, int]
# Levels of agreement, the best first.
SAME, CLOSE, NEAR, OTHER = range(4)
CLOSE_VALUE, NEAR_VALUE = 0.85, 0.6
# The prior probabilities of the levels for a match (m) and for a non-match (u), and how many pairs they count as.
_M_PRIOR = (0.72, 0.12, 0.06, 0.10)
_M_PRIOR_FUNCTIONAL = (0.85, 0.08, 0.04, 0.03)
_U_PRIOR = (0.08, 0.03, 0.09, 0.80)
_PRIOR_PAIRS = 20.0
_ITERATIONS = 12
_MAX_WEIGHT, _MAX_NEAR_WEIGHT = 5.0, 0.5
# Where this share of the entities has several values, that two entities share none says little.
_MULTIVALUED_SHARE = 0.4
_MIN_MULTIVALUED_WEIGHT = -0.7
_MAX_VALUES = 20
# Shares of common values from which two sets of values agree, or nearly so.
_SAME_SHARE, _CLOSE_SHARE = 0.5, 0.3
_RELATED_WEIGHT = -2.5


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two entities compare on one side; for equal values `chance` is the probability that others share them."""

    side: Side
    level: int
    chance: float


class RelationIndex:
    """The values of each entity on each side: the entities that it is related to."""

    def __init__(
        self, triples: Iterable[Triple], similarity: Callable[[int, int], float], functional: frozenset[str]
    ) -> None:
        self._similarity = similarity
        self._functional = functional
        self.values: defaultdict[int, defaultdict[Side, set[int]]] = defaultdict(lambda: defaultdict(set))
        self._related: set[tuple[int, int]] = set()
        for subject, predicate, object_ in triples:
            self.values[subject][predicate, True].add(object_)
            self.values[object_][predicate, False].add(subject)
            self._related.add((subject, object_))
        self._frequencies: defaultdict[Side, Counter[int]] = defaultdict(Counter)
        self._entities: Counter[Side] = Counter()
        self._multivalued: Counter[Side] = Counter()
        for sides in self.values.values():
            for side, values in sides.items():
                self._entities[side] += 1
                self._multivalued[side] += len(values) > 1
                self._frequencies[side].update(values)

    def values_of(self, entity: int, side: Side) -> set[int]:
        """The values of an entity on one side."""
        sides = self.values.get(entity)
        return sides.get(side, set()) if sides else set()

    def related(self, one: int, other: int) -> bool:
        """Whether a relation holds between the two, which then hardly match."""
        return (one, other) in self._related or (other, one) in self._related

    def agreements(self, one: int, other: int) -> list[Agreement]:
        """How the two compare on each side where both have values."""
        left, right = self.values.get(one), self.values.get(other)
        if not left or not right:
            return []
        return [self._agreement(side, left[side], right[side]) for side in sorted(left.keys() & right.keys())]

    def is_multivalued(self, side: Side) -> bool:
        """Whether many entities have several values on this side."""
        if side[1] and side[0] in self._functional:
            return False
        return self._multivalued[side] > _MULTIVALUED_SHARE * self._entities[side]

    def is_functional(self, side: Side) -> bool:
        """Whether the schema says that an entity has one value only."""
        return side[1] and side[0] in self._functional

    def _agreement(self, side: Side, left: set[int], right: set[int]) -> Agreement:
        common = left & right
        if common:
            rarest = min(self._frequencies[side][value] for value in common)
            # Where one value is the rule, an entity with more values is several that share a name: each fits a part.
            share = len(common) / (min if self.is_multivalued(side) else max)(len(left), len(right))
            level = SAME if share >= _SAME_SHARE else CLOSE if share >= _CLOSE_SHARE else NEAR
            return Agreement(side, level, rarest / max(self._entities[side], 1))
        first, second = (sorted(values)[:_MAX_VALUES] for values in (left, right))
        return Agreement(side, _level(max(self._similarity(a, b) for a in first for b in second)), 0.0)


class AgreementWeights:
    """The weight of each level of agreement on each side: the logarithm of the ratio of m and u."""

    def __init__(self, index: RelationIndex, pairs: Iterable[tuple[float, Sequence[Agreement]]]) -> None:
        """Estimate m and u from pairs: the log odds of their names, and their agreements."""
        patterns: Counter[tuple[float, tuple[tuple[Side, int], ...]]] = Counter(
            (round(names), tuple((each.side, each.level) for each in agreements))
            for names, agreements in pairs
            if agreements
        )
        sides = {side for _, pattern in patterns for side, _ in pattern}
        self._multivalued = {side for side in sides if index.is_multivalued(side)}
        priors = {side: _M_PRIOR_FUNCTIONAL if index.is_functional(side) else _M_PRIOR for side in sides}
        self._m: dict[Side, Sequence[float]] = dict(priors)
        self._u: dict[Side, Sequence[float]] = dict.fromkeys(sides, _U_PRIOR)
        for _ in range(_ITERATIONS if sides else 0):
            weights = {(side, level): self._weight(side, level) for side in sides for level in range(OTHER + 1)}
            counts = {
                side: [[_PRIOR_PAIRS * share for share in shares] for shares in (priors[side], _U_PRIOR)]
                for side in sides
            }
            for (names, pattern), times in patterns.items():
                match = probability(names + sum(weights[each] for each in pattern))
                for side, level in pattern:
                    counts[side][0][level] += times * match
                    counts[side][1][level] += times * (1 - match)
            self._m = {side: _normalized(counts[side][0]) for side in sides}
            self._u = {side: _normalized(counts[side][1]) for side in sides}

    def weight(self, agreement: Agreement) -> float:
        """The weight of one agreement or disagreement."""
        return self._weight(agreement.side, agreement.level, agreement.chance)

    def _weight(self, side: Side, level: int, chance: float = 0.0) -> float:
        m, u = self._m.get(side, _M_PRIOR)[level], self._u.get(side, _U_PRIOR)[level]
        if level == SAME and chance:
            # The geometric mean of the side's u and the frequency of this value.
            u = math.sqrt(u * min(max(chance, u / 20), 1.0))
        weight = min(max(math.log(m / u), -_MAX_WEIGHT), _MAX_NEAR_WEIGHT if level == NEAR else _MAX_WEIGHT)
        return max(weight, _MIN_MULTIVALUED_WEIGHT) if level == OTHER and side in self._multivalued else weight


def _level(similarity: float) -> int:
    return CLOSE if similarity >= CLOSE_VALUE else NEAR if similarity >= NEAR_VALUE else OTHER


def probability(log_odds: float) -> float:
    """The logistic function."""
    return 1 / (1 + math.exp(-max(min(log_odds, 50.0), -50.0)))


def log_odds(
    index: RelationIndex, weights: AgreementWeights, one: int, other: int, agreements: Sequence[Agreement]
) -> float:
    """The log odds that the relations of two entities give for their match."""
    return sum(map(weights.weight, agreements)) + (_RELATED_WEIGHT if index.related(one, other) else 0.0)


def _normalized(counts: Sequence[float]) -> Sequence[float]:
    return [count / sum(counts) for count in counts]


def describe(agreements: Sequence[Agreement]) -> list[str]:
    """The agreements in words, such as "same born in, other works for"."""
    words = {SAME: "same", CLOSE: "nearly the same", OTHER: "other"}
    sides_of: defaultdict[str, list[str]] = defaultdict(list)
    for each in agreements:
        if each.level in words:
            sides_of[words[each.level]].append(each.side[0] if each.side[1] else f"{each.side[0]} of")
    return [f"{what} {', '.join(sides)}" for what, sides in sides_of.items()]
