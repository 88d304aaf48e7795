"""SQL: compression: smaller and faster models in place of larger ones, and what each way costs and earns."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm import options as options_
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.training import compression


@sql_function
def llm_compress(
    db: Connection, name: str | None, base: str | None, method: str | None, query: str | None, target: Any
) -> dict[str, Any]:
    """Make a smaller, faster model of another and register it; returns size, speed and quality of both."""
    method = arguments.choice("method", method, compression.METHODS)
    chosen = options_.check(compression.TARGET, method, arguments.options(target))
    return compression.compress(db, name, base, method, arguments.required("query", query), chosen)


@sql_function
def llm_pareto(db: Connection, base: str | None, query: str | None, methods: list[str] | None) -> list[dict[str, Any]]:
    """What each method of compression makes of a model: its size, speed and quality on rows kept back."""
    names = dict.fromkeys(
        arguments.choice("method", name, compression.METHODS) for name in methods or compression.METHODS
    )
    return list(compression.pareto(db, base, arguments.required("query", query), list(names)))
