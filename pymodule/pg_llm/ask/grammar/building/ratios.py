"""Ratios and shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pg_llm.ask.grammar.building import measures, values
from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.grammar.query import Condition, Expr
from pg_llm.ask.grammar.reading.parts import Measure, Share
from pg_llm.ask.mention import Mention
from pg_llm.ask.schema import Ref

# How times are compared.
_TIMED = ("period", "since", "this")


def expr(draft: Draft, sides: tuple[list[Mention], list[Mention], str], targets: list[Expr]) -> Expr:
    """One count or column by another. Raises Impossible."""
    above, below, scale = sides
    if draft.reading.share is not None:
        if draft.reading.measures:
            raise Impossible("a share of what is measured")
        whole = _shared(draft) or measures.expr(draft, draft.reading.share.whole or Measure("count"))
        return Expr("ratio", said=scale, parts=(whole, whole))
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


def _shared(draft: Draft) -> Expr | None:
    """The sum that is shared, where a column of numbers is said to be."""
    share = draft.reading.share
    part = share.part if share is not None and share.part is not None else range(0)
    for mention in draft.reading.context:
        ref = draft.choice.get(mention.start)
        if mention.start in part and ref is not None and ref[1] >= 0 and draft.schema.column(ref).is_measure:
            return Expr("agg", ref, "sum")
    return None


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
    valued = {draft.choice[each.start][0] for each in mentions if each.kind == "value" and each.start in draft.choice}
    for mention in mentions:
        if mention.kind == "value":
            ref = draft.choice.get(mention.start)
            if ref is None:
                raise Impossible(f"no row has {mention.said}")
            only.append(values.condition(ref, [values.said(mention, ref)]))
            expr = expr or Expr("count", (ref[0], -1))
            continue
        ref = draft.ref(mention)
        if expr is None:
            expr = _begun(draft, ref)
            if ref[0] in valued and expr.kind == "agg":
                # Of payments by card the rows are counted.
                expr = Expr("count", (ref[0], -1))
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


def restrict(draft: Draft, share: Share) -> None:
    """What restricts a share restricts the part only; without that, it is each group's. Raises Impossible."""
    query = draft.query
    if query.having:
        raise Impossible("the share of what")
    whole, part = _scopes(draft, share)
    part = _looked_up(draft, share, whole, part)
    if not part and not query.group:
        raise Impossible("the share of what")
    query.where = whole
    query.select = [_restricted(expr, part) for expr in query.select]
    query.order = [(_restricted(expr, part), down) for expr, down in query.order]


def _restricted(expr: Expr, part: Sequence[Condition]) -> Expr:
    """A ratio with the rows of the part only above, or with those of all groups below."""
    if expr.kind != "ratio":
        return expr
    above, below = expr.parts
    below = below if part else Expr("whole", parts=(below,))
    return replace(expr, parts=(replace(above, only=tuple(part)), below))


def _looked_up(draft: Draft, share: Share, whole: list[Condition], part: list[Condition]) -> list[Condition]:
    """What is said of the part, with rows of other tables looked up: joined, they would leave out what has none there.

    What share of the readers live in Bonn, have borrowed, have borrowed a novel.
    """
    query = draft.query
    refs = [ref for expr in (*query.select, *query.group) for ref in expr.refs()]
    refs += [ref for each in whole for ref in each.refs()]
    joined = {draft.main, *(table for table, _ in refs)}
    inside = [each for each in part if each.expr is not None and not {table for table, _ in each.refs()} <= joined]
    mentioned = [table for table in query.tables if table not in joined]
    if not part and not mentioned:
        later = (each for each in draft.reading.context if each.start >= share.verb and each.start in draft.choice)
        mentioned = [table for table, _ in map(draft.ref, later) if table not in joined][:1]
    query.tables = [table for table in query.tables if table in joined]
    # That a row belongs to one of another table says nothing of it; that others belong to it does.
    others = [table for each in inside for table, _ in each.refs()]
    others += [table for table in mentioned if draft.has_many(table)]
    if not others:
        return part
    return [*(each for each in part if each not in inside), draft.there(others, inside)]


def _scopes(draft: Draft, share: Share) -> tuple[list[Condition], list[Condition]]:
    """The conditions on the whole, and those on the part of it.

    Of the books from Bonn that were sold in May, which share is long: what is said before the verb, or before the share
    is asked for, is of the whole, and so are times, unless nothing else is said of the part.
    """
    whole, times, part = [], [], []
    for each in draft.query.where:
        at = draft.said_at.get(each)
        if at is not None and share.says_whole(at):
            whole.append(each)
        elif at is None and each.expr is not None and each.op in _TIMED:
            times.append(each)
        else:
            part.append(each)
    if part or draft.query.group:
        return [*whole, *times], part
    return (whole, times) if times else ([], whole)
