"""SQL: query advice: what would make a SELECT cheaper."""

from __future__ import annotations

from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.optimize import advice
from pg_llm.optimize.plan import Suggestion


@sql_function
def llm_optimize(db: Connection, sql: str | None) -> list[Suggestion]:
    """What would make a SELECT cheaper: indexes, statistics, rewrites, with the planner's costs; nothing is changed."""
    return [] if sql is None else advice.suggest(db, sql)
