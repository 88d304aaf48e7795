"""SQL: semantic indexes: chunks, vectors and words of a table's text in a companion table that triggers keep true."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.database import quoting
from pg_llm.database.catalog import METRICS
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput
from pg_llm.search import chunking as chunker
from pg_llm.search import index, upkeep


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
    key: list[str | None] | None,
    chunking: str | None,
    chunk_tokens: int | None,
    chunk_overlap: int | None,
    template: str | None,
    storage: str | None,
    sentences: str | None,
) -> None:
    """Index the text of a table's columns for semantic_search, and keep the index true."""
    chunk_overlap = chunk_overlap or 0
    chunker.check_sizes(chunk_tokens, chunk_overlap)
    index.create(
        db,
        arguments.required("target", target),
        columns,
        _checked_name(name),
        key,
        model=model,
        method=arguments.choice("method", method, index.METHODS),
        metric=arguments.choice("metric", metric, METRICS),
        sync=arguments.choice("sync", sync, index.SYNCS),
        chunking=arguments.choice("chunking", chunking, chunker.METHODS),
        chunk_tokens=chunk_tokens,
        chunk_overlap=chunk_overlap,
        template=template,
        storage=arguments.choice("storage", storage, index.STORAGES),
        sentences=arguments.choice("sentences", sentences, index.SENTENCES),
    )


@sql_function
def semantic_refresh(db: Connection, target: str | None, name: str | None) -> None:
    """Make a semantic index true: rows of a manual index, of new partitions, of an interrupted fill, of a replica."""
    index.refresh(db, target, name)


@sql_function
def semantic_drop(db: Connection, target: str | None, name: str | None) -> None:
    """Remove a semantic index with its companion table and triggers."""
    index.drop(db, target, name)


@sql_function
def semantic_sync(db: Connection, target: str | None, name: str | None, keys: str | None) -> None:
    """Make the chunks of the rows with these keys true; for the table's owner."""
    index.update_keys(
        db,
        arguments.required("target", target),
        arguments.required("name", name),
        arguments.required("keys", keys),
    )


@sql_function
def follow_index(db: Connection, trigger: dict[str, Any]) -> None:
    """Statement trigger of a live semantic index: makes chunks of what was written, as the table's owner."""
    upkeep.follow(db, trigger)


def _checked_name(name: str | None) -> str | None:
    if name is not None and not 0 < len(name.encode()) <= quoting.MAX_NAME_BYTES:
        raise InvalidInput(
            f'name is "{name}", and must have 1 to {quoting.MAX_NAME_BYTES} bytes',
            hint="The companion table gets this name.",
        )
    return name
