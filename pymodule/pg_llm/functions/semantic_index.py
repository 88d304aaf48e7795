"""SQL: semantic indexes: a vector and a tsvector beside a table's text, filled in batches and kept true by triggers."""

from __future__ import annotations

from typing import Any

from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.search import index


@sql_function
def semantic_index(
    db: Connection,
    target: str | None,
    columns: list[str | None] | None,
    model: str | None,
    name: str | None,
    method: str | None,
    metric: str | None,
    sync: str | None,
) -> None:
    """Index the text of a table's columns for semantic_search, and keep the index true."""
    index.semantic_index(db, target, columns, model, name, method, metric, sync)


@sql_function
def semantic_refresh(db: Connection, target: str | None, name: str | None) -> None:
    """Fill in whatever a semantic index lacks: rows of a manual index, of new partitions, of an interrupted fill."""
    index.semantic_refresh(db, target, name)


@sql_function
def semantic_drop(db: Connection, target: str | None, name: str | None) -> None:
    """Remove a semantic index with its columns and triggers."""
    index.semantic_drop(db, target, name)


@sql_function
def semantic_sync(db: Connection, target: str | None, name: str | None, keys: str | None) -> None:
    """Embed the rows with these primary keys that lack an embedding; for the table's owner."""
    index.semantic_sync(db, target, name, keys)


@sql_function
def semantic_follow(db: Connection, trigger: dict[str, Any]) -> None:
    """Statement trigger of a live semantic index: embeds what was written, with the rights of the table's owner."""
    index.semantic_follow(db, trigger)
