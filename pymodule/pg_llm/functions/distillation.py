"""SQL: distillation: a small, fast embedding model is made of a large one."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm import options as options_
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.training import distillation


@sql_function
def llm_distill(
    db: Connection, name: str | None, base: str | None, method: str | None, vocabulary_query: str | None, options: Any
) -> dict[str, Any]:
    """Make a small, fast embedding model of a large one and register it; returns how well both agree on other texts."""
    method = arguments.choice("method", method, distillation.METHODS)
    chosen = options_.check(distillation.OPTIONS, method, arguments.options(options))
    return distillation.distill(db, name, base, method, vocabulary_query, chosen)
