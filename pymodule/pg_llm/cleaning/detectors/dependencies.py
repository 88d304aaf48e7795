"""Columns that determine others, as far as a dirty table shows it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pg_llm.cleaning.detectors.distance import misspells
from pg_llm.cleaning.table import Table, parts

Groups = Mapping[str, Counter[str]]
# Rows in groups of at least two, as a share of those that hold something.
_LEAST_COVER = 0.3
_SURE = 0.9
# More exceptions than this, and it is no law but an association.
_MOST_EXCEPTIONS = 0.1
_FRACTION = re.compile(r"[+-]?\d*\.\d+")


@dataclass(frozen=True, slots=True)
class Dependency:
    """`accuracy`: how often a row agrees with the others of its group; `lift`: that, above always saying the mode.

    `informedness` weighs each value of the right as much as another, however frequent it is: it is 0 where the left
    only tells that the right is what it mostly is. `support` counts the groups that bear the dependency out, each the
    less, the more frequent its value is everywhere.
    """

    left: int
    right: int
    accuracy: float
    lift: float
    informedness: float
    support: float
    groups: Groups
    given: bool = False

    @property
    def reliability(self) -> float:
        """How probably a row that is foretold otherwise than it is, is wrong: laws have next to no exceptions.

        Associations of sound tables reach an informedness of 0.93 (757 tables of the package pydataset).
        """
        if self.given:
            return 1.0
        return max(0.0, 1 - (1 - self.informedness) / _MOST_EXCEPTIONS) * self.support / (self.support + 1)


def find(
    table: Table, least: float, given: Sequence[tuple[int, int]] = (), rights: Collection[int] | None = None
) -> list[Dependency]:
    """All pairs of columns with a lift of at least that, or such an accuracy and more than chance, best first.

    Those that are given hold without question; `rights` are the columns that others are looked for that determine them.
    """
    found = [
        Dependency(left, right, 1.0, 1.0, 1.0, float(table.rows), grouped(table, left, right), given=True)
        for left, right in given
    ]
    measured = [_is_measured(table, counts) for counts in table.counts]
    numbered = _Numbered(table)
    for right in range(len(table.columns)) if rights is None else rights:
        total = table.filled(right)
        if not 1 < len(table.counts[right]) < total:
            continue
        mode = table.counts[right].most_common(1)[0][1] / total
        for left in range(len(table.columns)):
            if left == right or (left, right) in given or measured[left] or table.is_key(left):
                continue
            if numbered.repeated(left) < _LEAST_COVER * total:
                continue
            pairs = numbered.pairs(left, right)
            agree, rows = numbered.agreement(left, right, pairs)
            if rows < _LEAST_COVER * total:
                continue
            accuracy = agree / rows
            lift = (accuracy - mode) / (1 - mode)
            if lift >= least or (accuracy >= _SURE and lift > 0):
                groups = numbered.groups(left, right, pairs)
                informedness, support = _evidence(table, groups, table.counts[right])
                found.append(Dependency(left, right, accuracy, lift, informedness, support, groups))
    return sorted(found, key=lambda dependency: -dependency.accuracy)


def _is_measured(table: Table, counts: Counter[str]) -> bool:
    """Whether most values are decimal fractions: what was measured determines nothing, however often it recurs."""
    fractions = sum(count for value, count in table.watched(counts.items()) if _FRACTION.fullmatch(value))
    return fractions > counts.total() / 2


def grouped(table: Table, left: int, right: int) -> Groups:
    """For each value on the left how often each value on the right stands beside it; missing ones do not count."""
    numbered = _Numbered(table)
    return numbered.groups(left, right, numbered.pairs(left, right))


class _Numbered:
    """Columns as numbers of their values, from 1, and 0 for what is missing: pairs of them are counted fast."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._names: dict[int, list[str]] = {}
        self._columns: dict[int, list[int]] = {}
        self._repeated: dict[int, int] = {}

    def repeated(self, column: int) -> int:
        """Rows whose value of that column another row has, too."""
        if column not in self._repeated:
            counts = self._table.watched(self._table.counts[column].values())
            self._repeated[column] = sum(count for count in counts if count > 1)
        return self._repeated[column]

    def pairs(self, left: int, right: int) -> Counter[int]:
        """How often each pair of filled values stands in a row; a pair is one number."""
        width = self._width(right)
        found: Counter[int] = Counter()
        for part in parts(zip(self._numbers(left), self._numbers(right), strict=True)):
            self._table.pulse()
            found.update([a * width + b for a, b in part if a and b])
        return found

    def agreement(self, left: int, right: int, pairs: Counter[int]) -> tuple[int, int]:
        """Rows whose value is the plurality among the others of their group, and rows that have others."""
        width = self._width(right)
        size, first, second = ([0] * self._width(left) for _ in range(3))
        for pair, count in self._table.watched(pairs.items()):
            group = pair // width
            size[group] += count
            if count > first[group]:
                first[group], second[group] = count, first[group]
            elif count > second[group]:
                second[group] = count
        agree = rows = 0
        for many, most, next_most in self._table.watched(zip(size, first, second, strict=True)):
            if many > 1:
                rows += many
                agree += most if most > max(next_most, 1) else 0
        return agree, rows

    def groups(self, left: int, right: int, pairs: Counter[int]) -> Groups:
        """The pairs by their left value."""
        width = self._width(right)
        lefts, rights = self._names[left], self._names[right]
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for pair, count in self._table.watched(pairs.items()):
            found[lefts[pair // width]][rights[pair % width]] = count
        return found

    def _width(self, column: int) -> int:
        return len(self._table.counts[column]) + 1

    def _numbers(self, column: int) -> list[int]:
        if column not in self._columns:
            self._names[column] = ["", *self._table.watched(self._table.counts[column])]
            number = {name: place for place, name in enumerate(self._table.watched(self._names[column]))}
            values = self._table.watched(self._table.columns[column])
            self._columns[column] = [number[value or ""] for value in values]
        return self._columns[column]


def _evidence(table: Table, groups: Groups, values: Counter[str]) -> tuple[float, float]:
    """Informedness and support: each row is foretold by the others of its group (Powers 2011, chance-corrected)."""
    right: Counter[str] = Counter()
    said: Counter[str] = Counter()
    support = 0.0
    total = values.total()
    for counts in table.watched(groups.values()):
        if counts.total() < 2:
            continue
        (top, first), (_, second) = [*counts.most_common(2), ("", 0)][:2]
        for value, count in table.watched(counts.items()):
            others = second if value == top else first
            # A tie among the others foretells nothing, and a misspelling is no exception.
            if count - 1 != others and (value == top or not misspells(value, top, values)):
                said[value] += count
                right[value] += count if count - 1 > others else 0
        if first - 1 > second:
            support += 1 - values[top] / total
    weights = {value: count * (1 - values[value] / total) for value, count in table.watched(said.items())}
    weight = sum(weights.values())
    if not weight:
        return 0.0, 0.0
    foretold = sum(weights[value] * right[value] / said[value] for value in table.watched(weights)) / weight
    chance = max(weights.values()) / weight
    return (foretold - chance) / (1 - chance) if chance < 1 else 0.0, support
