"""The registry of graphs and of their sources, the tables that a graph is made from.

Graphs are looked up with the caller's rights. The tables of the registry are written with the rights of the extension's
owner, whose tables they are: whether the caller may do so is checked before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm import arguments
from pg_llm.database import ownership
from pg_llm.database.connection import Connection, Row
from pg_llm.database.security_context import as_extension_owner
from pg_llm.errors import InsufficientPrivilege, InvalidInput, UndefinedGraph

_GRAPH = """
    SELECT g.id, g.name, g.entity_types, g.relation_types::text AS relation_types, g.embedding_model, g.usename::text,
           g.usename = CURRENT_USER AS own
    FROM llm.graph AS g
"""


def find(db: Connection, name: str | None) -> Row:
    """The graph of that name, or the only one. Raises UndefinedGraph and InvalidInput."""
    graphs = db.rows(_GRAPH + " WHERE $1 IS NULL OR g.name = $1 ORDER BY g.name LIMIT 2", ("text",), (name,))
    if not graphs:
        raise UndefinedGraph(f'there is no graph "{name}"' if name is not None else "there is no graph yet")
    if len(graphs) > 1:
        raise InvalidInput(
            "there are several graphs, so one must be named",
            hint=f"Write graph => '{graphs[0]['name']}'. SELECT name FROM llm.graph shows them all.",
        )
    return graphs[0]


def by_id(db: Connection, graph: int) -> Row:
    """The graph with that id, which exists."""
    return db.rows(_GRAPH + " WHERE g.id = $1", ("int4",), (graph,))[0]


def find_owned(db: Connection, name: str | None) -> Row:
    """The graph of that name, which the caller owns. Raises UndefinedGraph and InsufficientPrivilege."""
    graph = find(db, arguments.required("graph", name))
    if not graph["own"]:
        raise not_owner(graph)
    return graph


def not_owner(graph: Row) -> InsufficientPrivilege:
    """The error for a caller who does not own a graph."""
    if graph["usename"] is not None:
        return ownership.not_owner(f'graph "{graph["name"]}"', graph["usename"])
    return InsufficientPrivilege(
        f'the owner of the graph "{graph["name"]}" was renamed or dropped',
        hint="A superuser gives it to a role: UPDATE llm.all_graph SET usename = 'ROLE' WHERE name = …;",
    )


@as_extension_owner
def create_graph(
    db: Connection, name: str, entity_types: list[str | None] | None, relation_types: str | None, model: str, owner: str
) -> bool:
    """Create an empty graph of a role unless there is one of that name; returns whether it was created."""
    return bool(
        db.rows(
            "INSERT INTO llm.all_graph (name, entity_types, relation_types, embedding_model, usename)"
            " SELECT $1, $2, $3::jsonb, $4, $5 WHERE NOT EXISTS (SELECT FROM llm.all_graph AS g WHERE g.name = $1)"
            " RETURNING id",
            ("text", "text[]", "text", "text", "name"),
            (name, entity_types, relation_types, model, owner),
        )
    )


@as_extension_owner
def create_source(db: Connection, graph: int, target: int | None, values: Sequence[Any]) -> None:
    """Create a source of a graph; `values` are its kind, columns, joined, mapping, model and sync."""
    db.rows(
        "INSERT INTO llm.all_graph_source (graph, target, kind, columns, joined, mapping, model, sync)"
        " VALUES ($1, $2::oid, $3, $4, $5::oid[]::regclass[], $6::jsonb, $7, $8)",
        ("int4", "int8", "text", "name[]", "int8[]", "text", "text", "text"),
        (graph, target, *values),
    )


@as_extension_owner
def delete_source(db: Connection, source: int) -> None:
    """Delete a source none of whose rows is in the graph any more."""
    db.rows("DELETE FROM llm.all_graph_source WHERE id = $1", ("int4",), (source,))


@as_extension_owner
def delete_graph(db: Connection, graph: int) -> None:
    """Delete a graph and all that it holds."""
    for name in ("evidence", "relation"):
        db.rows(f"DELETE FROM llm.all_{name} WHERE graph = $1", ("int4",), (graph,))
    db.rows("UPDATE llm.all_entity SET merged_into = NULL WHERE graph = $1", ("int4",), (graph,))
    for name in ("entity", "graph_row", "graph_source"):
        db.rows(f"DELETE FROM llm.all_{name} WHERE graph = $1", ("int4",), (graph,))
    db.rows("DELETE FROM llm.all_graph WHERE id = $1", ("int4",), (graph,))
