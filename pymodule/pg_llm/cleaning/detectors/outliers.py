"""Numbers far away from all others of their column."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping

from pg_llm.cleaning.detectors.conditional_rules import without_exceptions
from pg_llm.cleaning.table import Opinion, Table, number, ordered

DETECTOR = "outlier"
# Interquartile ranges beyond the quartiles; Tukey's "far out" is 3, which sound data reach often.
_FAR = 10.0
_LEAST_NUMBERS = 0.95
_LEAST_ROWS = 20


def opinions(table: Table) -> Iterator[Opinion]:
    """Such cells; what they should hold nobody knows."""
    for column, counts in enumerate(table.counts):
        numbers = {
            value: its for value in table.watched(counts) if (its := number(value)) is not None and math.isfinite(its)
        }
        many = sum(counts[value] for value in table.watched(numbers))
        if many < max(_LEAST_ROWS, _LEAST_NUMBERS * counts.total()):
            continue
        low, high = _quartiles(table, numbers, counts, many)
        reach = _FAR * (high - low)
        if reach == 0:
            continue
        far = {value for value, its in table.watched(numbers.items()) if not low - reach <= its <= high + reach}
        if not far:
            continue
        reason = f"far from the middle half, {low:g} to {high:g}"
        yield from without_exceptions(
            table,
            column,
            [
                Opinion((row, column), None, None, DETECTOR, reason)
                for row, value in enumerate(table.watched(table.columns[column]))
                if value in far
            ],
        )


def _quartiles(table: Table, numbers: Mapping[str, float], counts: Counter[str], many: int) -> tuple[float, float]:
    """The numbers that a quarter of the rows, and three, are at most."""
    rows: Counter[float] = Counter()
    for value, its in table.watched(numbers.items()):
        rows[its] += counts[value]
    found = []
    seen = 0
    for its in ordered(rows, table.pulse):
        before, seen = seen, seen + rows[its]
        found += [its for share in (0.25, 0.75) if before < share * many <= seen]
    return found[0], found[1]
