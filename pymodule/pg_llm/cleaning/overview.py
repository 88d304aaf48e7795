"""Data profiling of a table."""

from __future__ import annotations

from typing import Any

from pg_llm.cleaning import analysis, target_table
from pg_llm.cleaning.analysis import Analysis
from pg_llm.cleaning.interruptible import garbage_collection_paused
from pg_llm.database import progress
from pg_llm.database.connection import Connection


def profiles(db: Connection, table_name: str) -> list[dict[str, Any]]:
    """One profile per cleanable column, in the order of the table."""
    target = target_table.find(db, table_name)
    with progress.reporting(db, "llm_profile", target.table.relation, "") as report, garbage_collection_paused():
        report("reading", 0, 0)
        profiled = analysis.of_table(db, target, Analysis.profile)
    return [
        {"column": column.name, "type": column.type, **profile}
        for column, profile in zip(target.columns, profiled, strict=True)
    ]
