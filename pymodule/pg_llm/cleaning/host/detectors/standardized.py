"""The table as it is once each column's values are written alike, so that rows can be compared by what they mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pg_llm.cleaning.host.table import Column, Finding, Table, Value

# Only repairs that are about as sure as this.
_MIN_CONFIDENCE = 0.9


def standardized(table: Table, findings: Sequence[Finding]) -> Table:
    """The same table with the sure ones among these repairs of values in it; it has no marks."""
    chosen: dict[int, dict[Value, tuple[float, Value]]] = {}
    for finding in findings:
        if finding.confidence is not None and finding.confidence >= _MIN_CONFIDENCE:
            old = table.columns[finding.column].original(int(finding.rows[0]))
            of_column = chosen.setdefault(finding.column, {})
            of_column[old] = max(of_column.get(old, (0.0, None)), (finding.confidence, finding.new), key=_confidence)
    columns = list(table.columns)
    for place, repairs in chosen.items():
        columns[place] = _with(columns[place], {old: new for old, (_, new) in repairs.items()})
    return Table(columns)


def _confidence(repair: tuple[float, Value]) -> float:
    return repair[0]


def _with(column: Column, repairs: dict[Value, Value]) -> Column:
    values = list(column.values)
    code_of = dict(column.code_of)
    new_code = np.arange(len(values) + 1, dtype=np.int32)
    for old, new in repairs.items():
        if old is None:
            continue
        if new is None:
            new_code[code_of[old]] = 0
            continue
        if new not in code_of:
            values.append(new)
            code_of[new] = len(values)
        new_code[column.code_of[old]] = code_of[new]
    return Column(column.name, values, new_code[column.kinds])
