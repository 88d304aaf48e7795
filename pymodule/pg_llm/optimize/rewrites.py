"""Rewrites: which of those that the text allows are equal here, by constraints or by their rows, and cheaper."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pg_llm.database import foreign_code, sandbox, select
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.optimize import model_calls as calls
from pg_llm.optimize.plan import Plan, Statement, Suggestion

# What a rewrite must save: a share of the cost, and in the planner's units.
_LEAST_SHARE, _LEAST = 0.01, 0.001
# A statement that may be run for comparison: the planner's cost at most, and how many rows are compared.
_MOST_COST, _MOST_ROWS = 20_000.0, 10_000
# Classes of SQLSTATE: out of resources, cancelled, a broken system, a defect.
_GRAVE = ("53", "57", "58", "XX")
_NULLABLE = """
    SELECT NOT a.attnotnull OR (c.relhassubclass AND c.relkind = 'r') AS nullable
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    WHERE a.attrelid = $1::oid AND a.attname = $2 AND a.attnum > 0
"""
# Unique, of columns alone, for all rows, at once, and without NULL in any; tables that inherit have rows beside it.
_KEYS = """
    SELECT i.indexrelid::regclass::text AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid AND NOT (c.relhassubclass AND c.relkind = 'r')
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0 : i.indnkeyatts - 1])
    WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indimmediate
    AND i.indpred IS NULL AND i.indexprs IS NULL
    GROUP BY i.indexrelid HAVING bool_and(a.attnotnull) ORDER BY 1
"""
# Each of these functions gives the same for the same row, however often and when it is called, and gives one value.
_STABLE = """
    SELECT NOT EXISTS (SELECT FROM pg_proc WHERE proname = ANY ($1) AND (provolatile = 'v' OR proretset)) AS stable
"""


def suggestions(db: Connection, statement: Statement, plan: Plan, candidates: list[dict[str, Any]]) -> list[Suggestion]:
    """The rewrites that are equal and cheaper."""
    found: list[Suggestion] = []
    for candidate in candidates:
        other = Statement(db, candidate["sql"], statement.path)
        after = other.tried()
        if after is None or plan.cost - after.cost < max(_LEAST, _LEAST_SHARE * plan.cost):
            continue
        if candidate["rule"] in calls.RULES:
            if not db.rows(_STABLE, ("text[]",), (candidate["needs"]["stable"],))[0]["stable"]:
                continue
            kind, why = "model calls", calls.RULES[candidate["rule"]](db, statement, plan, after)
        else:
            kind, why = "rewrite", _equal(db, statement, other, candidate, max(plan.cost, after.cost))
        if why is not None:
            found.append((kind, other.text, plan.cost, after.cost, why))
    return found


def _equal(
    db: Connection, statement: Statement, other: Statement, candidate: dict[str, Any], cost: float
) -> str | None:
    """Why a rewrite gives the same rows; None where nothing says so."""
    if not candidate["needs"]:
        return "equal by definition"
    return _proof(db, statement, candidate["needs"]) or (_trial(db, statement, other) if cost <= _MOST_COST else None)


def _proof(db: Connection, statement: Statement, needs: dict[str, Any]) -> str | None:
    """By which constraints a rewrite is equal; None where they do not say so."""
    if "not_null" in needs:
        for table, column in needs["not_null"]:
            known = db.rows(_NULLABLE, ("int8", "text"), (_oid(db, statement, table), column))
            if not known or known[0]["nullable"]:
                return None
        named = dict.fromkeys(f"{table}.{column}" for table, column in needs["not_null"])
        return f"equal by constraints: {' and '.join(named)} are NOT NULL"
    key = needs["key"]
    for row in db.rows(_KEYS, ("int8",), (_oid(db, statement, key["table"]),)):
        if key["all"] or set(row["columns"]) <= set(key["columns"]):
            return f"equal by constraints: the columns hold those of the unique index {row['name']}"
    return None


def _oid(db: Connection, statement: Statement, table: str) -> int | None:
    """The table that a name stands for; None for no name, and for a CTE's."""
    with statement.names():
        found = db.rows("SELECT pg_catalog.to_regclass($1)::pg_catalog.int8 AS oid", ("text",), (table,))
    return int(found[0]["oid"]) if table and found[0]["oid"] is not None else None


def _trial(db: Connection, *statements: Statement) -> str | None:
    """That all give the same rows now, read only; None where they do not, give too many, or are not to be run."""
    texts = [_harmless(db, statement) for statement in statements]
    rows = []
    for text in texts:
        if text is None:
            return None
        try:
            answer = select.read(db, f"SELECT whole::pg_catalog.text FROM ({text}\n) AS whole", _MOST_ROWS)
        except DatabaseError as error:
            # A statement that fails has no rows to compare; what ends the whole call does end it.
            if (error.sqlstate or "")[:2] in _GRAVE:
                raise
            return None
        if answer.cut:
            return None
        rows.append(Counter(str(row[0]) for row in answer.rows))
    # That both give nothing says little.
    if not rows[0] or any(each != rows[0] for each in rows):
        return None
    return f"both gave the same {sum(rows[0].values()):,} rows just now; no constraint says that they always will"


def _harmless(db: Connection, statement: Statement) -> str | None:
    """The statement, named in full, where running it runs nobody's code; the caller only asked what it would cost."""
    with statement.names():
        path = sandbox.search_path(db)
    checked = sandbox.check(db, [statement.text], path)[0]
    if isinstance(checked, sandbox.Refused):
        return None
    return None if foreign_code.find(db, checked.relations, db.current_role()) else checked.qualified
