"""Values that are written otherwise than the rest of their column, or stand for a missing one, by semantic type."""

from __future__ import annotations

from collections.abc import Iterator

from pg_llm.cleaning.host.table import Finding, Repair, Step, Table
from pg_llm.cleaning.host.types.column_errors import column_errors

DETECTOR = "writing"
# Longer values are texts.
_MAX_LENGTH = 2000


def detect(table: Table) -> Iterator[Finding]:
    """The errors by kind that the column's values show among themselves; the kind takes the detector's place."""
    for position, column in enumerate(table.columns):
        short = {value: count for value, count in column.counts.items() if len(value) <= _MAX_LENGTH}
        for each in column_errors(short, name=column.name):
            new = column.missing if each.new is None else each.new
            confidence = None if each.suspect else each.confidence
            repair = Repair(new, confidence, each.reason, Step(each.step))
            yield from table.findings(position, {each.old: repair}, each.kind)
