"""Plan the joins: connect the tables, and keep joins from repeating rows in counts and results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.grammar.query import Expr, SqlWriter
from pg_llm.ask.schema import Edge


def plan_joins(draft: Draft) -> None:
    """Join the tables, turn counts into aggregates, remove duplicates and add the join's cost. Raises Impossible."""
    query = draft.query
    query.tables = list(dict.fromkeys(query.tables)) or [draft.main_table]
    if draft.main_table in query.tables:
        query.tables.remove(draft.main_table)
        query.tables.insert(0, draft.main_table)
    if _count_separately(draft):
        return
    plan = SqlWriter(draft.schema).join_edges(query)
    if plan is None:
        raise Impossible("the tables cannot be joined")
    edges, cost = plan
    draft.edges = edges
    if draft.schema.has_parallel_edge(edges):
        # The question does not say which of parallel foreign keys is meant: from which of two airports.
        draft.cost += 0.3
    needed = len(query.all_tables()) - 1
    draft.cost += 0.08 * max(0.0, cost - needed) + 0.06 * needed
    query.select = [_as_aggregate(draft, edges, expr) for expr in query.select]
    query.order = [(_as_aggregate(draft, edges, expr), down) for expr, down in query.order]
    query.having = [
        replace(condition, expr=_as_aggregate(draft, edges, condition.expr) if condition.expr else None)
        for condition in query.having
    ]
    aggregated = any(expr.is_aggregate and not (expr.kind == "ratio" and expr.distinct) for expr in query.select)
    if not query.group and not aggregated and not query.distinct_on:
        _remove_duplicates(draft, edges)
    if query.distinct and any(expr not in query.select for expr, _ in query.order):
        query.group = list(query.select)
        query.order = [
            (expr if expr in query.select else Expr("agg", expr.ref, "max" if down else "min"), down)
            for expr, down in query.order
        ]
        query.distinct = False


def _count_separately(draft: Draft) -> bool:
    """Turn counts of unrelated tables into scalar subqueries; returns whether it did."""
    query = draft.query
    if len(query.select) > 1 and not (query.group or query.where or query.having):
        counts = [expr.ref for expr in query.select if expr.kind == "count" and expr.ref and not expr.filters]
        if len({ref[0] for ref in counts}) == len(query.select):
            query.tables, query.select = [], [Expr("rows", ref) for ref in counts]
            return True
    ratio = next((expr for expr in query.select if expr.kind == "ratio"), None)
    if ratio is None or query.group or query.where or len(query.select) > 1:
        return False
    if any(part.kind != "count" or part.filters for part in ratio.operands):
        return False
    tables = [part.ref[0] for part in ratio.operands if part.ref]
    if tables[0] == tables[1]:
        return False
    query.tables = []
    query.select = [replace(ratio, operands=tuple(Expr("rows", part.ref) for part in ratio.operands))]
    return True


def _as_aggregate(draft: Draft, edges: Sequence[Edge], expr: Expr) -> Expr:
    """A count as an aggregate: of rows, or of distinct keys if the joins fan out."""
    if expr.operands:
        expr = replace(expr, operands=tuple(_as_aggregate(draft, edges, part) for part in expr.operands))
    fans = expr.ref is not None and bool(edges) and draft.schema.fans_out(edges, expr.ref[0])
    if expr.kind != "count":
        if expr.kind == "agg" and expr.function in ("sum", "avg") and fans:
            draft.cost += 0.3
        return expr
    assert expr.ref is not None
    if not fans:
        return Expr("agg", None, "count", filters=expr.filters)
    identity = draft.schema.identity_columns(expr.ref[0])
    if len(identity) != 1:
        draft.cost += 0.2
        return Expr("agg", None, "count", filters=expr.filters)
    return Expr("agg", (expr.ref[0], identity[0]), "count", distinct=True, filters=expr.filters)


def _remove_duplicates(draft: Draft, edges: Sequence[Edge]) -> None:
    """Add DISTINCT if the joins, or values of a category, repeat rows."""
    query = draft.query
    refs = [expr.ref for expr in query.select if expr.ref]
    tables = {ref[0] for ref in refs}
    if draft.parsed.distinct or (edges and all(draft.schema.fans_out(edges, table) for table in tables)):
        query.distinct = True
        return
    if query.limit is not None or len(refs) != 1:
        return
    column = draft.schema.column(refs[0])
    named = {meant_ref[0] for meant_ref in draft.interpretation.values() if meant_ref[1] < 0}
    row = draft.schema.names_row(refs[0]) or (
        refs[0][1] in draft.schema.display_columns(refs[0][0]) and refs[0][0] in named
    )
    if column.kind == "text" and not row and not column.unique and not _names_a_row(draft):
        query.distinct = True


def _names_a_row(draft: Draft) -> bool:
    """True if a condition selects rows by name."""
    return any(
        condition.expr is not None
        and condition.op == "="
        and condition.expr.ref is not None
        and condition.expr.ref[1] == draft.schema.display_column(condition.expr.ref[0])
        for condition in draft.query.where
    )
