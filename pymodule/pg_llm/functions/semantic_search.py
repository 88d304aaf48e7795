"""SQL: semantic search: vectors, full text, or both fused by reciprocal rank, over a table with a semantic index."""

from __future__ import annotations

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput
from pg_llm.search import hybrid_search


@sql_function
def semantic_search(
    db: Connection,
    query: str | None,
    target: str | None,
    k: int | None,
    mode: str | None,
    filter: str | None,
    name: str | None,
) -> list[hybrid_search.Result]:
    """The k rows of a table that best match a query, best first: primary key, score and row."""
    k = arguments.required("k", k)
    if not 0 <= k <= hybrid_search.MAX_RESULTS:
        raise InvalidInput(f"k is {k}, and must be from 0 to {hybrid_search.MAX_RESULTS}")
    mode = arguments.choice("mode", mode, hybrid_search.MODES)
    return hybrid_search.search(db, query, arguments.required("target", target), k, mode, filter, name)
