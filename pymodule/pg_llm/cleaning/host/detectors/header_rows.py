"""Rows that repeat the names of the columns, as where files with a header were appended to one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pg_llm.cleaning.host.table import Codes, Finding, Rows, Step, Table
from pg_llm.values.host.characters import folded

DETECTOR = "header"
_STEP = Step("rows that repeat the names of the columns")
_REASON = "the row repeats the names of the columns"
# So many of a row's cells hold the name of their column, and such a share of those that are filled.
_MIN_CELLS, _MIN_SHARE = 2, 0.5
# What more of the rows hold is data.
_MAX_ROWS = 0.05
_MAX_LENGTH = 100


def detect(table: Table) -> list[Finding]:
    """The filled cells of such rows; what they should hold is nowhere."""
    named = np.zeros(table.row_count, dtype=np.int32)
    filled = np.zeros(table.row_count, dtype=np.int32)
    for column in table.columns:
        filled += column.codes > 0
        name = _key(column.name)
        for value in column.counts:
            if len(value) <= _MAX_LENGTH and _key(value) == name:
                named[column.rows_with(value)] += 1
    rows = np.flatnonzero((named >= _MIN_CELLS) & (named >= _MIN_SHARE * filled))
    if len(rows) > max(1, _MAX_ROWS * table.row_count):
        return []
    return [
        Finding(position, there, None, None, DETECTOR, _REASON, step=_STEP)
        for position, column in enumerate(table.columns)
        for there in _alike(rows[column.codes[rows] > 0], column.codes)
    ]


def without_rows(findings: Sequence[Finding], headers: Sequence[Finding]) -> Iterator[Finding]:
    """The findings on other rows."""
    rows = np.unique(np.concatenate([each.rows for each in headers])) if headers else np.empty(0, dtype=np.int64)
    for finding in findings:
        kept = finding.rows[~np.isin(finding.rows, rows)] if len(rows) else finding.rows
        if len(kept):
            yield finding.on(kept)


def _alike(rows: Rows, codes: Codes) -> list[Rows]:
    """The rows, those with one value together."""
    return [rows[codes[rows] == code] for code in np.unique(codes[rows])]


def _key(text: str) -> str:
    return folded(text).replace("_", "").replace(" ", "")
