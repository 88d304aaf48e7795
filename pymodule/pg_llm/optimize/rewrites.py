"""Query rewrites that are cheaper and proved equal by constraints, or at least gave equal rows."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pg_llm.database import foreign_code, sandbox, select
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.optimize import call_counts as calls
from pg_llm.optimize.plan import Plan, Statement, Suggestion

# The least saving, as a share of the cost and in the planner's units.
_LEAST_SHARE, _LEAST_SAVING = 0.01, 0.001
# Limits for running both statements: the planner's cost, and the number of rows.
_MOST_COST, _MOST_ROWS = 20_000.0, 10_000
# Classes of SQLSTATE that end the call: insufficient resources, intervention, system error, internal error.
_FATAL_CLASSES = ("53", "57", "58", "XX")
_NULLABLE = """
    SELECT NOT a.attnotnull OR (c.relhassubclass AND c.relkind = 'r') AS nullable
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    WHERE a.attrelid = $1::oid AND a.attname = $2 AND a.attnum > 0
"""
# Unique, immediate, complete indexes on NOT NULL columns; tables with children are excluded, as those may repeat.
_UNIQUE_INDEXES = """
    SELECT i.indexrelid::regclass::text AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid AND NOT (c.relhassubclass AND c.relkind = 'r')
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0 : i.indnkeyatts - 1])
    WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indimmediate
    AND i.indpred IS NULL AND i.indexprs IS NULL
    GROUP BY i.indexrelid HAVING bool_and(a.attnotnull) ORDER BY 1
"""
# No function of these names is volatile or returns a set.
_STABLE = """
    SELECT NOT EXISTS (SELECT FROM pg_proc WHERE proname = ANY ($1) AND (provolatile = 'v' OR proretset)) AS stable
"""


def suggestions(db: Connection, statement: Statement, plan: Plan, candidates: list[dict[str, Any]]) -> list[Suggestion]:
    """The rewrites that are cheaper and have evidence of equality."""
    suggested: list[Suggestion] = []
    for candidate in candidates:
        rewritten = Statement(db, candidate["sql"], statement.path)
        after = rewritten.try_explain()
        if after is None or plan.cost - after.cost < max(_LEAST_SAVING, _LEAST_SHARE * plan.cost):
            continue
        if candidate["rule"] in calls.RULES:
            if not db.rows(_STABLE, ("text[]",), (candidate["needs"]["stable"],))[0]["stable"]:
                continue
            kind, evidence = "model calls", calls.RULES[candidate["rule"]](db, statement, plan, after)
        else:
            kind, evidence = "rewrite", _equivalence(db, statement, rewritten, candidate, max(plan.cost, after.cost))
        if evidence is not None:
            suggested.append(Suggestion(kind, rewritten.text, plan.cost, after.cost, evidence))
    return suggested


def _equivalence(
    db: Connection, statement: Statement, other: Statement, candidate: dict[str, Any], cost: float
) -> str | None:
    """The evidence that a rewrite is equal; None if there is none."""
    if not candidate["needs"]:
        return "equal by definition"
    return _equal_by_constraints(db, statement, candidate["needs"]) or (
        _equal_by_results(db, statement, other) if cost <= _MOST_COST else None
    )


def _equal_by_constraints(db: Connection, statement: Statement, needs: dict[str, Any]) -> str | None:
    """The constraints that prove a rewrite equal; None if they do not."""
    if "not_null" in needs:
        for table, column in needs["not_null"]:
            column_rows = db.rows(_NULLABLE, ("int8", "text"), (_oid(db, statement, table), column))
            if not column_rows or column_rows[0]["nullable"]:
                return None
        names = dict.fromkeys(f"{table}.{column}" for table, column in needs["not_null"])
        return f"equal by constraints: {' and '.join(names)} are NOT NULL"
    key = needs["key"]
    for row in db.rows(_UNIQUE_INDEXES, ("int8",), (_oid(db, statement, key["table"]),)):
        if key["all"] or set(row["columns"]) <= set(key["columns"]):
            return f"equal by constraints: the columns hold those of the unique index {row['name']}"
    return None


def _oid(db: Connection, statement: Statement, table: str) -> int | None:
    """The oid of a table in the caller's search path; None for no name and for a CTE."""
    with statement.caller_search_path():
        rows = db.rows("SELECT pg_catalog.to_regclass($1)::pg_catalog.int8 AS oid", ("text",), (table,))
    return int(rows[0]["oid"]) if table and rows[0]["oid"] is not None else None


def _equal_by_results(db: Connection, *statements: Statement) -> str | None:
    """Evidence that both statements return equal rows now; None if not, if there are too many, or one cannot be run."""
    texts = [_safe_sql(db, statement) for statement in statements]
    rows = []
    for text in texts:
        if text is None:
            return None
        try:
            answer = select.read(db, f"SELECT whole::pg_catalog.text FROM ({text}\n) AS whole", _MOST_ROWS)
        except DatabaseError as error:
            # A statement that fails has no rows to compare.
            if (error.sqlstate or "")[:2] in _FATAL_CLASSES:
                raise
            return None
        if answer.truncated:
            return None
        rows.append(Counter(str(row[0]) for row in answer.rows))
    # Two empty results prove little.
    if not rows[0] or any(result != rows[0] for result in rows):
        return None
    return f"both gave the same {sum(rows[0].values()):,} rows just now; no constraint says that they always will"


def _safe_sql(db: Connection, statement: Statement) -> str | None:
    """The statement with qualified names if it runs no code of other roles: the caller only asked for its cost."""
    with statement.caller_search_path():
        path = sandbox.search_path(db)
    checked = sandbox.check(db, [statement.text], path)[0]
    if isinstance(checked, sandbox.Refused):
        return None
    foreign_code.lock(db, checked.relations, db.current_role())
    return None if foreign_code.find(db, checked.relations, db.current_role()) else checked.qualified
