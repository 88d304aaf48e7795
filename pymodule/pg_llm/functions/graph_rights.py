"""SQL: whose rows a graph may speak of: the source's own row-level security decides, row by row where it is on."""

from __future__ import annotations

from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.graph import row_visibility


@sql_function
def readable_graph_sources(db: Connection, whole: bool | None) -> list[int]:
    """The sources of graphs whose every row the caller may read, or those where row-level security decides."""
    return row_visibility.readable_sources(db, whole)


@sql_function
def graph_row_readable(db: Connection, source: int | None, key: str | None) -> bool:
    """Whether the caller's row-level security shows a row that a graph has read; the views of graphs call it."""
    return row_visibility.row_visible(db, source, key)
