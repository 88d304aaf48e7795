"""By what rows are ordered."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.ask.grammar.building import groups, measures
from pg_llm.ask.grammar.building.draft import Draft
from pg_llm.ask.grammar.building.targets import is_total
from pg_llm.ask.grammar.query import Expr
from pg_llm.ask.grammar.reading.parts import Order
from pg_llm.ask.schema import Ref


def group(draft: Draft, targets: Sequence[Expr]) -> None:
    """Rows are ordered by what is measured of each: each is a group, and shown with its measure."""
    if draft.query.limit is not None or not any(each.measure for each in draft.reading.order):
        return
    if not draft.grouped and targets:
        groups.add_targets(draft, targets)
    draft.by_measure = draft.by_measure or bool(draft.grouped)
    draft.shows_order = all(draft.ref(each)[1] < 0 for each in draft.reading.targets)


def add(draft: Draft) -> None:
    """The order that the question asks for, where the first rows are not asked for."""
    query = draft.query
    if query.limit is None:
        query.order += [_by(draft, each) for each in draft.reading.order]
    if query.group:
        known = {*query.group}
        query.order = [
            (expr if expr in known or expr.is_measure else Expr("agg", expr.ref, "max"), down)
            for expr, down in query.order
        ]


def _by(draft: Draft, of: Order) -> tuple[Expr, bool]:
    """By what, and whether from the largest. Raises Impossible."""
    select = draft.query.select
    counted = [each for each in select if each.is_measure]
    if of.measure is not None:
        expr = measures.expr(draft, of.measure)
        return (counted[0] if expr not in select and len(counted) == 1 else expr), of.down
    if of.operand is None:
        return _unsaid(draft, of, counted)
    ref = draft.ref(of.operand)
    if ref[1] < 0:
        if of.attribute and (its := draft.attribute([of.attribute], [ref[0]])) is not None:
            return Expr("column", its), draft.down(of, its)
        shown = draft.show(ref[0])[0]
        return next((each for each in select if each.kind == "count" and each.ref == ref), shown), of.down
    over = next((each for each in select if each.ref == ref and each.is_aggregate), None)
    if over is not None:
        return over, of.down
    expr = Expr("agg", ref, "sum") if is_total(of.operand) and draft.query.group else Expr("column", ref)
    return expr, draft.down(of, ref)


def _unsaid(draft: Draft, of: Order, counted: list[Expr]) -> tuple[Expr, bool]:
    """By what is counted, what an adjective speaks of, or what is shown, numbers before others. Raises Impossible."""
    select = draft.query.select
    if counted:
        return counted[0], of.down
    if of.attribute:
        found = _shown(draft, ("date",) if of.attribute in ("age", "date") else ("number",))
        found = found or draft.attribute([of.attribute], draft.in_play())
        if found is None:
            found = draft.only_number(draft.main, "by what the rows are ordered", 0.25)
        return Expr("column", found), draft.down(of, found)
    found = _shown(draft, ("number",))
    return (select[0] if found is None else Expr("column", found)), of.down


def _shown(draft: Draft, kinds: tuple[str, ...]) -> Ref | None:
    """The one column of such a kind that is shown."""
    refs = [expr.ref for expr in draft.query.select if expr.kind == "column" and expr.ref is not None]
    found = [ref for ref in refs if (column := draft.schema.column(ref)).kind in kinds and not column.is_key]
    return found[0] if len(found) == 1 else None
