"""Rows that differ together: no errors, but another rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pg_llm.cleaning.table import Opinion, Table

# So many rows of one value of another column, and this share of its rows, are no errors.
_LEAST = 4
_SHARE = 0.8


def without_exceptions(table: Table, column: int, said: Sequence[Opinion]) -> Sequence[Opinion]:
    """The opinions on a column's filled cells, without those that hit nearly all rows with some value elsewhere."""
    rows = {opinion.cell[0] for opinion in table.watched(said) if table.columns[column][opinion.cell[0]]}
    if not rows:
        return said
    excepted: set[int] = set()
    for number, other in enumerate(table.columns):
        if number != column and not table.is_key(number):
            found = Counter(other[row] for row in table.watched(rows))
            common = {
                value
                for value, count in table.watched(found.items())
                if value and count >= _LEAST and count >= _SHARE * table.counts[number][value]
            }
            excepted.update(row for row in table.watched(rows) if other[row] in common)
    return [opinion for opinion in table.watched(said) if opinion.cell[0] not in excepted]
