"""Ratios and shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pg_llm.asking.building.draft import Draft, Impossible
from pg_llm.asking.mention import Mention
from pg_llm.asking.query import Condition, Expr
from pg_llm.asking.schema import Ref


def expr(draft: Draft, sides: tuple[list[Mention], list[Mention], str], targets: list[Expr]) -> Expr:
    """One count or column by another. Raises Impossible."""
    above, below, scale = sides
    if draft.reading.share:
        draft.query.tables.append(draft.main)
        if draft.reading.measures:
            raise Impossible("a share of what is measured")
        rows = Expr("count", (draft.main, -1))
        return Expr("ratio", said=scale, parts=(rows, rows))
    if not above or not below:
        raise Impossible("the ratio of what to what")
    top, its_only = _side(draft, above)
    bottom, other_only = _side(draft, below)
    if top.kind == "column" and bottom.kind == "column":
        if not _of_groups(draft, top):
            if draft.grouped and not targets:
                targets += draft.shown
            draft.grouped, draft.shown = [], []
            if not targets and top.ref is not None and not draft.reading.named:
                targets += draft.show(top.ref[0])
            return Expr("ratio", parts=(top, bottom), distinct=True)
        top, bottom = replace(top, kind="agg", said="sum"), replace(bottom, kind="agg", said="sum")
    return Expr("ratio", parts=(replace(top, only=its_only), replace(bottom, only=other_only)))


def _of_groups(draft: Draft, top: Expr) -> bool:
    """Whether a column is divided for groups of rows, and not for each row."""
    if not draft.grouped:
        return False
    first = draft.grouped[0].ref
    return not (top.ref and first and top.ref[0] == first[0] and first[1] == draft.schema.display(top.ref[0]))


def _side(draft: Draft, mentions: Sequence[Mention]) -> tuple[Expr, tuple[Condition, ...]]:
    """What is counted or read, and for which rows only."""
    only: list[Condition] = []
    expr: Expr | None = None
    for mention in mentions:
        if mention.kind == "value":
            ref = draft.choice.get(mention.start)
            if ref is None:
                raise Impossible(f"no row has {mention.said}")
            whole = mention.whole(ref)
            only.append(
                Condition(Expr("column", ref), "ilike", (f"%{mention.said}%",)) if whole is None
                else Condition(Expr("column", ref), "=", (whole,))
            )  # fmt: skip
            expr = expr or Expr("count", (ref[0], -1))
            continue
        ref = draft.ref(mention)
        if expr is None:
            expr = _begun(draft, ref)
            if ref[1] >= 0 and draft.schema.column(ref).kind == "bool":
                only.append(Condition(Expr("column", ref), "true"))
        elif ref[1] < 0 and expr.ref is not None and ref[0] != expr.ref[0]:
            edge = draft.schema.reference(expr.ref[0], ref[0])
            if edge is None:
                draft.cost += 0.2
                draft.query.tables.append(ref[0])
            else:
                only.append(Condition(Expr("column", (edge.one, edge.columns[0][0])), "not null"))
    if expr is None:
        raise Impossible("the ratio of what")
    return expr, tuple(only)


def _begun(draft: Draft, ref: Ref) -> Expr:
    """What one mention alone stands for in a ratio."""
    if ref[1] < 0:
        draft.query.tables.append(ref[0])
        return Expr("count", (ref[0], -1))
    column = draft.schema.column(ref)
    if column.kind == "number" and not column.is_key:
        return Expr("column", ref)
    if column.kind == "bool":
        return Expr("count", (ref[0], -1))
    return Expr("agg", ref, "count", distinct=True)


def restrict(draft: Draft) -> None:
    """Of a share, what restricts it restricts the upper number only. Raises Impossible."""
    conditions = tuple(draft.query.where)
    if not conditions or draft.query.having:
        raise Impossible("the share of what")
    draft.query.where = []
    for n, expr in enumerate(draft.query.select):
        if expr.kind == "ratio":
            draft.query.select[n] = replace(expr, parts=(replace(expr.parts[0], only=conditions), expr.parts[1]))
