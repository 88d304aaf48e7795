"""Data profiling of a table, and its nearly duplicate rows."""

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


def duplicates(db: Connection, table_name: str, columns: list[str] | None, threshold: float) -> list[dict[str, Any]]:
    """Pairs of rows that are at least that similar in some columns, by default all but the key."""
    target = target_table.find(db, table_name)
    names = columns or [column.name for column in target.columns if column.name not in target.table.key]
    positions = [target.position(name) for name in names]
    with progress.reporting(db, "llm_duplicates", target.table.relation, "") as report, garbage_collection_paused():
        report("reading", 0, 0)

        def compare(table: Analysis) -> tuple[list[str], list[tuple[int, int, float, list[int]]]]:
            report("comparing", 0, len(table.keys))
            return table.keys, table.duplicates(threshold)

        keys, pairs = analysis.of_table(db, target, compare, positions)
    return [
        {
            "key_a": keys[first],
            "key_b": keys[second],
            "score": score,
            "differs": [names[position] for position in differs],
        }
        for first, second, score, differs in pairs
    ]
