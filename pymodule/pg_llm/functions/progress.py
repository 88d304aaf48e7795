"""SQL: what long-running commands are doing, as seen from other sessions."""

from __future__ import annotations

from typing import Any

from pg_llm.database import progress
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function


@sql_function
def progress_report(db: Connection) -> list[dict[str, Any]]:
    """The reports that the caller may see, for the view llm_progress."""
    return progress.read_reports(db)
