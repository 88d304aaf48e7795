"""Graphs and what they are made from: made and forgotten with the rights of the extension's owner, as their rows are.

Whose they are and may be is decided before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.database.connection import Connection
from pg_llm.database.security_context import as_extension_owner


@as_extension_owner
def make_graph(
    db: Connection, name: str, entity_types: list[str | None] | None, relation_types: str | None, model: str, owner: str
) -> bool:
    """Make an empty graph of that role, if the name is free; whether it was."""
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
def make_source(db: Connection, graph: int, target: int | None, about: Sequence[Any]) -> None:
    """Make a source; `about`: kind, columns, joined, mapping, model, sync."""
    db.rows(
        "INSERT INTO llm.all_graph_source (graph, target, kind, columns, joined, mapping, model, sync)"
        " VALUES ($1, $2::oid, $3, $4, $5::oid[]::regclass[], $6::jsonb, $7, $8)",
        ("int4", "int8", "text", "name[]", "int8[]", "text", "text", "text"),
        (graph, target, *about),
    )


@as_extension_owner
def remove_source(db: Connection, source: int) -> None:
    """Forget a source of which no row is left."""
    db.rows("DELETE FROM llm.all_graph_source WHERE id = $1", ("int4",), (source,))


@as_extension_owner
def remove_graph(db: Connection, graph: int) -> None:
    """Forget a graph and all it holds."""
    for name in ("evidence", "relation"):
        db.rows(f"DELETE FROM llm.all_{name} WHERE graph = $1", ("int4",), (graph,))
    db.rows("UPDATE llm.all_entity SET merged_into = NULL WHERE graph = $1", ("int4",), (graph,))
    for name in ("entity", "graph_row", "graph_source"):
        db.rows(f"DELETE FROM llm.all_{name} WHERE graph = $1", ("int4",), (graph,))
    db.rows("DELETE FROM llm.all_graph WHERE id = $1", ("int4",), (graph,))
