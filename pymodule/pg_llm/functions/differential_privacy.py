"""SQL: differential privacy: noisy figures of tables that the caller may not read, until the budget is spent."""

from __future__ import annotations

from typing import Any

from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.privacy import differential_privacy, privacy_budget


@sql_function
def dp_allow(
    db: Connection, target: str | None, role: str | None, epsilon: float | None, unit: str | None, delta: float | None
) -> None:
    """Let a role ask for noisy figures of a table of yours, until it has spent so much epsilon and delta."""
    privacy_budget.allow(db, target, role, epsilon, delta, unit)


@sql_function
def dp_count(db: Connection, query: str | None, epsilon: float | None, contributions: int | None) -> int:
    """How many rows a query gives, with noise that hides any one person."""
    return differential_privacy.count(db, query, epsilon, contributions)


@sql_function
def dp_sum(
    db: Connection,
    query: str | None,
    epsilon: float | None,
    bounds: list[float | None] | None,
    contributions: int | None,
) -> float:
    """The sum of a column, values held within bounds, with noise that hides any one person."""
    return differential_privacy.sum_(db, query, epsilon, bounds, contributions)


@sql_function
def dp_mean(
    db: Connection,
    query: str | None,
    epsilon: float | None,
    bounds: list[float | None] | None,
    contributions: int | None,
) -> float:
    """The mean of a column, values held within bounds, with noise that hides any one person."""
    return differential_privacy.mean(db, query, epsilon, bounds, contributions)


@sql_function
def dp_quantile(
    db: Connection,
    query: str | None,
    epsilon: float | None,
    bounds: list[float | None] | None,
    quantile: float | None,
    contributions: int | None,
) -> float:
    """A quantile of a column, the median by default, chosen with noise that hides any one person."""
    return differential_privacy.quantile(db, query, epsilon, bounds, quantile, contributions)


@sql_function
def dp_histogram(
    db: Connection,
    query: str | None,
    epsilon: float | None,
    edges: list[float | None] | None,
    contributions: int | None,
) -> list[dict[str, Any]]:
    """How many values of a column lie between edges, with noise that hides any one person."""
    return differential_privacy.histogram(db, query, epsilon, edges, contributions)


@sql_function
def dp_group_count(
    db: Connection, query: str | None, epsilon: float | None, delta: float | None, contributions: int | None
) -> list[dict[str, Any]]:
    """How many persons there are of each value of a column, with noise; values of few persons are left out."""
    return differential_privacy.group_count(db, query, epsilon, delta, contributions)


@sql_function
def dp_spent(db: Connection) -> list[dict[str, Any]]:
    """The privacy budgets that you may spend from or have given, and what was spent of each."""
    return privacy_budget.spent(db)
