"""Match weights of probabilistic record linkage (Fellegi and Sunter 1969), learnt from the table itself.

How often matches agree in a field (m) is estimated by expectation maximization (Winkler 1988), how often other pairs do
(u) from random pairs. Fields depend on one another in a tree (Chow and Liu 1968): who moved has another street, town
and postcode at once. Where a date or an identifier tells, a third class has the pairs that are related and do not
match, such as a household. Agreement in a rare value counts more (Winkler 2000).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pg_llm.cleaning.host.linkage.comparison import CLOSE, MISSING, NEAR, OTHER, SAME, Levels
from pg_llm.cleaning.host.linkage.fields import Field

Weights = NDArray[np.float64]
# The prior shares of the levels among matches.
_M_PRIOR = {
    "email": (0.84, 0.06, 0.01, 0.09),
    "phone": (0.84, 0.06, 0.01, 0.09),
    "date": (0.88, 0.06, 0.03, 0.03),
    "code": (0.84, 0.07, 0.03, 0.06),
    "category": (0.90, 0.01, 0.01, 0.08),
    "text": (0.72, 0.12, 0.08, 0.08),
    "name": (0.80, 0.10, 0.06, 0.04),
    "number": (0.86, 0.05, 0.01, 0.08),
}
# The prior shares of the levels among random pairs: so seldom two persons have one e-mail address.
_U_PRIOR = {
    "email": (1e-7, 1e-6, 1e-6, 1.0),
    "phone": (1e-6, 1e-5, 1e-4, 1.0),
    "date": (2e-4, 2e-3, 0.03, 1.0),
    "code": (1e-3, 5e-3, 0.02, 1.0),
    "category": (0.2, 0.01, 0.01, 1.0),
    "text": (1e-3, 2e-3, 0.02, 1.0),
    "name": (5e-3, 5e-3, 0.03, 1.0),
    "number": (0.02, 0.02, 0.01, 1.0),
}
# Related pairs are of several kinds, which agree in more fields or in fewer: households, neighbours, namesakes.
_RELATED_PRIORS = ((0.80, 0.03, 0.03, 0.14), (0.50, 0.03, 0.07, 0.40), (0.20, 0.03, 0.07, 0.70))
# Of who moved, half of the rest may differ at once; so many of the matches are such before any is found.
_MOVED_PRIOR, _MOVED = (0.50, 0.03, 0.07, 0.40), 0.1
# They seldom share what is each one's own.
_RELATED_BY_KIND = {"email": (0.05, 0.01, 0.01, 0.93), "phone": (0.10, 0.01, 0.01, 0.88)}
# Related pairs have one value or two; so few have one and a misspelling of it, as copies do.
_MAX_MISSPELT = 0.1
# In how many pairs the priors count; those of matches in a share of all matches too.
_M_PAIRS, _M_SHARE, _M_SHARE_TELLING, _U_PAIRS, _RELATED_PAIRS = 30.0, 0.05, 2.0, 50.0, 5.0
# Dependent levels are estimated with the independent ones as their prior, in so many pairs.
_TREE_PAIRS = 20.0
# Fields that hold few values twice, and in which matches mostly agree, tell related pairs from matches.
_MIN_DISTINCT, _MIN_AGREEMENT = 0.2, 0.2
# Rows with one code mostly agree in half of all else, or it is that of a place or a kind, which neighbours share.
_IDENTIFYING, _ALIKE = 0.8, 0.5
# Rows that agree in such a share of the other fields are alike.
_MOSTLY_ALIKE = 0.75
# Members of households are there where so many of the rows that are alike differ in a name.
_MIN_OTHER = 0.1
# A date is a birthday where so many times more of the rows that are alike agree in it than of others, and such a share.
_ABOVE_CHANCE, _MIN_SHARED = 10.0, 0.01
# Twins have one name in so many of a million pairs.
_NAMED_ALIKE = 1e-6
# Where fewer pairs of members of a household are found, nothing tells which field their given names are in.
_MIN_HOUSEHOLDS = 3.0
# Matches that are expected for each row before any is found.
_MATCHES_PER_ROW = 0.05
_ITERATIONS = 15
_LEVELS = 4
# Where one field determines another, such a share of the values is the same.
_DETERMINED, _MIN_DETERMINED, _MIN_ROWS = 0.95, 0.9, 3
# Log odds that what was learnt may add to what is expected.
_MAX_SURPRISE = 9.0
# A rare value counts at most so much more than a frequent one, as a logarithm.
_MAX_RARITY = 4.0


@dataclass(slots=True)
class _Class:
    """Pairs of one kind: their number, the shares of levels in each field, and, given the level of its parent, too.

    `given` has for each field the shares by the level of its parent; where that is missing, those without one.
    """

    size: float
    shares: Weights
    parents: Sequence[int]
    given: NDArray[np.float64]

    def logs(self, levels: Levels) -> Weights:
        """The logarithm of the number of pairs with these vectors."""
        total = np.full(len(levels), np.log(self.size))
        for place, parent in enumerate(self.parents):
            own = levels[:, place]
            above = levels[:, parent] if parent >= 0 else np.full(len(levels), MISSING)
            logs = np.concatenate((np.log(self.given[place]), np.zeros((_LEVELS + 1, 1))), axis=1)
            total += logs[above, own]
        return total


def _independent(size: float, shares: Weights) -> _Class:
    return _Class(size, shares, [-1] * len(shares), np.repeat(shares[:, None, :], _LEVELS + 1, axis=1))


class MatchWeights:
    """The log odds of a match for comparison vectors of a table with so many rows.

    `related_told`: a date or an identifier tells related rows from matches.
    """

    related_told: bool

    def __init__(
        self, fields: Sequence[Field], row_count: int, random: Levels, candidates: Levels, pairs_each: float
    ) -> None:
        """Estimate from the comparison vectors of random pairs and of candidates, each of which stands for some."""
        self._fields = fields
        self._pairs = row_count * (row_count - 1) / 2
        self._both_filled = np.array([field.filled * (field.filled - 1) / 2 for field in fields]).clip(1)
        self._collisions = np.array([field.collisions for field in fields])
        self._m_prior = np.array([_normalized(_M_PRIOR[field.kind]) for field in fields])
        u_prior = np.array([_normalized(_U_PRIOR[field.kind]) for field in fields])
        self._u_same_prior = u_prior[:, SAME]
        counted = np.stack([(random == level).sum(axis=0) for level in range(_LEVELS)], axis=1)
        shares = _normalized(counted + u_prior * _U_PAIRS)
        # Equal e-mail addresses and numbers are matches until others contradict.
        telling = np.array([field.kind in ("email", "phone") for field in fields])
        shares = _with_same(shares, np.where(telling, self._u_same_prior, shares[:, SAME]))
        self._match = _independent(max(_MATCHES_PER_ROW * row_count, 1.0), self._m_prior)
        self._rows = row_count
        self._determinants = _determinants(fields)
        self._other = self._unrelated(shares)
        self._related: list[_Class] = []
        self._moved: _Class | None = None
        self._related_priors = [
            np.array([_RELATED_BY_KIND.get(field.kind, each) for field in fields]) for each in _RELATED_PRIORS
        ]
        self._tells = np.zeros(len(fields), dtype=bool)
        self._birthdays = np.zeros(len(fields), dtype=bool)
        self._given = np.zeros(len(fields), dtype=bool)
        patterns, times = distinct_rows(candidates)
        times *= pairs_each
        marks = np.stack([patterns == level for level in range(_LEVELS)], axis=2).reshape(len(patterns), -1)
        self._estimate(patterns, times, marks.astype(np.float64))

    def _estimate(self, patterns: Levels, times: Weights, marks: Weights) -> None:
        # By the priors alone first: with one more step, related pairs would be taken for matches.
        self._maximize(patterns, times, marks, tree=False)
        birthdays = [
            place
            for place, field in enumerate(self._fields)
            if field.kind == "date" and self._is_own(place) and self._is_shared(patterns, times, place)
        ]
        identifiers = [
            place
            for place, field in enumerate(self._fields)
            if field.kind == "code"
            and not field.is_place
            and self._is_own(place)
            and _identifies(patterns, times, place, birthdays)
        ]
        self._tells[birthdays + identifiers] = True
        self.related_told = bool(self._tells.any())
        if not self.related_told:
            self._tells = self._own_names(patterns, times)
        size = max(_MATCHES_PER_ROW * self._rows, 1.0)
        self._match = _independent(size, self._m_prior)
        if self._tells.any():
            self._related = [_independent(size, self._anchored(each)) for each in self._related_priors]
        self._birthdays[birthdays] = True
        self._given = self._given_name(patterns, times)
        if birthdays:
            self._moved = _independent(_MOVED * size, self._of_moved(np.array([_MOVED_PRIOR] * len(self._fields))))
        if self._given.any():
            self._related_priors.append(self._related_priors[0])
            self._related.append(_independent(size, self._of_twins(self._related_priors[0])))
        for tree in (False, True):
            for _ in range(_ITERATIONS):
                self._maximize(patterns, times, marks, tree)

    def _is_own(self, place: int) -> bool:
        """Whether a field holds few values twice, and matches mostly agree in it."""
        field = self._fields[place]
        is_distinct = len(field.forms) > _MIN_DISTINCT * min(field.filled, 10_000)
        return is_distinct and bool(self._match.shares[place, SAME] > _MIN_AGREEMENT)

    def _own_names(self, patterns: Levels, times: Weights) -> NDArray[np.bool_]:
        """The field in which rows that agree in most others differ most often, as members of a household in a name."""
        ratios = self._other_ratios(patterns, self._beyond_chance(patterns, times))
        if ratios.max() < _MIN_OTHER:
            # Strangers count only where there are no others.
            ratios = self._other_ratios(patterns, times)
        return np.asarray((ratios == ratios.max()) & (ratios > 0))

    def _beyond_chance(self, patterns: Levels, times: Weights) -> Weights:
        """How many more pairs there are of each vector than there would be of strangers."""
        return (times - np.exp(self._other.logs(patterns))).clip(0)

    def _given_name(self, patterns: Levels, times: Weights) -> NDArray[np.bool_]:
        """The field in which members of a household, whose birthdays differ, differ most often.

        Without such it is that in which rows with one birthday differ, unless its values recur least of all names.
        """
        born = patterns[:, self._birthdays]
        beyond = self._beyond_chance(patterns, times)
        # Each member has an address of mail of their own.
        told = self._birthdays | np.array([field.kind in ("email", "phone") for field in self._fields])
        alike = np.where(told, MISSING, patterns)
        differ, same = (born == OTHER).any(axis=1), (born == SAME).any(axis=1)
        ratios = self._other_ratios(alike[differ], beyond[differ], _MIN_HOUSEHOLDS)
        if ratios.max() <= _MIN_OTHER:
            ratios = self._other_ratios(alike[same], beyond[same], _MIN_HOUSEHOLDS)
            shares = self._collisions / self._both_filled
            names = [place for place, field in enumerate(self._fields) if field.kind == "name"]
            rarest = min(names, key=lambda place: shares[place], default=-1)
            ratios[[place for place in range(len(ratios)) if place not in names or place == rarest]] = 0
            return np.asarray((ratios == ratios.max()) & (ratios > 0))
        return np.asarray(ratios == ratios.max())

    def _other_ratios(self, patterns: Levels, times: Weights, least: float = 0.0) -> Weights:
        """For each field of names or texts how many of the pairs that are alike differ in it, for each that agrees.

        It is 0 where fewer than `least` pairs differ.
        """
        ratios = np.zeros(len(self._fields))
        for place, field in enumerate(self._fields):
            if field.kind in ("name", "text") and self._determinants[place] < 0:
                alike = times * _are_alike(patterns, place, _MOSTLY_ALIKE, 2)
                own = patterns[:, place]
                if (others := alike[own == OTHER].sum()) >= least:
                    ratios[place] = others / max(alike[own <= CLOSE].sum(), 1.0)
        return ratios

    def _is_shared(self, patterns: Levels, times: Weights, place: int) -> bool:
        """Whether rows that agree in most other fields have one value more often than by chance."""
        alike = times * _are_alike(patterns, place, _MOSTLY_ALIKE, 1)
        alike[patterns[:, place] == MISSING] = 0
        least = max(_ABOVE_CHANCE * self._collisions[place] / self._both_filled[place], _MIN_SHARED)
        return bool(alike[patterns[:, place] == SAME].sum() > least * alike.sum())

    def _maximize(self, patterns: Levels, times: Weights, marks: Weights, tree: bool) -> None:
        classes = [self._match, self._other, *self._related, *([self._moved] if self._moved else [])]
        logs = np.stack([each.logs(patterns) for each in classes])
        shares = np.exp(logs - logs.max(axis=0))
        shares *= times / shares.sum(axis=0)
        match = shares[0]
        counts = _counts(match, marks)
        # Where nothing tells related pairs from matches, what matches are like is not learnt from either.
        share = np.where(self._tells | ~self._tells.any(), _M_SHARE_TELLING, _M_SHARE)
        prior = self._m_prior * (_M_PAIRS + share * match.sum())[:, None]
        if not self._tells.any():
            most = _MATCHES_PER_ROW * self._rows
            match = match * min(1.0, most / max(float(match.sum()), 1e-9))
        self._match = _estimated(match, marks, _normalized(counts + prior), tree, self._tells)
        claimed = counts[:, SAME]
        for place, prior in enumerate(self._related_priors[: len(self._related)]):
            counts = _counts(shares[2 + place], marks)
            claimed = claimed + counts[:, SAME]
            learnt = _normalized(counts + prior * _RELATED_PAIRS)
            are_twins = place == len(_RELATED_PRIORS)
            found = self._of_twins(learnt) if are_twins else self._anchored(learnt)
            related = _estimated(shares[2 + place], marks, found, tree, self._tells | (self._given & are_twins))
            related.shares, related.given = _seldom_misspelt(related.shares), _seldom_misspelt(related.given)
            self._related[place] = related
        if self._moved:
            counts = _counts(shares[-1], marks)
            claimed = claimed + counts[:, SAME]
            found = self._of_moved(_normalized(counts + np.array(_MOVED_PRIOR) * _RELATED_PAIRS))
            self._moved = _estimated(shares[-1], marks, found, tree, self._birthdays | self._given)
        unclaimed = (self._collisions - claimed).clip(0) + self._u_same_prior * _U_PAIRS
        same = unclaimed / (self._both_filled + _U_PAIRS)
        self._other = self._unrelated(_with_same(self._other.shares, same.clip(1e-12, 0.99)))

    def _unrelated(self, shares: Weights) -> _Class:
        """Random pairs: a town is the same where the postcode is, and counts once."""
        found = _independent(self._pairs, shares)
        found.parents = self._determinants
        determined = np.array([place for place, parent in enumerate(found.parents) if parent >= 0], dtype=int)
        found.given[determined, SAME] = _with_same(shares, np.full(len(shares), _DETERMINED))[determined]
        return found

    def _anchored(self, shares: Weights) -> Weights:
        """The shares of related pairs, whose telling fields are equal or close by chance."""
        chance = self._other.shares
        alike = chance[:, :NEAR]
        rest = _normalized(shares[:, NEAR:]) * (1 - alike.sum(axis=1, keepdims=True))
        return np.where(self._tells[:, None], np.concatenate((alike, rest), axis=1), shares)

    def _of_twins(self, shares: Weights) -> Weights:
        """The shares of twins: related pairs with one birthday, whose given names are those of strangers."""
        found = self._anchored(shares)
        found = np.where(self._birthdays[:, None], self._match.shares, found)
        named = _with_same(self._other.shares, np.full(len(shares), _NAMED_ALIKE))
        return np.where(self._given[:, None], named, found)

    def _of_moved(self, shares: Weights) -> Weights:
        """The shares of matches between which much changed, but neither birthday nor given name."""
        return np.where((self._birthdays | self._given)[:, None], self._match.shares, shares)

    def log_odds(self, levels: Levels, codes: Sequence[NDArray[np.int32]]) -> Weights:
        """The log odds of a match for each vector; `codes` has for each field the first row's values."""
        patterns, inverse = distinct_rows_of(levels)
        rarity = np.zeros(len(levels))
        for place, field in enumerate(self._fields):
            same = levels[:, place] == SAME
            rarity[same] += self._rarity(place, field)[codes[place][same]]
        # Related pairs share a value whatever it is; others by chance, which is less for a rare one.
        against = self._other.logs(patterns)[inverse] - rarity
        for related in self._related:
            against = np.logaddexp(against, related.logs(patterns)[inverse])
        matching = self._match.logs(patterns)
        if self._moved:
            matching = np.logaddexp(matching, self._moved.logs(patterns))
        learnt = matching[inverse] - against
        expected = _independent(self._match.size, self._m_prior).logs(patterns)[inverse]
        unlike = self._other.logs(patterns)[inverse] - rarity
        # However sure what was learnt is, a pair needs evidence by what is expected of any table.
        return np.minimum(learnt, expected - unlike + (_MAX_SURPRISE if self._tells.any() else 0.0))

    def _rarity(self, place: int, field: Field) -> Weights:
        """For each value of a field, how much rarer it is than equal values are on average, as a logarithm."""
        shares = field.occurrences / max(field.filled, 1)
        average = field.collisions / self._both_filled[place]
        with np.errstate(divide="ignore"):
            rarity = np.log(max(average, 1e-12)) - np.log(shares)
        return np.asarray(rarity.clip(-_MAX_RARITY, _MAX_RARITY))


def _estimated(
    times: Weights, marks: Weights, shares: Weights, tree: bool, fixed: NDArray[np.bool_] | None = None
) -> _Class:
    """The class with these shares, and their dependencies where a tree is wanted; fixed fields have none."""
    found = _independent(max(float(times.sum()), 0.5), shares)
    if not tree:
        return found
    fields = len(shares)
    joint = (marks.T @ (marks * times[:, None])).reshape(fields, _LEVELS, fields, _LEVELS).transpose(0, 2, 1, 3)
    given = joint.transpose(0, 1, 3, 2) + _TREE_PAIRS * shares[:, None, None, :]
    # given[i, j, level of j, level of i]
    given = _normalized(given)
    information = _mutual_information(joint)
    if fixed is not None:
        information[fixed, :] = information[:, fixed] = 0
    found.parents = _maximum_spanning_tree(information)
    for place, parent in enumerate(found.parents):
        if parent >= 0:
            found.given[place, :_LEVELS] = given[place, parent]
    return found


def _identifies(patterns: Levels, times: Weights, place: int, birthdays: Sequence[int]) -> bool:
    """Whether most pairs with one value of a field are alike in what else both have, birthdays above all."""
    times = times * (patterns[:, place] == SAME)
    compared = times * _are_alike(patterns, place, 0.0, 1)
    alike = times * _are_alike(patterns, place, _ALIKE, 1)
    for birthday in birthdays:
        known = times * (patterns[:, birthday] != MISSING)
        if times[patterns[:, birthday] <= CLOSE].sum() < _IDENTIFYING * known.sum():
            return False
    return bool(alike.sum() >= _IDENTIFYING * compared.sum() > 0)


def _are_alike(patterns: Levels, place: int, share: float, least: int) -> NDArray[np.bool_]:
    """Whether pairs agree in such a share of the other fields, of which both have so many."""
    others = np.delete(patterns, place, axis=1)
    compared = (others != MISSING).sum(axis=1)
    return np.asarray((compared >= least) & ((others <= CLOSE).sum(axis=1) >= share * compared))


def _mutual_information(joint: NDArray[np.float64]) -> Weights:
    """Of each two fields, from the number of pairs with each two levels, times that number."""
    smooth = joint + 1e-9
    total = smooth.sum(axis=(2, 3), keepdims=True)
    expected = smooth.sum(axis=3, keepdims=True) * smooth.sum(axis=2, keepdims=True) / total
    information = (smooth * np.log(smooth / expected)).sum(axis=(2, 3))
    np.fill_diagonal(information, 0)
    return np.asarray(information)


def _determinants(fields: Sequence[Field]) -> list[int]:
    """For each field another one that determines it, -1 if none does: of several the one with the most values."""
    found = [-1] * len(fields)
    for place, field in enumerate(fields):
        for other, determinant in enumerate(fields):
            best = len(fields[found[place]].forms) if found[place] >= 0 else len(field.forms)
            if len(determinant.forms) > best and _determined_share(determinant, field) >= _MIN_DETERMINED:
                found[place] = other
    return found


def _determined_share(determinant: Field, field: Field) -> float:
    """The share of pairs of rows with one value of a field that have one value of another, among all with both."""
    both = (determinant.codes > 0) & (field.codes > 0)
    keys, counts = np.unique(determinant.codes[both].astype(np.int64), return_counts=True)
    # Of values that few rows have, the rows are duplicates.
    if counts.sum() < _MIN_ROWS * len(keys) or not len(keys):
        return 0.0
    pairs = float((counts * (counts - 1)).sum())
    _, joint = np.unique(determinant.codes[both].astype(np.int64) << 32 | field.codes[both], return_counts=True)
    return float((joint * (joint - 1)).sum()) / pairs


def _maximum_spanning_tree(weights: Weights) -> list[int]:
    """The parent of each node, -1 for the root and for nodes that depend on none (Prim)."""
    parents = [-1] * len(weights)
    best = np.zeros(len(weights))
    nearest = np.full(len(weights), -1)
    left = set(range(len(weights)))
    while left:
        node = max(left, key=lambda each: (best[each], -each))
        left.discard(node)
        parents[node] = int(nearest[node])
        for other in left:
            if weights[node, other] > best[other]:
                best[other], nearest[other] = weights[node, other], node
    return parents


def distinct_rows(levels: Levels) -> tuple[Levels, NDArray[np.float64]]:
    """The distinct comparison vectors, and how often each occurs."""
    patterns, inverse = distinct_rows_of(levels)
    return patterns, np.bincount(inverse, minlength=len(patterns)).astype(float)


def distinct_rows_of(levels: Levels) -> tuple[Levels, NDArray[np.int64]]:
    """The distinct comparison vectors, and which of them each vector is."""
    numbers = np.zeros(len(levels), dtype=np.int64)
    for place in range(levels.shape[1]):
        numbers = numbers * (MISSING + 1) + levels[:, place]
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    return levels[first], inverse


def _counts(times: Weights, marks: Weights) -> Weights:
    return (times @ marks).reshape(-1, _LEVELS)


def _seldom_misspelt(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shares of levels with at most so much of CLOSE; the rest is OTHER."""
    found = shares.copy()
    found[..., CLOSE] = np.minimum(shares[..., CLOSE], _MAX_MISSPELT)
    found[..., OTHER] += shares[..., CLOSE] - found[..., CLOSE]
    return found


def _with_same(shares: Weights, same: Weights) -> Weights:
    """The shares with another one of the level SAME."""
    rest = shares[:, SAME + 1 :]
    rest = rest / rest.sum(axis=1, keepdims=True) * (1 - same)[:, None]
    return np.concatenate((same[:, None], rest), axis=1)


def _normalized(counts: object) -> Weights:
    array = np.asarray(counts, dtype=float)
    return np.asarray(array / array.sum(axis=-1, keepdims=True))
