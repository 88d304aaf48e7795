"""Query advice: indexes, statistics and rewrites that the planner would find cheaper; nothing is changed."""

from __future__ import annotations

from pg_llm.database import search_path, standard_strings
from pg_llm.database.connection import Connection
from pg_llm.optimize import hypothetical_indexes, rewrites
from pg_llm.optimize import plan as planner
from pg_llm.optimize.plan import Plan, Statement, Suggestion

# Sorts after every ratio of costs.
_UNKNOWN_RATIO = 2.0
_NEVER_ANALYZED = """
    SELECT c.oid::regclass::text AS name, pg_size_pretty(pg_relation_size(c.oid)) AS size
    FROM pg_class AS c
    WHERE c.oid = ANY ($1::oid[]) AND pg_relation_size(c.oid) > 0 AND NOT row_security_active(c.oid)
    AND pg_stat_get_last_analyze_time(c.oid) IS NULL AND pg_stat_get_last_autoanalyze_time(c.oid) IS NULL
    AND NOT EXISTS (SELECT FROM pg_stats AS s JOIN pg_namespace AS n ON n.nspname = s.schemaname
                    WHERE n.oid = c.relnamespace AND s.tablename = c.relname)
    ORDER BY 1
"""


def suggest(db: Connection, sql: str) -> list[Suggestion]:
    """Suggestions for a SELECT, those with the largest saving first. Raises InvalidInput for other statements."""
    path = db.setting("search_path") or ""
    with search_path.pinned(db), standard_strings.pinned(db):
        possible_rewrites = planner.analyze(db, "statement", [sql])[0]
        statement = Statement(db, sql.rstrip().removesuffix(";"), path)
        plan = statement.explain_callers()
        suggestions = [
            *_missing_statistics(db, plan),
            *rewrites.suggestions(db, statement, plan, possible_rewrites),
            *hypothetical_indexes.suggestions(db, statement, plan),
        ]
    return sorted(suggestions, key=_cost_ratio)


def _cost_ratio(suggestion: Suggestion) -> float:
    if suggestion.cost_after is None:
        return _UNKNOWN_RATIO
    return suggestion.cost_after / (suggestion.cost_before or 1.0)


def _missing_statistics(db: Connection, plan: Plan) -> list[Suggestion]:
    """ANALYZE for tables without statistics."""
    oids = [table.oid for _, table in plan.scans(db)]
    return [
        Suggestion(
            "statistics",
            f"ANALYZE {row['name']}",
            plan.cost,
            None,
            f"{row['name']} ({row['size']}) was never analysed, so that the planner guesses what is in it",
        )
        for row in db.rows(_NEVER_ANALYZED, ("int8[]",), (oids,))
    ]
