"""Suspected errors that follow a systematic rule are dropped: rows that deviate together are no errors.

They satisfy a conditional functional dependency of their own (Bohannon and others 2007).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pg_llm.cleaning.column_store import ColumnStore, Finding

# If at least so many rows, and this share of the rows, with one value of another column deviate, they follow a rule.
_MIN_ROWS = 4
_MIN_SHARE = 0.8


def drop_systematic_deviations(table: ColumnStore, column: int, findings: Sequence[Finding]) -> Sequence[Finding]:
    """The findings on a column without those on filled cells that hit nearly all rows with some value elsewhere."""
    rows = {finding.cell[0] for finding in table.interruptible(findings) if table.columns[column][finding.cell[0]]}
    if not rows:
        return findings
    systematic: set[int] = set()
    for number, other in enumerate(table.columns):
        if number != column and not table.is_key(number):
            deviating = Counter(other[row] for row in table.interruptible(rows))
            conditions = {
                value
                for value, count in table.interruptible(deviating.items())
                if value and count >= _MIN_ROWS and count >= _MIN_SHARE * table.counts[number][value]
            }
            systematic.update(row for row in table.interruptible(rows) if other[row] in conditions)
    return [finding for finding in table.interruptible(findings) if finding.cell[0] not in systematic]
