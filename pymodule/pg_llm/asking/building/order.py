"""By what rows are ordered."""

from __future__ import annotations

from pg_llm.asking.building import measures
from pg_llm.asking.building.draft import Draft
from pg_llm.asking.building.targets import is_total
from pg_llm.asking.mention import Mention
from pg_llm.asking.query import Expr
from pg_llm.asking.reading.parts import Measure


def add(draft: Draft) -> None:
    """The order that the question asks for, where the first rows are not asked for."""
    query = draft.query
    if query.limit is None:
        query.order += [(_by(draft, by, down), down) for by, down in draft.reading.order]
    if query.group:
        known = {*query.group}
        query.order = [
            (expr if expr in known or expr.is_measure else Expr("agg", expr.ref, "max"), down)
            for expr, down in query.order
        ]


def _by(draft: Draft, by: Mention | Measure | None, down: bool) -> Expr:
    select = draft.query.select
    counted = [each for each in select if each.is_measure]
    if by is None:
        return (counted or select)[0] if down else select[0]
    if isinstance(by, Measure):
        expr = measures.expr(draft, by)
        return counted[0] if expr not in select and len(counted) == 1 else expr
    ref = draft.ref(by)
    if ref[1] < 0:
        shown = draft.show(ref[0])[0]
        return next((each for each in select if each.kind == "count" and each.ref == ref), shown)
    over = [each for each in select if each.ref == ref and each.is_aggregate]
    if over:
        return over[0]
    return Expr("agg", ref, "sum") if is_total(by) and draft.query.group else Expr("column", ref)
