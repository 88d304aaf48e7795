"""Indexes that a plan lacks: tried as hypothetical ones where HypoPG is installed, else estimated and told as such."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pg_llm import interrupts
from pg_llm.database.connection import Connection
from pg_llm.optimize import index_candidates as candidates
from pg_llm.optimize.index_candidates import Candidate
from pg_llm.optimize.plan import Plan, Statement, Suggestion

# What an index must save to be worth its room: a share of the cost, and in the planner's units.
_LEAST_SHARE, _LEAST = 0.1, 5.0
# Without HypoPG: only for tables of some size, and where few of their rows are wanted.
_FEWEST_ROWS, _SELECTIVE = 1000, 0.05
# A further column is worth its room where it saves that share again.
_BETTER = 0.95
_HYPOPG = """
    SELECT quote_ident(n.nspname) AS schema FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
    WHERE e.extname = 'hypopg'
"""


def suggestions(db: Connection, statement: Statement, plan: Plan) -> list[Suggestion]:
    """The best index for each table that lacks one."""
    extension = db.rows(_HYPOPG)
    best: dict[str, Suggestion] = {}
    for candidate in candidates.candidates(db, plan):
        if not extension:
            found = _estimated(plan, candidate, "HypoPG is not installed in this database")
        elif candidate.table.partition:
            found = _estimated(plan, candidate, "HypoPG knows no partitioned tables")
        else:
            found = _tried(db, statement, plan, candidate, extension[0]["schema"])
        known = best.get(candidate.table.root)
        if found and (known is None or _better(found, known)):
            best[candidate.table.root] = found
    return list(best.values())


def _better(found: Suggestion, known: Suggestion) -> bool:
    return found[3] is not None and known[3] is not None and found[3] < known[3] * _BETTER


def _tried(db: Connection, statement: Statement, plan: Plan, candidate: Candidate, schema: str) -> Suggestion | None:
    """With the planner's figure for the index, which is there for the planner alone and for this moment."""
    with _hypothetical(db, statement, candidate.sql, schema) as oid:
        after = statement.explained().cost
        size = db.query_unprepared(f"SELECT {schema}.hypopg_relation_size({oid}::oid) AS bytes")[0]["bytes"]
    if plan.cost - after < max(_LEAST, _LEAST_SHARE * plan.cost):
        return None
    evidence = f"{candidate.why}; costs by HypoPG, which puts the index at {size / 1048576:,.1f} MB"
    return candidate.kind, candidate.sql, plan.cost, after, evidence


@contextlib.contextmanager
def _hypothetical(db: Connection, statement: Statement, sql: str, schema: str) -> Iterator[int]:
    made = f"SELECT indexrelid::pg_catalog.int8 AS oid FROM {schema}.hypopg_create_index($1)"
    with interrupts.deferred(), statement.names():
        oid = int(db.query_unprepared(made, ("text",), (sql,))[0]["oid"])
    try:
        yield oid
    finally:
        # Not hypopg_reset(): those that the caller made stay. Nor does a transaction's end take one along.
        with interrupts.deferred():
            db.query_unprepared(f"SELECT {schema}.hypopg_drop_index({oid}::pg_catalog.oid)")


def _estimated(plan: Plan, candidate: Candidate, reason: str) -> Suggestion | None:
    """Without a figure, and told as such."""
    if candidate.share is None or candidate.share > _SELECTIVE or candidate.table.rows < _FEWEST_ROWS:
        return None
    return candidate.kind, candidate.sql, plan.cost, None, f"{candidate.why}; an estimate, as {reason}"
