"""ORDER BY."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.ask.grammar.building import groups, measures
from pg_llm.ask.grammar.building.draft import Draft
from pg_llm.ask.grammar.building.targets import is_total
from pg_llm.ask.grammar.query import Expr
from pg_llm.ask.grammar.reading.parsed_question import Order
from pg_llm.ask.schema import Ref


def group_by_order(draft: Draft, targets: Sequence[Expr]) -> None:
    """Make each target a group if the sort key is an aggregate."""
    if draft.query.limit is not None or not any(item.measure for item in draft.parsed.order):
        return
    if not draft.group_keys and targets:
        groups.add_targets(draft, targets)
    draft.ordered_by_measure = draft.ordered_by_measure or bool(draft.group_keys)
    draft.shows_sort_key = all(draft.ref(item)[1] < 0 for item in draft.parsed.targets)


def add_order(draft: Draft) -> None:
    """Add the requested order, unless a superlative already ordered the rows."""
    query = draft.query
    if query.limit is None:
        query.order += [_sort_key(draft, order) for order in draft.parsed.order]
    if query.group:
        keys = {*query.group}
        query.order = [
            (expr if expr in keys or expr.is_measure else Expr("agg", expr.ref, "max"), down)
            for expr, down in query.order
        ]


def _sort_key(draft: Draft, order: Order) -> tuple[Expr, bool]:
    """The sort key, and whether it is descending. Raises Impossible."""
    select = draft.query.select
    counted = [selected for selected in select if selected.is_measure]
    if order.measure is not None:
        expr = measures.measure_expr(draft, order.measure)
        return (counted[0] if expr not in select and len(counted) == 1 else expr), order.descending
    if order.operand is None:
        return _implied_sort_key(draft, order, counted)
    ref = draft.ref(order.operand)
    if ref[1] < 0:
        if order.attribute and (column := draft.attribute_column([order.attribute], [ref[0]])) is not None:
            return Expr("column", column), draft.is_descending(order, column)
        shown = draft.display_exprs(ref[0])[0]
        return next(
            (selected for selected in select if selected.kind == "count" and selected.ref == ref), shown
        ), order.descending
    over = next((selected for selected in select if selected.ref == ref and selected.is_aggregate), None)
    if over is not None:
        return over, order.descending
    expr = Expr("agg", ref, "sum") if is_total(order.operand) and draft.query.group else Expr("column", ref)
    return expr, draft.is_descending(order, ref)


def _implied_sort_key(draft: Draft, order: Order, counted: list[Expr]) -> tuple[Expr, bool]:
    """The key without an operand: a count, the adjective's column, or a selected column, numbers first."""
    select = draft.query.select
    if counted:
        return counted[0], order.descending
    if order.attribute:
        column = _only_selected(draft, ("date",) if order.attribute in ("age", "date") else ("number",))
        column = column or draft.attribute_column([order.attribute], draft.tables_in_play())
        if column is None:
            column = draft.only_numeric_column(draft.main_table, "by what the rows are ordered", 0.25)
        return Expr("column", column), draft.is_descending(order, column)
    column = _only_selected(draft, ("number",))
    return (select[0] if column is None else Expr("column", column)), order.descending


def _only_selected(draft: Draft, kinds: tuple[str, ...]) -> Ref | None:
    """The only selected column of one of these kinds."""
    refs = [expr.ref for expr in draft.query.select if expr.kind == "column" and expr.ref is not None]
    candidates = [ref for ref in refs if (column := draft.schema.column(ref)).kind in kinds and not column.is_key]
    return candidates[0] if len(candidates) == 1 else None
