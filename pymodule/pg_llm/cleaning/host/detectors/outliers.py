"""Numeric outliers: numbers far beyond the quartiles of their column (Tukey's fences, set wide)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pg_llm.cleaning.host.detectors.systematic_deviations import drop_systematic_deviations
from pg_llm.cleaning.host.table import Column, Finding, Repair, Table, parse_number

DETECTOR = "outlier"
# Interquartile ranges beyond the quartiles; Tukey's "far out" is 3, which sound data reach often.
_FENCE = 10.0
_MIN_NUMERIC_SHARE = 0.95
_MIN_ROWS = 20


def detect(table: Table) -> Iterator[Finding]:
    """Cells outside the fences, without a repair."""
    for position, column in enumerate(table.columns):
        repairs = _outliers(column)
        yield from drop_systematic_deviations(table, position, table.findings(position, repairs, DETECTOR))


def _outliers(column: Column) -> dict[str, Repair]:
    numbers = {
        value: number
        for value in column.counts
        if (number := parse_number(value)) is not None and math.isfinite(number)
    }
    total = sum(column.counts[value] for value in numbers)
    if total < max(_MIN_ROWS, _MIN_NUMERIC_SHARE * column.filled):
        return {}
    ordered = sorted(numbers, key=lambda value: numbers[value])
    seen = np.cumsum([column.counts[value] for value in ordered])
    low, high = (numbers[ordered[int(np.searchsorted(seen, share * total))]] for share in (0.25, 0.75))
    reach = _FENCE * (high - low)
    if reach == 0 or not math.isfinite(reach):
        return {}
    outlier = Repair(None, None, f"far from the middle half, {low:g} to {high:g}")
    return {value: outlier for value, number in numbers.items() if not low - reach <= number <= high + reach}
