"""Data profiling of a table: what each of its columns holds."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from pg_llm.cleaning.host.detectors import dates, dependencies, outliers
from pg_llm.cleaning.host.detectors.value_patterns import shape
from pg_llm.cleaning.host.table import Table

_MAX_PATTERNS = 5
# Lift of the dependencies that a profile shows.
_MIN_LIFT = 0.9
_MIN_SHARE = 0.95
_TYPES = {
    "integer": re.compile(r"[+-]?\d+"),
    "number": re.compile(r"[+-]?(\d++\.?\d*+|\.\d++)([eE][+-]?\d+)?"),
    "boolean": re.compile(r"(?i)true|false|yes|no|t|f|y|n"),
    "email": re.compile(r"[^@\s]++@[^@\s][^@\s.]*+\.[^@\s]++"),
    "url": re.compile(r"https?://\S+"),
    "time": re.compile(r"\d{1,2}:\d{2}(:\d{2})?(\s?[aApP]\.?[mM]\.?)?"),
}
# A category has at most this share of distinct values; values longer than this on average are texts.
_MAX_CATEGORY_SHARE = 0.1
_MIN_TEXT_LENGTH = 40
# Longer values are texts; some patterns take long to reject them.
_MAX_LENGTH = 100


def of_table(table: Table) -> list[dict[str, Any]]:
    """The profile of each column of a table."""
    outlying = Counter[int]()
    for finding in outliers.detect(table):
        outlying[finding.column] += len(finding.rows)
    laws = [each for each in dependencies.discover(table, _MIN_LIFT) if each.lift >= _MIN_LIFT]
    return [
        {
            "looks_like": semantic_type(column.counts),
            "missing": table.row_count - column.filled,
            "distinct": column.distinct,
            "likely_key": table.row_count > 1 and column.distinct == table.row_count,
            "patterns": json.dumps(patterns(column.counts)),
            "outliers": outlying[position],
            "determined_by": [table.columns[law.left].name for law in laws if law.right == position],
        }
        for position, column in enumerate(table.columns)
    ]


def semantic_type(counts: Mapping[str, int]) -> str | None:
    """The type that at least 95 % of the values fit; None for an empty column."""
    total = sum(counts.values())
    if not total:
        return None
    types: dict[str, Callable[[str], object]] = {name: pattern.fullmatch for name, pattern in _TYPES.items()} | {
        "date": dates.is_date
    }
    for name, fits in types.items():
        fitting = sum(count for value, count in counts.items() if len(value) <= _MAX_LENGTH and fits(value))
        if fitting >= _MIN_SHARE * total:
            return name
    if len(counts) <= max(2, _MAX_CATEGORY_SHARE * total):
        return "category"
    length = sum(len(value) * count for value, count in counts.items())
    return "text" if length > _MIN_TEXT_LENGTH * total else "name"


def patterns(counts: Mapping[str, int]) -> dict[str, int]:
    """The most frequent patterns and how many cells have them: 9 stands for digits, a for letters."""
    frequency: Counter[str] = Counter()
    for value, count in counts.items():
        frequency["".join(shape(value[:_MAX_LENGTH]))] += count
    return dict(frequency.most_common(_MAX_PATTERNS))
