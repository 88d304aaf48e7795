"""SQL: reasoning over graphs: what is learnt from one, which relations it lacks, which rules hold in it."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput
from pg_llm.graph import link_prediction, rule_mining
from pg_llm.graph.options import METHODS

_MAX_ROWS = 1000


@sql_function
def graph_fit(db: Connection, graph: str | None, method: str | None, options: Any) -> dict[str, Any]:
    """Learn from a graph which relations are likely; returns what was measured on relations kept back."""
    name = arguments.required("graph", graph)
    return link_prediction.fit(db, name, arguments.choice("method", method, METHODS), arguments.options(options))


@sql_function
def graph_predict(
    db: Connection, graph: str | None, subject: int | None, predicate: str | None, k: int | None, reverse: bool | None
) -> list[link_prediction.Prediction]:
    """The k likeliest objects of a relation that the graph does not hold; with reverse, the subjects for an object."""
    return link_prediction.predict(db, graph, subject, predicate, arguments.in_range("k", k, 0, _MAX_ROWS), reverse)


@sql_function
def graph_rules(
    db: Connection, graph: str | None, min_confidence: float | None, min_support: int | None
) -> list[tuple[Any, ...]]:
    """Rules that hold in a graph, surest first, each with a query for the relations that it would add."""
    if min_confidence is None or not 0 <= min_confidence <= 1:
        raise InvalidInput("min_confidence must lie between 0 and 1", hint="It is a share of the pairs of the body.")
    if min_support is None or min_support < 1:
        raise InvalidInput("min_support must be 1 at least", hint="It is a number of pairs.")
    return rule_mining.mine_rules(db, graph, min_confidence, min_support)
