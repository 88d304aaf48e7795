"""Query advice: what would make a SELECT cheaper, each suggestion with the planner's figures; nothing is changed."""

from __future__ import annotations

from pg_llm.database import search_path
from pg_llm.database.connection import Connection
from pg_llm.optimize import hypothetical_indexes as index
from pg_llm.optimize import plan as planner
from pg_llm.optimize import rewrites as rewrite
from pg_llm.optimize.plan import Plan, Statement, Suggestion

_NO_FIGURE = 2.0


def llm_optimize(db: Connection, sql: str | None) -> list[Suggestion]:
    """What would make a SELECT cheaper: indexes, statistics, rewrites, with the planner's costs; nothing is changed."""
    if sql is None:
        return []
    path = db.rows("SELECT pg_catalog.current_setting('search_path') AS path")[0]["path"]
    with search_path.pinned(db):
        candidates = planner.read(db, "statement", [sql])[0]
        statement = Statement(db, sql.rstrip().removesuffix(";"), path)
        plan = statement.plan()
        found = [
            *_statistics(db, plan),
            *rewrite.suggestions(db, statement, plan, candidates),
            *index.suggestions(db, statement, plan),
        ]
    # The largest saving first; what has no figure last.
    return sorted(found, key=lambda each: _NO_FIGURE if each[3] is None else each[3] / (each[2] or 1.0))


_NEVER_ANALYSED = """
    SELECT c.oid::regclass::text AS name, pg_size_pretty(pg_relation_size(c.oid)) AS size
    FROM pg_class AS c
    WHERE c.oid = ANY ($1::oid[]) AND pg_relation_size(c.oid) > 0 AND NOT row_security_active(c.oid)
    AND pg_stat_get_last_analyze_time(c.oid) IS NULL AND pg_stat_get_last_autoanalyze_time(c.oid) IS NULL
    AND NOT EXISTS (SELECT FROM pg_stats AS s JOIN pg_namespace AS n ON n.nspname = s.schemaname
                    WHERE n.oid = c.relnamespace AND s.tablename = c.relname)
    ORDER BY 1
"""


def _statistics(db: Connection, plan: Plan) -> list[Suggestion]:
    """ANALYZE for tables without statistics."""
    oids = [table.oid for _, table in plan.scans(db)]
    return [
        (
            "statistics",
            f"ANALYZE {row['name']}",
            plan.cost,
            None,
            f"{row['name']} ({row['size']}) was never analysed, so that the planner guesses what is in it",
        )
        for row in db.rows(_NEVER_ANALYSED, ("int8[]",), (oids,))
    ]
