"""SQL: semantic indexes: a vector and a tsvector beside a table's text, filled in batches and kept true by triggers."""

from __future__ import annotations

from typing import Any

from pg_llm.database.session import sql_function
from pg_llm.search import index


@sql_function
def semantic_index(
    target: str | None,
    columns: list[str | None] | None,
    model: str | None,
    name: str | None,
    method: str | None,
    metric: str | None,
    sync: str | None,
) -> None:
    """Index the text of a table's columns for semantic_search, and keep the index true."""
    index.semantic_index(target, columns, model, name, method, metric, sync)


@sql_function
def semantic_refresh(target: str | None, name: str | None) -> None:
    """Fill in whatever a semantic index lacks: rows of a manual index, of new partitions, of an interrupted fill."""
    index.semantic_refresh(target, name)


@sql_function
def semantic_drop(target: str | None, name: str | None) -> None:
    """Remove a semantic index with its columns and triggers."""
    index.semantic_drop(target, name)


@sql_function
def semantic_sync(target: str | None, name: str | None, keys: str | None) -> None:
    """Embed the rows with these primary keys that lack an embedding; for the table's owner."""
    index.semantic_sync(target, name, keys)


@sql_function
def semantic_follow(trigger: dict[str, Any]) -> None:
    """Statement trigger of a live semantic index: embeds what was written, with the rights of the table's owner."""
    index.semantic_follow(trigger)
