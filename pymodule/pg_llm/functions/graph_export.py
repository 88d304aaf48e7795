"""SQL: graphs for the eye and for other programs: drawn as SVG, written in the formats that those read."""

from __future__ import annotations

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.graph import drawing, export, formats

_MAX_HOPS = 10
_MAX_DRAWN = 300


@sql_function
def graph_draw(db: Connection, graph: str | None, entity: int | None, hops: int | None, limit_to: int | None) -> str:
    """A picture of a graph, or of what is near an entity, as SVG."""
    hops = arguments.in_range("hops", hops, 1, _MAX_HOPS)
    limit = arguments.in_range("limit_to", limit_to, 1, _MAX_DRAWN, hint="More entities than that make no picture.")
    return drawing.draw(db, graph, entity, hops, limit)


@sql_function
def graph_export(db: Connection, graph: str | None, format: str | None) -> str:
    """A graph as GraphML, Turtle, JSON-LD or Cypher, as far as the caller may see it."""
    name = arguments.required("graph", graph)
    return export.serialize(db, name, arguments.choice("format", format, formats.FORMATS))
