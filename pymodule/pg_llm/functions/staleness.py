"""SQL: how true what is derived from tables is: semantic indexes and AI columns."""

from __future__ import annotations

from typing import Any

from pg_llm.columns import staleness as column_staleness
from pg_llm.database import ownership
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.search import staleness as index_staleness
from pg_llm.work import queue

_UNKNOWN: dict[str, Any] = dict.fromkeys(("failed", "corrected", "oldest", "waiting"))


@sql_function
def staleness_report(db: Connection) -> list[dict[str, Any]]:
    """How true the semantic indexes and AI columns are that the caller may read, for the view llm_staleness."""
    rows = [*index_staleness.report(db), *column_staleness.report(db)]
    return [_UNKNOWN | row | _waiting(db, row) for row in rows]


def _waiting(db: Connection, row: dict[str, Any]) -> dict[str, int]:
    if not ownership.acts_for_number(db, row["owner"]):
        return {}
    waiting, failed = queue.waiting_counts(db, row["kind"], row["number"])
    return {"waiting": waiting, "failed": (row.get("failed") or 0) + failed}
