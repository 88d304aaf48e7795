"""Ratios and shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pg_llm.ask.grammar.building import measures, values
from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.grammar.query import Condition, Expr
from pg_llm.ask.grammar.reading.parsed_question import Measure, Share
from pg_llm.ask.mention import Mention
from pg_llm.ask.schema import Ref

# Operators on times.
_TIME_OPERATORS = ("period", "since", "this")


def ratio_expr(draft: Draft, sides: tuple[list[Mention], list[Mention], str], targets: list[Expr]) -> Expr:
    """One count or column divided by another. Raises Impossible."""
    above, below, scale = sides
    if draft.parsed.share is not None:
        if draft.parsed.measures:
            raise Impossible("a share of what is measured")
        whole = _shared_sum(draft) or measures.measure_expr(draft, draft.parsed.share.whole or Measure("count"))
        return Expr("ratio", function=scale, operands=(whole, whole))
    if not above or not below:
        raise Impossible("the ratio of what to what")
    top, top_filters = _read_side(draft, above)
    bottom, bottom_filters = _read_side(draft, below)
    if top.kind == "column" and bottom.kind == "column":
        if not _of_groups(draft, top):
            if draft.group_keys and not targets:
                targets += draft.group_labels
            draft.group_keys, draft.group_labels = [], []
            if not targets and top.ref is not None and not draft.parsed.value_filters:
                targets += draft.display_exprs(top.ref[0])
            return Expr("ratio", operands=(top, bottom), distinct=True)
        top, bottom = replace(top, kind="agg", function="sum"), replace(bottom, kind="agg", function="sum")
    return Expr("ratio", operands=(replace(top, filters=top_filters), replace(bottom, filters=bottom_filters)))


def _shared_sum(draft: Draft) -> Expr | None:
    """The sum that a share is taken of, if the question names a numeric column."""
    share = draft.parsed.share
    part = share.part if share is not None and share.part is not None else range(0)
    for mention in draft.parsed.context:
        ref = draft.interpretation.get(mention.start)
        if mention.start in part and ref is not None and ref[1] >= 0 and draft.schema.column(ref).is_measure:
            return Expr("agg", ref, "sum")
    return None


def _of_groups(draft: Draft, top: Expr) -> bool:
    """True if the ratio is computed per group, not per row."""
    if not draft.group_keys:
        return False
    first = draft.group_keys[0].ref
    return not (top.ref and first and top.ref[0] == first[0] and first[1] == draft.schema.display_column(top.ref[0]))


def _read_side(draft: Draft, mentions: Sequence[Mention]) -> tuple[Expr, tuple[Condition, ...]]:
    """One side of a ratio: its expression, and the conditions on that side only."""
    only: list[Condition] = []
    expr: Expr | None = None
    valued = {
        draft.interpretation[item.start][0]
        for item in mentions
        if item.kind == "value" and item.start in draft.interpretation
    }
    for mention in mentions:
        if mention.kind == "value":
            ref = draft.interpretation.get(mention.start)
            if ref is None:
                raise Impossible(f"no row has {mention.normalized}")
            only.append(values.value_condition(ref, [values.value_text(mention, ref)]))
            expr = expr or Expr("count", (ref[0], -1))
            continue
        ref = draft.ref(mention)
        if expr is None:
            expr = _side_expr(draft, ref)
            if ref[0] in valued and expr.kind == "agg":
                # Payments by card: the rows are counted.
                expr = Expr("count", (ref[0], -1))
            if ref[1] >= 0 and draft.schema.column(ref).kind == "bool":
                only.append(Condition(Expr("column", ref), "true"))
        elif ref[1] < 0 and expr.ref is not None and ref[0] != expr.ref[0]:
            edge = draft.schema.reference_edge(expr.ref[0], ref[0])
            if edge is None:
                draft.cost += 0.2
                draft.query.tables.append(ref[0])
            else:
                only.append(Condition(Expr("column", (edge.source, edge.columns[0][0])), "not null"))
    if expr is None:
        raise Impossible("the ratio of what")
    return expr, tuple(only)


def _side_expr(draft: Draft, ref: Ref) -> Expr:
    """The expression that a single mention stands for in a ratio."""
    if ref[1] < 0:
        draft.query.tables.append(ref[0])
        return Expr("count", (ref[0], -1))
    column = draft.schema.column(ref)
    if column.kind == "number" and not column.is_key:
        return Expr("column", ref)
    if column.kind == "bool":
        return Expr("count", (ref[0], -1))
    return Expr("agg", ref, "count", distinct=True)


def restrict_share(draft: Draft, share: Share) -> None:
    """Move conditions on the part of a share into FILTER; without any, take each group's share. Raises Impossible."""
    query = draft.query
    if query.having:
        raise Impossible("the share of what")
    whole, part = _split_conditions(draft, share)
    part = _with_subqueries(draft, share, whole, part)
    if not part and not query.group:
        raise Impossible("the share of what")
    query.where = whole
    query.select = [_with_filter(expr, part) for expr in query.select]
    query.order = [(_with_filter(expr, part), down) for expr, down in query.order]


def _with_filter(expr: Expr, part: Sequence[Condition]) -> Expr:
    """The ratio with its numerator filtered, or with its denominator as the total of all groups."""
    if expr.kind != "ratio":
        return expr
    above, below = expr.operands
    below = below if part else Expr("whole", operands=(below,))
    return replace(expr, operands=(replace(above, filters=tuple(part)), below))


def _with_subqueries(draft: Draft, share: Share, whole: list[Condition], part: list[Condition]) -> list[Condition]:
    """The conditions on the part, with other tables in EXISTS: a join would drop rows from the whole.

    Which share of the readers live in Bonn, have borrowed, have borrowed a novel.
    """
    query = draft.query
    refs = [ref for expr in (*query.select, *query.group) for ref in expr.refs()]
    refs += [ref for item in whole for ref in item.refs()]
    joined = {draft.main_table, *(table for table, _ in refs)}
    inside = [item for item in part if item.expr is not None and not {table for table, _ in item.refs()} <= joined]
    mentioned = [table for table in query.tables if table not in joined]
    if not part and not mentioned:
        later = (
            item for item in draft.parsed.context if item.start >= share.verb and item.start in draft.interpretation
        )
        mentioned = [table for table, _ in map(draft.ref, later) if table not in joined][:1]
    query.tables = [table for table in query.tables if table in joined]
    # A many-to-one reference always exists and restricts nothing; rows that reference the main table do.
    others = [table for item in inside for table, _ in item.refs()]
    others += [table for table in mentioned if draft.has_many(table)]
    if not others:
        return part
    return [*(item for item in part if item not in inside), draft.exists_condition(others, inside)]


def _split_conditions(draft: Draft, share: Share) -> tuple[list[Condition], list[Condition]]:
    """Split the conditions into those on the whole and those on its part.

    Of the books from Bonn that were sold in May, which share is long: conditions before the verb, or before the
    share is asked for, restrict the whole; so do times, if other conditions restrict the part.
    """
    whole, times, part = [], [], []
    for condition in draft.query.where:
        at = draft.condition_positions.get(condition)
        if at is not None and share.restricts_whole(at):
            whole.append(condition)
        elif at is None and condition.expr is not None and condition.op in _TIME_OPERATORS:
            times.append(condition)
        else:
            part.append(condition)
    if part or draft.query.group:
        return [*whole, *times], part
    return (whole, times) if times else ([], whole)
