"""SQL: graphs for the eye and for other programs: drawn as SVG, written in the formats that those read."""

from __future__ import annotations

from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.graph import export


@sql_function
def graph_draw(db: Connection, graph: str | None, entity: int | None, hops: int | None, limit_to: int | None) -> str:
    """A picture of a graph, or of what is near an entity, as SVG."""
    return export.graph_draw(db, graph, entity, hops, limit_to)


@sql_function
def graph_export(db: Connection, graph: str | None, format: str | None) -> str:
    """A graph as GraphML, Turtle, JSON-LD or Cypher, as far as the caller may see it."""
    return export.graph_export(db, graph, format)
