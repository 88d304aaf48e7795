"""SQL: knowledge graphs: what they are made from, and how they are kept true to it."""

from __future__ import annotations

from collections.abc import Iterator

from pg_llm.database.session import Row, sql_function
from pg_llm.graph import lifecycle


@sql_function
def graph_create(name: str | None, entity_types: list[str | None] | None, relation_types: str | None) -> None:
    """Make an empty knowledge graph, with the types of entities and relations that it may hold."""
    lifecycle.graph_create(name, entity_types, relation_types)


@sql_function
def graph_add(
    graph: str | None, target: str | None, columns: list[str | None] | None, model: str | None, sync: str | None
) -> None:
    """Read the text of a table's columns into a graph, and keep the graph true."""
    lifecycle.graph_add(graph, target, columns, model, sync)


@sql_function
def graph_add_columns(graph: str | None, target: str | None, mapping: str | None, sync: str | None) -> None:
    """Read a table's columns into a graph as entities and relations, without a model, and keep the graph true."""
    lifecycle.graph_add_columns(graph, target, mapping, sync)


@sql_function
def graph_import(graph: str | None, query: str | None, source: str | None) -> int:
    """Put ready triples into a graph: the rows of a query; returns how many are new."""
    return lifecycle.graph_import(graph, query, source)


@sql_function
def graph_refresh(graph: str | None, target: str | None) -> None:
    """Bring a graph up to date with its tables: manual ones, new partitions, refitted models, interrupted reading."""
    lifecycle.graph_refresh(graph, target)


@sql_function
def graph_remove(graph: str | None, target: str | None) -> None:
    """Take out of a graph what one table supports, or with NULL what was imported for its owner alone."""
    lifecycle.graph_remove(graph, target)


@sql_function
def graph_drop(graph: str | None) -> None:
    """Remove a graph with all it holds and its triggers; the tables it was made from stay as they are."""
    lifecycle.graph_drop(graph)


@sql_function
def graph_triples(graph: str | None) -> Iterator[Row]:
    """The relations of a graph with the names and types of their ends, as far as the caller may see them."""
    return lifecycle.graph_triples(graph)


@sql_function
def graph_sync(source: int | None, keys: str | None) -> None:
    """Read rows with these keys into a graph of one's own again, or with NULL forget all."""
    lifecycle.graph_sync(source, keys)
