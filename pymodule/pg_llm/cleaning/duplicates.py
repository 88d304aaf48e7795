"""Duplicates of a table: rows that are about one thing, found by record linkage in a process beside the model host."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm.cleaning import analysis, row_values, target_table
from pg_llm.cleaning.analysis import Analysis, Duplicate
from pg_llm.cleaning.interruptible import garbage_collection_paused
from pg_llm.cleaning.target_table import Reading, TargetTable
from pg_llm.database import progress
from pg_llm.database.connection import Connection

# Of a text so many characters are compared at most, and whether all are equal.
_LONGEST = 10_000


def pairs(db: Connection, table_name: str, columns: list[str] | None, threshold: float) -> list[dict[str, Any]]:
    """Pairs of rows of one cluster, by some columns, by default all but the key; the surest clusters first."""
    target = target_table.find(db, table_name)
    names = _compared(target, columns)
    keys, _, found = link(db, target, names, threshold, "llm_duplicates")
    best: dict[int, float] = {}
    for pair in found:
        best[pair.cluster] = max(best.get(pair.cluster, 0.0), pair.score)
    found.sort(key=lambda pair: (-best[pair.cluster], pair.cluster, -pair.score))
    return [
        {
            "key_a": keys[pair.first],
            "key_b": keys[pair.second],
            "score": pair.score,
            "differs": [names[place] for place in pair.differs],
            "cluster": pair.cluster,
        }
        for pair in found
    ]


def clusters(
    db: Connection, target: TargetTable, columns: list[str] | None, threshold: float, versions: bool
) -> list[dict[str, int | None]]:
    """The keys of the rows of each cluster; with `versions` those of the rows that were compared."""
    keys, compared, found = link(db, target, _compared(target, columns), threshold, "llm_merge", versions)
    rows: dict[int, dict[str, int | None]] = {}
    for pair in found:
        for row in (pair.first, pair.second):
            key = row_values.key_text(json.loads(keys[row]))
            rows.setdefault(pair.cluster, {})[key] = compared[row] if versions else None
    return list(rows.values())


def link(
    db: Connection, target: TargetTable, names: list[str], threshold: float, command: str, versions: bool = False
) -> tuple[list[str], Sequence[int], list[Duplicate]]:
    """The keys and versions of all rows, and the pairs of duplicates among them."""
    reading = Reading([target.position(name) for name in names], _LONGEST, versions)
    with progress.reporting(db, command, target.table.relation, "") as report, garbage_collection_paused():
        report("reading", 0, 0)

        def compare(table: Analysis) -> tuple[list[str], Sequence[int], list[Duplicate]]:
            return table.keys, table.versions, table.duplicates(threshold, report)

        return analysis.of_table(db, target, compare, reading)


def _compared(target: TargetTable, columns: list[str] | None) -> list[str]:
    return columns or [column.name for column in target.columns if column.name not in target.table.key]
