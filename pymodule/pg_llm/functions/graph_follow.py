"""SQL: triggers that keep a graph true: on the tables that it reads, after every statement."""

from __future__ import annotations

from typing import Any

from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.graph import triggers


@sql_function
def graph_follow(db: Connection, trigger: dict[str, Any]) -> None:
    """Statement trigger of live graphs: reads the rows that changed with the rights of their table's owner."""
    triggers.ingest_changed_rows(db, trigger)
