"""Values of two columns in each other's place, as a family name where the given name should be and the other way round.

A row in which both values are usual in the other column and hardly occur in their own is one of them, unless so many
rows are so by chance: how many, those tell in which one value is (a false discovery rate, as where columns are
independent).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pg_llm.cleaning.host.table import Column, Finding, Step, Table

DETECTOR = "swapped"
# How often a value must occur in the other column, and how much more often than in its own.
_MIN_ROWS, _RATIO = 3, 3
# Where more of the rows have a value that is usual in the other column, both hold things of one kind, as the origin
# and the destination do.
_MAX_SHARE = 0.5
# Pseudo-count of rows that look so by chance.
_CHANCE = 0.2
_MAX_CONFIDENCE = 0.9
_DIGIT = re.compile(r"\d")
_STEP = Step("values of two columns in each other's place")


def detect(table: Table) -> Iterator[Finding]:
    """Both cells of such rows, with each other's values."""
    places = [place for place, column in enumerate(table.columns) if column.distinct > 1 and _are_words(column)]
    for left, right in combinations(places, 2):
        yield from _of_pair(table, left, right)


def _of_pair(table: Table, left: int, right: int) -> Iterator[Finding]:
    one, other = table.columns[left], table.columns[right]
    in_one = _misplaced(one, other)
    in_other = _misplaced(other, one) if in_one is not None and in_one.any() else None
    if in_one is None or in_other is None:
        return
    both = in_one & in_other
    found = int(both.sum())
    if not found:
        return
    by_chance = int((in_one & ~both).sum()) * int((in_other & ~both).sum()) / table.row_count
    confidence = min(_MAX_CONFIDENCE, found / (found + by_chance + _CHANCE))
    for row in np.flatnonzero(both).tolist():
        rows = np.array([row])
        here, there = one.value(row), other.value(row)
        reason = f"{here!r} is a value of {other.name}, and {there!r} one of {one.name}"
        yield Finding(left, rows, there, confidence, DETECTOR, reason, step=_STEP)
        yield Finding(right, rows, here, confidence, DETECTOR, reason, step=_STEP)


def _misplaced(column: Column, other: Column) -> NDArray[np.bool_] | None:
    """The rows whose value is usual in the other column and not in this one; None where too many are usual in both."""
    misplaced = np.zeros(len(column.values) + 1, dtype=bool)
    shared = 0
    for value, count in column.counts.items():
        there = other.counts.get(value, 0)
        if there >= _MIN_ROWS:
            misplaced[column.code_of[value]] = there >= _RATIO * count
            shared += count
    return misplaced[column.codes] if shared <= _MAX_SHARE * column.filled else None


def _are_words(column: Column) -> bool:
    """Whether most values have no digits: numbers, times and codes of one column may be those of another."""
    words = sum(count for value, count in column.counts.items() if not _DIGIT.search(value))
    return 2 * words > column.filled


def without_cells(findings: list[Finding], swapped: list[Finding]) -> Iterator[Finding]:
    """The findings on other cells: each of both is wrong where the other one is."""
    cells: dict[int, set[int]] = {}
    for each in swapped:
        cells.setdefault(each.column, set()).update(each.rows.tolist())
    for finding in findings:
        if finding.column in cells:
            finding = finding.on(finding.rows[~np.isin(finding.rows, list(cells[finding.column]))])
        if len(finding.rows):
            yield finding
