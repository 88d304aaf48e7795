"""SQL: the effect of a treatment on an outcome."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.explain import causal_variables, effect


@sql_function
def llm_effect(
    db: Connection,
    query: str | None,
    treatment: str | None,
    outcome: str | None,
    confounders: list[str | None] | None,
    instruments: list[str | None] | None,
    method: str | None,
) -> list[dict[str, Any]]:
    """The effect of a treatment on an outcome, adjusted for confounders, with attempts to refute it."""
    text = arguments.required("query", query)
    names = arguments.required("treatment", treatment), arguments.required("outcome", outcome)
    variables = causal_variables.read(*names, confounders, instruments)
    return [effect.estimate(db, text, variables, arguments.choice("method", method, effect.METHODS))]
