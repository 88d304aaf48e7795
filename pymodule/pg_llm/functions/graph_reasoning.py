"""SQL: reasoning over graphs: what is learnt from one, which relations it lacks, which rules hold in it."""

from __future__ import annotations

from typing import Any

from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.graph import reasoning


@sql_function
def graph_fit(db: Connection, graph: str | None, method: str | None, options: Any) -> dict[str, Any]:
    """Learn from a graph which relations are likely; returns what was measured on relations kept back."""
    return reasoning.graph_fit(db, graph, method, options)


@sql_function
def graph_predict(
    db: Connection, graph: str | None, subject: int | None, predicate: str | None, k: int | None, reverse: bool | None
) -> list[tuple[int, str, str, float]]:
    """The k likeliest objects of a relation that the graph does not hold; with reverse, the subjects for an object."""
    return reasoning.graph_predict(db, graph, subject, predicate, k, reverse)


@sql_function
def graph_rules(
    db: Connection, graph: str | None, min_confidence: float | None, min_support: int | None
) -> list[tuple[Any, ...]]:
    """Rules that hold in a graph, surest first, each with a query for the relations that it would add."""
    return reasoning.graph_rules(db, graph, min_confidence, min_support)
