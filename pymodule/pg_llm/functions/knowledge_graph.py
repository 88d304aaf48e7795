"""SQL: knowledge graphs: what they are made from, and how they are kept true to it."""

from __future__ import annotations

from collections.abc import Iterator

from pg_llm import arguments
from pg_llm.database.connection import Connection, Row
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput
from pg_llm.graph import export, lifecycle, schema
from pg_llm.graph import mapping as graph_mapping

_SYNCS = ("live", "manual")
_MAX_NAME_CHARACTERS = 200


@sql_function
def graph_create(
    db: Connection, name: str | None, entity_types: list[str | None] | None, relation_types: str | None
) -> None:
    """Make an empty knowledge graph, with the types of entities and relations that it may hold."""
    name = arguments.required("name", name)
    if not name.strip() or len(name) > _MAX_NAME_CHARACTERS:
        raise InvalidInput(f"a graph's name has 1 to {_MAX_NAME_CHARACTERS} characters")
    schema.parse(entity_types, arguments.parse_json("relation_types", relation_types))
    lifecycle.create(db, name, entity_types, relation_types)


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
    lifecycle.add_text(db, graph, target, columns, model, arguments.choice("sync", sync, _SYNCS))


@sql_function
def graph_add_columns(
    db: Connection, graph: str | None, target: str | None, mapping: str | None, sync: str | None
) -> None:
    """Read a table's columns into a graph as entities and relations, without a model, and keep the graph true."""
    items = graph_mapping.parse(mapping)
    lifecycle.add_columns(db, graph, target, items, arguments.choice("sync", sync, _SYNCS))


@sql_function
def graph_import(db: Connection, graph: str | None, query: str | None, source: str | None) -> int:
    """Put ready triples into a graph: the rows of a query; returns how many are new."""
    return lifecycle.import_query(db, graph, arguments.required("query", query).strip().rstrip(";"), source)


@sql_function
def graph_refresh(db: Connection, graph: str | None, target: str | None) -> None:
    """Bring a graph up to date with its tables: manual ones, new partitions, refitted models, interrupted reading."""
    lifecycle.refresh(db, graph, target)


@sql_function
def graph_remove(db: Connection, graph: str | None, target: str | None) -> None:
    """Take out of a graph what one table supports, or with NULL what was imported for its owner alone."""
    lifecycle.remove_source(db, graph, target)


@sql_function
def graph_drop(db: Connection, graph: str | None) -> None:
    """Remove a graph with all it holds and its triggers; the tables it was made from stay as they are."""
    lifecycle.drop(db, graph)


@sql_function
def graph_triples(db: Connection, graph: str | None) -> Iterator[Row]:
    """The relations of a graph with the names and types of their ends, as far as the caller may see them."""
    return export.triples(db, graph)


@sql_function
def graph_sync(db: Connection, source: int | None, keys: str | None) -> None:
    """Read rows with these keys into a graph of one's own again, or with NULL forget all."""
    lifecycle.sync_rows(db, arguments.required("source", source), keys)
