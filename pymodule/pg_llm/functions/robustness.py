"""SQL: robustness: what becomes of a model's answers where texts are perturbed, or others than they were."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.training import drift, robustness
from pg_llm.training.perturbation import attacks as attacks_

_MOST_SEED = 2**31 - 1


@sql_function
def llm_robustness(
    db: Connection,
    model: str | None,
    query: str | None,
    attacks: list[str] | None,
    labels: list[str] | None,
    seed: int | None,
) -> list[dict[str, Any]]:
    """The accuracy of a classifier on labelled rows as they are, and with typos, look-alikes, injections and more."""
    names = dict.fromkeys(arguments.choice("attack", name, attacks_.NAMES) for name in attacks or attacks_.NAMES)
    given = arguments.required("model", model), arguments.required("query", query)
    chosen = arguments.in_range("seed", seed, 0, _MOST_SEED)
    return robustness.evaluate(db, *given, list(names), arguments.labels(labels), chosen)


@sql_function
def llm_drift(
    db: Connection, model: str | None, query: str | None, current_query: str | None, seed: int | None
) -> list[dict[str, Any]]:
    """Whether a model's texts, answers and confidence are others than they were, by permutation tests."""
    queries = arguments.required("query", query), arguments.required("current_query", current_query)
    return drift.drift(db, model, *queries, arguments.in_range("seed", seed, 0, _MOST_SEED))
