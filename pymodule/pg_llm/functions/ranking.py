"""SQL: ranking: how relevant texts are to a query."""

from __future__ import annotations

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.search import reranking


@sql_function
def llm_rank(
    db: Connection, query: str | None, inputs: list[str | None] | None, model: str | None
) -> list[tuple[int, float | None]]:
    """How relevant each text is to a query, with its position from 1; NULL for NULL."""
    listed = arguments.texts(inputs)
    if query is None:
        return [(position, None) for position, _ in enumerate(listed, 1)]
    return list(enumerate(reranking.rank(db, query, listed, model), 1))
