"""SQL: finding entities by what they are called, what lies around them, and how two of them hang together."""

from __future__ import annotations

from pg_llm import arguments
from pg_llm.database.connection import Connection, Row
from pg_llm.database.sql_function import sql_function
from pg_llm.graph import search, traversal

_MAX_ROWS = 10_000
_MAX_HOPS, _MAX_PATH = 10, 6


@sql_function
def graph_search(db: Connection, query: str | None, graph: str | None, k: int | None) -> list[Row]:
    """The k entities of a graph that best match a query, by name and by meaning, best first."""
    return search.search(db, graph, query, arguments.in_range("k", k, 0, _MAX_ROWS))


@sql_function
def graph_neighbors(
    db: Connection, entity: int | None, hops: int | None, predicates: list[str] | None
) -> list[traversal.Neighbor]:
    """The entities that a few relations lead to from one, in either direction, nearest first, then surest."""
    hops = arguments.in_range("hops", hops, 1, _MAX_HOPS)
    return traversal.neighbors(db, arguments.required("entity", entity), hops, predicates)


@sql_function
def graph_paths(db: Connection, a: int | None, b: int | None, max_hops: int | None, k: int | None) -> list[Row]:
    """The k best ways from one entity to another over relations in either direction, shortest first, then surest."""
    max_hops = arguments.in_range("max_hops", max_hops, 1, _MAX_PATH)
    k = arguments.in_range("k", k, 0, _MAX_ROWS)
    return traversal.shortest_paths(db, arguments.required("a", a), arguments.required("b", b), max_hops, k)
