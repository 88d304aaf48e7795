"""What rows are grouped by."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.ask.grammar.building import times
from pg_llm.ask.grammar.building.draft import Draft
from pg_llm.ask.grammar.query import Expr
from pg_llm.ask.mention import Mention

# Numbers that things are grouped by; others are measured.
_GROUPING = {"year", "month", "rating", "age", "level", "grade", "quarter"}


def add(draft: Draft, mention: Mention) -> None:
    """For each country: a group for each row of a table, or for each value of a column."""
    ref = draft.ref(mention)
    if any(expr.ref == ref for expr in draft.shown):
        return
    if ref[1] < 0:
        draft.shown += draft.show(ref[0])
        draft.grouped += draft.entity(ref[0])
        draft.entities.append(ref[0])
        return
    column = draft.schema.column(ref)
    table = draft.schema.tables[ref[0]]
    named = draft.schema.calls_rows(ref) and set(column.words) & {"name", "title"}
    if named and table.key and not column.unique:
        draft.grouped += [Expr("column", (ref[0], place)) for place in table.key]
    if column.kind == "number" and not column.is_key and not set(column.words) & _GROUPING:
        draft.cost += 0.2
    draft.shown.append(Expr("column", ref))
    draft.grouped.append(Expr("column", ref))


def add_unit(draft: Draft, unit: str) -> None:
    """By year: by a column of years, else by a part of a date."""
    columns = (
        ((table, place), column)
        for table in draft.in_play()
        for place, column in enumerate(draft.schema.tables[table].columns)
    )
    kept = (ref for ref, column in columns if column.words[-1:] == (unit,) and column.kind in ("number", "text"))
    ref = next(kept, None)
    expr = Expr("part", times.column(draft, None, "unit").ref, unit) if ref is None else Expr("column", ref)
    draft.shown.append(expr)
    draft.grouped.append(expr)


def add_targets(draft: Draft, targets: Sequence[Expr]) -> None:
    """Group by what is asked for, and by whose it is: each row of a table that is named is a group."""
    reading = draft.reading
    # The kind and the rate of rooms are of each room, kinds of rooms are not.
    owners = reading.owners if len(reading.targets) > 1 else []
    rows = {table for table, place in map(draft.ref, (*reading.targets, *owners)) if place < 0}
    for expr in targets:
        if expr.ref is None:
            continue
        draft.grouped.append(expr)
        if expr.ref[0] in rows or draft.schema.calls_rows(expr.ref):
            draft.grouped += [Expr("column", (expr.ref[0], place)) for place in draft.schema.tables[expr.ref[0]].key]
    draft.grouped = list(dict.fromkeys(draft.grouped))
