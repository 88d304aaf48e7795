"""Suspected errors that follow a systematic rule are dropped: rows that deviate together are no errors.

They satisfy a conditional functional dependency of their own (Bohannon and others 2007).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pg_llm.cleaning.host.table import Finding, Table

# If at least so many rows, and this share of the rows, with one value of another column deviate, they follow a rule.
_MIN_ROWS = 4
_MIN_SHARE = 0.8


def drop_systematic_deviations(table: Table, column: int, findings: Sequence[Finding]) -> Sequence[Finding]:
    """The findings on a column without those on filled cells that hit nearly all rows with some value elsewhere."""
    deviates = np.zeros(table.row_count, dtype=bool)
    for finding in findings:
        deviates[finding.rows] = True
    rows = np.flatnonzero(deviates & (table.columns[column].codes > 0))
    systematic = np.zeros(table.row_count, dtype=bool)
    for number, other in enumerate(table.columns):
        if len(rows) and number != column and not other.is_key:
            codes = other.codes[rows]
            deviating = np.bincount(codes, minlength=len(other.occurrences))
            follows_rule = (deviating >= _MIN_ROWS) & (deviating >= _MIN_SHARE * other.occurrences)
            follows_rule[0] = False
            systematic[rows[follows_rule[codes]]] = True
    kept = (finding.on(finding.rows[~systematic[finding.rows]]) for finding in findings)
    return [finding for finding in kept if len(finding.rows)]
