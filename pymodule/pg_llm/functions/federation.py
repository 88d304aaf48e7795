"""SQL: federated training: databases learn a model together, and no row leaves its own."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm import options as options_
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.federation import agreements, budget, coordinator, gradient
from pg_llm.federation.options import AGREEMENT, FEDERATION, METHODS


@sql_function
def llm_allow_federation(
    db: Connection,
    name: str | None,
    role: str | None,
    query: str | None,
    labels: list[str | None] | None,
    task: str | None,
    base: str | None,
    rounds: int | None,
    options: Any,
) -> dict[str, Any]:
    """Let a role of another database learn from the rows of a query of yours by their gradients, so many rounds."""
    terms = agreements.Terms(
        arguments.required("name", name),
        arguments.required("role", role),
        arguments.required("query", query),
        arguments.choice("task", task, agreements.TASKS),
        agreements.checked_labels(labels),
        arguments.in_range("rounds", rounds, 1, agreements.MOST_ROUNDS),
        budget.check(options_.check(AGREEMENT, "agreement", arguments.options(options))),
    )
    return agreements.allow(db, terms, base)


@sql_function
def llm_revoke_federation(db: Connection, name: str | None) -> None:
    """End an agreement on federated training: nobody learns from its rows any more."""
    agreements.revoke(db, arguments.required("name", name))


@sql_function
def llm_federations(db: Connection) -> list[dict[str, Any]]:
    """The agreements on federated training that you have made or may ask under, and how many rounds are spent."""
    return agreements.listed(db)


@sql_function
def llm_pair_federation(db: Connection, name: str | None, peer_keys: list[str | None] | None) -> None:
    """Have an agreement tell nothing but sums with masks that cancel in the sum of all peers."""
    agreements.pair(db, arguments.required("name", name), arguments.required("peer_keys", peer_keys))


@sql_function
def llm_federated_update(db: Connection, name: str | None, weights: bytes | None, nonce: str | None) -> bytes:
    """The gradient of the loss over the rows of an agreement at given weights: what a peer gives in one round."""
    name, weights = arguments.required("name", name), arguments.required("weights", weights)
    return gradient.update(db, name, weights, nonce)


@sql_function
def llm_federate(
    db: Connection,
    name: str | None,
    peers: list[str | None] | None,
    agreement: str | None,
    base: str | None,
    rounds: int | None,
    method: str | None,
    options: Any,
) -> dict[str, Any]:
    """Train a classifier on the rows of several databases that stay where they are, and register it here."""
    plan = coordinator.Plan(
        coordinator.checked_peers(peers),
        arguments.required("name", name if agreement is None else agreement),
        arguments.in_range("rounds", rounds, 2, agreements.MOST_ROUNDS),
        arguments.choice("method", method, METHODS),
        options_.check(FEDERATION, "federation", arguments.options(options)),
    )
    return coordinator.federate(db, name, plan, base)
