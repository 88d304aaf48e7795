"""Index suggestions: the planner's cost with a hypothetical index (HypoPG), else a heuristic estimate."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pg_llm import interrupts
from pg_llm.database.connection import Connection
from pg_llm.optimize import index_candidates as candidates
from pg_llm.optimize.index_candidates import IndexCandidate
from pg_llm.optimize.plan import Plan, Statement, Suggestion

# The least saving, as a share of the cost and in the planner's units.
_LEAST_SHARE, _LEAST_SAVING = 0.1, 5.0
# Without HypoPG: the least size of a table, and the largest share of rows that an index should select.
_LEAST_ROWS, _MOST_SELECTED = 1000, 0.05
# A further column must reduce the cost to this share.
_IMPROVEMENT = 0.95
_HYPOPG = """
    SELECT quote_ident(n.nspname) AS schema FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
    WHERE e.extname = 'hypopg'
"""


def suggestions(db: Connection, statement: Statement, plan: Plan) -> list[Suggestion]:
    """The best index for each table."""
    extension = db.rows(_HYPOPG)
    best: dict[str, Suggestion] = {}
    for candidate in candidates.candidates(db, plan):
        if not extension:
            suggestion = _without_cost(plan, candidate, "HypoPG is not installed in this database")
        elif candidate.table.is_partition:
            suggestion = _without_cost(plan, candidate, "HypoPG knows no partitioned tables")
        else:
            suggestion = _with_planner_cost(db, statement, plan, candidate, extension[0]["schema"])
        current = best.get(candidate.table.root)
        if suggestion and (current is None or _is_better(suggestion, current)):
            best[candidate.table.root] = suggestion
    return list(best.values())


def _is_better(suggestion: Suggestion, current: Suggestion) -> bool:
    return (
        suggestion.cost_after is not None
        and current.cost_after is not None
        and suggestion.cost_after < current.cost_after * _IMPROVEMENT
    )


def _with_planner_cost(
    db: Connection, statement: Statement, plan: Plan, candidate: IndexCandidate, schema: str
) -> Suggestion | None:
    """Suggest the index if the planner's cost with it as a hypothetical index is low enough."""
    with _hypothetical_index(db, statement, candidate.sql, schema) as oid:
        after = statement.explain().cost
        size = db.query_unprepared(f"SELECT {schema}.hypopg_relation_size({oid}::oid) AS bytes")[0]["bytes"]
    if plan.cost - after < max(_LEAST_SAVING, _LEAST_SHARE * plan.cost):
        return None
    evidence = f"{candidate.reason}; costs by HypoPG, which puts the index at {size / 1048576:,.1f} MB"
    return Suggestion(candidate.kind, candidate.sql, plan.cost, after, evidence)


@contextlib.contextmanager
def _hypothetical_index(db: Connection, statement: Statement, sql: str, schema: str) -> Iterator[int]:
    query = f"SELECT indexrelid::pg_catalog.int8 AS oid FROM {schema}.hypopg_create_index($1)"
    with interrupts.deferred(), statement.caller_search_path():
        oid = int(db.query_unprepared(query, ("text",), (sql,))[0]["oid"])
    try:
        yield oid
    finally:
        # Not hypopg_reset(): it would drop the caller's hypothetical indexes, and no end of a transaction drops ours.
        with interrupts.deferred():
            db.query_unprepared(f"SELECT {schema}.hypopg_drop_index({oid}::pg_catalog.oid)")


def _without_cost(plan: Plan, candidate: IndexCandidate, reason: str) -> Suggestion | None:
    """Suggest the index without a cost, if it is selective enough."""
    if candidate.selectivity is None or candidate.selectivity > _MOST_SELECTED:
        return None
    if candidate.table.row_count < _LEAST_ROWS:
        return None
    evidence = f"{candidate.reason}; an estimate, as {reason}"
    return Suggestion(candidate.kind, candidate.sql, plan.cost, None, evidence)
