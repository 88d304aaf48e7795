"""SQL: knowledge graphs: what they are made from, and how they are kept true to it."""

from __future__ import annotations

from collections.abc import Iterator

from pg_llm.database.connection import Connection, Row
from pg_llm.database.sql_function import sql_function
from pg_llm.graph import lifecycle


@sql_function
def graph_create(
    db: Connection, name: str | None, entity_types: list[str | None] | None, relation_types: str | None
) -> None:
    """Make an empty knowledge graph, with the types of entities and relations that it may hold."""
    lifecycle.graph_create(db, name, entity_types, relation_types)


@sql_function
def graph_add(
    db: Connection,
    graph: str | None,
    target: str | None,
    columns: list[str | None] | None,
    model: str | None,
    sync: str | None,
) -> None:
    """Read the text of a table's columns into a graph, and keep the graph true."""
    lifecycle.graph_add(db, graph, target, columns, model, sync)


@sql_function
def graph_add_columns(
    db: Connection, graph: str | None, target: str | None, mapping: str | None, sync: str | None
) -> None:
    """Read a table's columns into a graph as entities and relations, without a model, and keep the graph true."""
    lifecycle.graph_add_columns(db, graph, target, mapping, sync)


@sql_function
def graph_import(db: Connection, graph: str | None, query: str | None, source: str | None) -> int:
    """Put ready triples into a graph: the rows of a query; returns how many are new."""
    return lifecycle.graph_import(db, graph, query, source)


@sql_function
def graph_refresh(db: Connection, graph: str | None, target: str | None) -> None:
    """Bring a graph up to date with its tables: manual ones, new partitions, refitted models, interrupted reading."""
    lifecycle.graph_refresh(db, graph, target)


@sql_function
def graph_remove(db: Connection, graph: str | None, target: str | None) -> None:
    """Take out of a graph what one table supports, or with NULL what was imported for its owner alone."""
    lifecycle.graph_remove(db, graph, target)


@sql_function
def graph_drop(db: Connection, graph: str | None) -> None:
    """Remove a graph with all it holds and its triggers; the tables it was made from stay as they are."""
    lifecycle.graph_drop(db, graph)


@sql_function
def graph_triples(db: Connection, graph: str | None) -> Iterator[Row]:
    """The relations of a graph with the names and types of their ends, as far as the caller may see them."""
    return lifecycle.graph_triples(db, graph)


@sql_function
def graph_sync(db: Connection, source: int | None, keys: str | None) -> None:
    """Read rows with these keys into a graph of one's own again, or with NULL forget all."""
    lifecycle.graph_sync(db, source, keys)
