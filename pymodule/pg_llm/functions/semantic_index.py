"""SQL: semantic indexes: a vector and a tsvector beside a table's text, filled in batches and kept true by triggers."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.database.catalog import METRICS
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput
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
    index.create(
        db,
        arguments.required("target", target),
        columns,
        model,
        _checked_name(name),
        arguments.choice("method", method, index.METHODS),
        arguments.choice("metric", metric, METRICS),
        arguments.choice("sync", sync, index.SYNCS),
    )


@sql_function
def semantic_refresh(db: Connection, target: str | None, name: str | None) -> None:
    """Fill in whatever a semantic index lacks: rows of a manual index, of new partitions, of an interrupted fill."""
    index.refresh(db, target, name)


@sql_function
def semantic_drop(db: Connection, target: str | None, name: str | None) -> None:
    """Remove a semantic index with its columns and triggers."""
    index.drop(db, target, name)


@sql_function
def semantic_sync(db: Connection, target: str | None, name: str | None, keys: str | None) -> None:
    """Embed the rows with these primary keys that lack an embedding; for the table's owner."""
    index.embed_keys(
        db,
        arguments.required("target", target),
        arguments.required("name", name),
        arguments.required("keys", keys),
    )


@sql_function
def semantic_follow(db: Connection, trigger: dict[str, Any]) -> None:
    """Statement trigger of a live semantic index: embeds what was written, with the rights of the table's owner."""
    index.embed_changed(db, trigger)


def _checked_name(name: str | None) -> str:
    name = arguments.required("name", name)
    if not 0 < len(name.encode()) <= index.MAX_NAME_BYTES:
        raise InvalidInput(
            f'name is "{name}", and must have 1 to {index.MAX_NAME_BYTES} bytes', hint="Triggers are named after it."
        )
    return name
