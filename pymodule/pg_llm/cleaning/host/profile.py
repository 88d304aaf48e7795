"""Data profiling of a table: what each of its columns holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from pg_llm.cleaning.host.detectors import dependencies, outliers
from pg_llm.cleaning.host.detectors.value_patterns import shape
from pg_llm.cleaning.host.table import Column, Table
from pg_llm.cleaning.host.types import missing_values
from pg_llm.cleaning.host.types.column_type import ColumnType
from pg_llm.cleaning.host.types.inference import infer

_MAX_PATTERNS = 5
# Lift of the dependencies that a profile shows.
_MIN_LIFT = 0.9
# Characters of a value that its pattern tells of.
_MAX_LENGTH = 100


def of_table(table: Table) -> list[dict[str, Any]]:
    """The profile of each column of a table."""
    outlying = Counter[int]()
    for finding in outliers.detect(table):
        outlying[finding.column] += len(finding.rows)
    laws = [each for each in dependencies.discover(table, _MIN_LIFT) if each.lift >= _MIN_LIFT]
    types = [infer(column.counts) for column in table.columns]
    return [
        {
            "looks_like": types[position].name or None,
            "share": round(types[position].share, 4) if types[position].name else None,
            "missing": table.row_count - column.filled + _disguised(column, types[position]),
            "distinct": column.distinct,
            "likely_key": table.row_count > 1 and column.distinct == table.row_count,
            "patterns": json.dumps(patterns(column.counts)),
            "outliers": outlying[position],
            "determined_by": [table.columns[law.left].name for law in laws if law.right == position],
        }
        for position, column in enumerate(table.columns)
    ]


def _disguised(column: Column, of_type: ColumnType) -> int:
    """How many cells hold a word or sign for a missing value."""
    repairs = missing_values.repairs(column.counts, of_type)
    return sum(column.counts[repair.old] for repair in repairs)


def patterns(counts: Mapping[str, int]) -> dict[str, int]:
    """The most frequent patterns and how many cells have them: 9 stands for digits, a for letters."""
    frequency: Counter[str] = Counter()
    for value, count in counts.items():
        frequency["".join(shape(value[:_MAX_LENGTH]))] += count
    return dict(frequency.most_common(_MAX_PATTERNS))
