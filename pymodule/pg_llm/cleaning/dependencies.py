"""Columns that determine others, as far as a dirty table shows it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pg_llm.cleaning.table import Table, Value

Groups = Mapping[str, Counter[str]]
# Rows in groups of at least two, as a share of those that hold something.
_LEAST_COVER = 0.3
_SURE = 0.9
_FRACTION = re.compile(r"[+-]?\d*\.\d+")


@dataclass(frozen=True, slots=True)
class Dependency:
    """`accuracy`: how often a row agrees with the others of its group; `lift`: that, above always saying the mode."""

    left: int
    right: int
    accuracy: float
    lift: float
    groups: Groups


def find(table: Table, least: float, given: Sequence[tuple[int, int]] = ()) -> list[Dependency]:
    """All pairs of columns with a lift of at least that, or such an accuracy and more than chance, best first.

    Those that are given hold without question.
    """
    found = [
        Dependency(left, right, 1.0, 1.0, grouped(table.columns[left], table.columns[right])) for left, right in given
    ]
    measured = [_is_measured(counts) for counts in table.counts]
    for right in range(len(table.columns)):
        total = table.filled(right)
        if not 1 < len(table.counts[right]) < total:
            continue
        mode = table.counts[right].most_common(1)[0][1] / total
        for left in range(len(table.columns)):
            if left == right or (left, right) in given or measured[left] or table.is_key(left):
                continue
            table.pulse()
            groups = grouped(table.columns[left], table.columns[right])
            agree, rows = _agreement(groups)
            if rows < _LEAST_COVER * total:
                continue
            accuracy = agree / rows
            lift = (accuracy - mode) / (1 - mode)
            if lift >= least or (accuracy >= _SURE and lift > 0):
                found.append(Dependency(left, right, accuracy, lift, groups))
    return sorted(found, key=lambda dependency: -dependency.accuracy)


def _is_measured(counts: Counter[str]) -> bool:
    """Whether most values are decimal fractions: what was measured determines nothing, however often it recurs."""
    fractions = sum(count for value, count in counts.items() if _FRACTION.fullmatch(value))
    return fractions > counts.total() / 2


def grouped(left: Sequence[Value], right: Sequence[Value]) -> Groups:
    """For each value on the left how often each value on the right stands beside it; missing ones do not count."""
    groups: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for a, b in zip(left, right, strict=True):
        if a and b:
            groups[a][b] += 1
    return groups


def _agreement(groups: Groups) -> tuple[int, int]:
    """Rows whose value is the plurality among the others of their group, and rows that have others."""
    agree = rows = 0
    for counts in groups.values():
        size = counts.total()
        if size < 2:
            continue
        rows += size
        (_, first), *rest = counts.most_common(2)
        if first >= 2 and (not rest or first > rest[0][1]):
            agree += first
    return agree, rows
