"""Numbers far away from all others of their column."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import quantiles

from pg_llm.cleaning.exceptions import without_exceptions
from pg_llm.cleaning.table import Opinion, Table, number

DETECTOR = "outlier"
# Interquartile ranges beyond the quartiles; Tukey's "far out" is 3, which sound data reach often.
_FAR = 10.0
_LEAST_NUMBERS = 0.95
_LEAST_ROWS = 20


def opinions(table: Table) -> Iterator[Opinion]:
    """Such cells; what they should hold nobody knows."""
    for column, counts in enumerate(table.counts):
        table.pulse()
        numbers = {value: its for value in counts if (its := number(value)) is not None and math.isfinite(its)}
        known = [numbers[value] for value in table.columns[column] if value in numbers]
        if len(known) < max(_LEAST_ROWS, _LEAST_NUMBERS * counts.total()):
            continue
        low, _, high = quantiles(known, n=4)
        reach = _FAR * (high - low)
        if reach == 0:
            continue
        reason = f"far from the middle half, {low:g} to {high:g}"
        yield from without_exceptions(
            table,
            column,
            [
                Opinion((row, column), None, None, DETECTOR, reason)
                for row, value in enumerate(table.columns[column])
                if value in numbers and not low - reach <= numbers[value] <= high + reach
            ],
        )
