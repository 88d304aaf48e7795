"""SQL: what becomes of semantic indexes of version 0.1.0."""

from __future__ import annotations

from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.search import upgrade


@sql_function
def semantic_upgrade(db: Connection, target: str | None) -> None:
    """Move semantic indexes of version 0.1.0, which lay in the tables themselves, to companion tables."""
    upgrade.upgrade(db, target)
