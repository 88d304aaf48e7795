"""The tables of a query, joined so that rows are counted once each and shown once each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.grammar.query import Expr, Writer
from pg_llm.ask.schema import Edge


def settle(draft: Draft) -> None:
    """Count rows once each, show rows once each, and weigh what it takes to join them. Raises Impossible."""
    query = draft.query
    query.tables = list(dict.fromkeys(query.tables)) or [draft.main]
    if draft.main in query.tables:
        query.tables.remove(draft.main)
        query.tables.insert(0, draft.main)
    if _apart(draft):
        return
    found = Writer(draft.schema).edges(query)
    if found is None:
        raise Impossible("the tables cannot be joined")
    edges, cost = found
    draft.edges = edges
    if draft.schema.rivals(edges):
        # From which of two airports is not said.
        draft.cost += 0.3
    needed = len(query.all_tables()) - 1
    draft.cost += 0.08 * max(0.0, cost - needed) + 0.06 * needed
    query.select = [_counted(draft, edges, expr) for expr in query.select]
    query.order = [(_counted(draft, edges, expr), down) for expr, down in query.order]
    query.having = [
        replace(each, expr=_counted(draft, edges, each.expr) if each.expr else None) for each in query.having
    ]
    aggregated = any(expr.is_aggregate and not (expr.kind == "ratio" and expr.distinct) for expr in query.select)
    if not query.group and not aggregated and not query.per:
        _distinct(draft, edges)
    if query.distinct and any(expr not in query.select for expr, _ in query.order):
        query.group = list(query.select)
        query.order = [
            (expr if expr in query.select else Expr("agg", expr.ref, "max" if down else "min"), down)
            for expr, down in query.order
        ]
        query.distinct = False


def _apart(draft: Draft) -> bool:
    """Counts of tables that nothing else connects are counted each for itself."""
    query = draft.query
    if len(query.select) > 1 and not (query.group or query.where or query.having):
        counts = [expr.ref for expr in query.select if expr.kind == "count" and expr.ref and not expr.only]
        if len({ref[0] for ref in counts}) == len(query.select):
            query.tables, query.select = [], [Expr("rows", ref) for ref in counts]
            return True
    ratio = next((expr for expr in query.select if expr.kind == "ratio"), None)
    if ratio is None or query.group or query.where or len(query.select) > 1:
        return False
    if any(part.kind != "count" or part.only for part in ratio.parts):
        return False
    tables = [part.ref[0] for part in ratio.parts if part.ref]
    if tables[0] == tables[1]:
        return False
    query.tables = []
    query.select = [replace(ratio, parts=tuple(Expr("rows", part.ref) for part in ratio.parts))]
    return True


def _counted(draft: Draft, edges: Sequence[Edge], expr: Expr) -> Expr:
    """A count as an aggregate: of rows, or where the joins repeat them of what tells them apart."""
    if expr.parts:
        expr = replace(expr, parts=tuple(_counted(draft, edges, part) for part in expr.parts))
    fans = expr.ref is not None and bool(edges) and draft.schema.fans_out(edges, expr.ref[0])
    if expr.kind != "count":
        if expr.kind == "agg" and expr.said in ("sum", "avg") and fans:
            draft.cost += 0.3
        return expr
    assert expr.ref is not None
    if not fans:
        return Expr("agg", None, "count", only=expr.only)
    identity = draft.schema.identity(expr.ref[0])
    if len(identity) != 1:
        draft.cost += 0.2
        return Expr("agg", None, "count", only=expr.only)
    return Expr("agg", (expr.ref[0], identity[0]), "count", distinct=True, only=expr.only)


def _distinct(draft: Draft, edges: Sequence[Edge]) -> None:
    """Rows that would come several times come once."""
    query = draft.query
    refs = [expr.ref for expr in query.select if expr.ref]
    tables = {ref[0] for ref in refs}
    if draft.reading.distinct or (edges and all(draft.schema.fans_out(edges, table) for table in tables)):
        query.distinct = True
        return
    if query.limit is not None or len(refs) != 1:
        return
    column = draft.schema.column(refs[0])
    named = {its[0] for its in draft.choice.values() if its[1] < 0}
    row = draft.schema.calls_rows(refs[0]) or (refs[0][1] in draft.schema.shown(refs[0][0]) and refs[0][0] in named)
    if column.kind == "text" and not row and not column.unique and not _names_a_row(draft):
        query.distinct = True


def _names_a_row(draft: Draft) -> bool:
    """Whether a condition picks rows by what they are called."""
    return any(
        condition.expr is not None
        and condition.op == "="
        and condition.expr.ref is not None
        and condition.expr.ref[1] == draft.schema.display(condition.expr.ref[0])
        for condition in draft.query.where
    )
