"""GROUP BY."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.ask.grammar.building import times
from pg_llm.ask.grammar.building.draft import Draft
from pg_llm.ask.grammar.query import Expr
from pg_llm.ask.mention import Mention

# Numeric columns that are dimensions; other numbers are measures.
_GROUPING = {"year", "month", "rating", "age", "level", "grade", "quarter"}


def add(draft: Draft, mention: Mention) -> None:
    """Group by the rows of a table or the values of a column: for each country."""
    ref = draft.ref(mention)
    if any(expr.ref == ref for expr in draft.group_labels):
        return
    if ref[1] < 0:
        draft.group_labels += draft.display_exprs(ref[0])
        draft.group_keys += draft.entity_exprs(ref[0])
        draft.entity_groups.append(ref[0])
        return
    column = draft.schema.column(ref)
    table = draft.schema.tables[ref[0]]
    named = draft.schema.names_row(ref) and set(column.words) & {"name", "title"}
    if named and table.key and not column.unique:
        draft.group_keys += [Expr("column", (ref[0], index)) for index in table.key]
    if column.kind == "number" and not column.is_key and not set(column.words) & _GROUPING:
        draft.cost += 0.2
    draft.group_labels.append(Expr("column", ref))
    draft.group_keys.append(Expr("column", ref))


def add_unit(draft: Draft, unit: str) -> None:
    """Group by a unit of time: by year. Prefers a column of that unit to a part of a date."""
    columns = (
        ((table, index), column)
        for table in draft.tables_in_play()
        for index, column in enumerate(draft.schema.tables[table].columns)
    )
    kept = (ref for ref, column in columns if column.words[-1:] == (unit,) and column.kind in ("number", "text"))
    ref = next(kept, None)
    expr = Expr("part", times.time_column(draft, None, "unit").ref, unit) if ref is None else Expr("column", ref)
    draft.group_labels.append(expr)
    draft.group_keys.append(expr)


def add_targets(draft: Draft, targets: Sequence[Expr]) -> None:
    """Group by the requested columns, and by the rows of the tables that own them."""
    parsed = draft.parsed
    # The kind and the rate of rooms belong to each room; `kinds of rooms` alone are values.
    owners = parsed.owners if len(parsed.targets) > 1 else []
    rows = {table for table, index in map(draft.ref, (*parsed.targets, *owners)) if index < 0}
    for expr in targets:
        if expr.ref is None:
            continue
        draft.group_keys.append(expr)
        if expr.ref[0] in rows or draft.schema.names_row(expr.ref):
            draft.group_keys += [Expr("column", (expr.ref[0], index)) for index in draft.schema.tables[expr.ref[0]].key]
    draft.group_keys = list(dict.fromkeys(draft.group_keys))
