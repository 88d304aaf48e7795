"""SQL: what models have cost and would cost, and what roles may spend on them."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.database import usage
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.optimize import estimate
from pg_llm.optimize.estimate import Estimate


@sql_function
def llm_set_budget(
    db: Connection,
    role: str | None,
    per: str | None,
    tokens: float | None,
    seconds: float | None,
    money: float | None,
) -> None:
    """Limit what a login role may spend on models in each hour, day or month; NULL takes a limit away.

    `role` is a role, or `public` for each role by itself; `per` is `hour`, `day` or `month`, by UTC. Tokens are those
    read and written. A call that begins after a limit is used up is BudgetExceeded (53400). It takes the INSERT right
    on llm.model. Raises InvalidInput and InsufficientPrivilege.
    """
    limits = {"tokens": tokens, "seconds": seconds, "money": money}
    usage.set_budget(db, arguments.required("role", role), arguments.required("per", per), limits)


@sql_function
def llm_estimate(db: Connection, query: str | None) -> list[Estimate]:
    """What a SELECT would ask each model for, and what that costs, from a run without models and a few real calls.

    Seconds are those in which the model works, as in llm_usage; money is 0 for a model without a price. Raises
    InvalidInput and InsufficientPrivilege.
    """
    return [] if query is None else estimate.estimate(db, query)


@sql_function
def usage_report(db: Connection) -> list[dict[str, Any]]:
    """The usage that the caller may see, for the view llm_usage."""
    return usage.read(db)
