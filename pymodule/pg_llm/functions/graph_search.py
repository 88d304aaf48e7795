"""SQL: finding entities by what they are called, what lies around them, and how two of them hang together."""

from __future__ import annotations

from pg_llm.database.connection import Connection, Row
from pg_llm.database.sql_function import sql_function
from pg_llm.graph import search


@sql_function
def graph_search(db: Connection, query: str | None, graph: str | None, k: int | None) -> list[Row]:
    """The k entities of a graph that best match a query, by name and by meaning, best first."""
    return search.graph_search(db, query, graph, k)


@sql_function
def graph_neighbors(
    db: Connection, entity: int | None, hops: int | None, predicates: list[str] | None
) -> list[search._Neighbor]:
    """The entities that a few relations lead to from one, in either direction, nearest first, then surest."""
    return search.graph_neighbors(db, entity, hops, predicates)


@sql_function
def graph_paths(db: Connection, a: int | None, b: int | None, max_hops: int | None, k: int | None) -> list[Row]:
    """The k best ways from one entity to another over relations in either direction, shortest first, then surest."""
    return search.graph_paths(db, a, b, max_hops, k)
