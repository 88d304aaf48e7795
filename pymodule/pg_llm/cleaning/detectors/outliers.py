"""Numeric outliers: numbers far beyond the quartiles of their column (Tukey's fences, set wide)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping

from pg_llm.cleaning.column_store import ColumnStore, Finding, parse_number
from pg_llm.cleaning.detectors.systematic_deviations import drop_systematic_deviations
from pg_llm.cleaning.interruptible import sort_interruptibly

DETECTOR = "outlier"
# Interquartile ranges beyond the quartiles; Tukey's "far out" is 3, which sound data reach often.
_FENCE = 10.0
_MIN_NUMERIC_SHARE = 0.95
_MIN_ROWS = 20


def detect(table: ColumnStore) -> Iterator[Finding]:
    """Cells outside the fences, without a repair."""
    for column, counts in enumerate(table.counts):
        numbers = {
            value: number
            for value in table.interruptible(counts)
            if (number := parse_number(value)) is not None and math.isfinite(number)
        }
        total = sum(counts[value] for value in table.interruptible(numbers))
        if total < max(_MIN_ROWS, _MIN_NUMERIC_SHARE * counts.total()):
            continue
        low, high = _quartiles(table, numbers, counts, total)
        reach = _FENCE * (high - low)
        if reach == 0:
            continue
        outliers = {
            value for value, number in table.interruptible(numbers.items()) if not low - reach <= number <= high + reach
        }
        if not outliers:
            continue
        reason = f"far from the middle half, {low:g} to {high:g}"
        yield from drop_systematic_deviations(
            table,
            column,
            [
                Finding((row, column), None, None, DETECTOR, reason)
                for row, value in enumerate(table.interruptible(table.columns[column]))
                if value in outliers
            ],
        )


def _quartiles(
    table: ColumnStore, numbers: Mapping[str, float], counts: Counter[str], total: int
) -> tuple[float, float]:
    """The lower and the upper quartile over the rows."""
    rows: Counter[float] = Counter()
    for value, number in table.interruptible(numbers.items()):
        rows[number] += counts[value]
    quartiles = []
    seen = 0
    for number in sort_interruptibly(rows, table.poll):
        before, seen = seen, seen + rows[number]
        quartiles += [number for share in (0.25, 0.75) if before < share * total <= seen]
    return quartiles[0], quartiles[1]
