"""SQL: how true what is derived from tables is: semantic indexes and AI columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pg_llm.columns import staleness as column_staleness
from pg_llm.database import ownership
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.search import staleness as index_staleness
from pg_llm.work import queue

_UNKNOWN: dict[str, Any] = dict.fromkeys(("failed", "corrected", "oldest", "waiting"))


@sql_function
def staleness_report(db: Connection) -> Iterator[dict[str, Any]]:
    """How true the semantic indexes and AI columns are that the caller may read, for the view llm_staleness."""
    for report in (index_staleness.report, column_staleness.report):
        for row in report(db):
            counted = _UNKNOWN | row
            if ownership.acts_for_number(db, row["owner"]):
                counted["waiting"], failed = queue.waiting_counts(db, row["kind"], row["number"])
                counted["failed"] = (counted["failed"] or 0) + failed
            yield counted
