"""SQL: semantic search: vectors, full text, or both fused by reciprocal rank, over a table with a semantic index."""

from __future__ import annotations

from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.search import query as query_


@sql_function
def semantic_search(
    db: Connection,
    query: str | None,
    target: str | None,
    k: int | None,
    mode: str | None,
    filter: str | None,
    name: str | None,
) -> list[tuple[str, float, str]]:
    """The k rows of a table that best match a query, best first: primary key, score and row."""
    return query_.semantic_search(db, query, target, k, mode, filter, name)
