"""Data profiling of a table, and its nearly duplicate rows."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from pg_llm.cleaning import target_table
from pg_llm.cleaning.column_store import ColumnStore
from pg_llm.cleaning.detectors import dependencies, outliers, profile
from pg_llm.cleaning.detectors import duplicates as duplicate_detection
from pg_llm.cleaning.interruptible import garbage_collection_paused
from pg_llm.database import progress
from pg_llm.database.connection import Connection

# Lift of the dependencies that a profile shows.
_MIN_LIFT = 0.9


def profiles(db: Connection, table_name: str) -> list[dict[str, Any]]:
    """One profile per cleanable column, in the order of the table."""
    target = target_table.find(db, table_name)
    with garbage_collection_paused():
        _, table = target_table.read(db, target)
        outlier_counts = Counter(finding.cell[1] for finding in outliers.detect(table))
        discovered = [
            dependency for dependency in dependencies.discover(table, _MIN_LIFT) if dependency.lift >= _MIN_LIFT
        ]
        return [
            {
                "column": column.name,
                "type": column.type,
                "looks_like": profile.semantic_type(table.counts[position], table.poll),
                "missing": table.row_count - table.filled_count(position),
                "distinct": len(table.counts[position]),
                "likely_key": table.row_count > 1 and len(table.counts[position]) == table.row_count,
                "patterns": json.dumps(profile.patterns(table.counts[position], table.poll)),
                "outliers": outlier_counts[position],
                "determined_by": [
                    target.columns[dependency.left].name for dependency in discovered if dependency.right == position
                ],
            }
            for position, column in enumerate(target.columns)
        ]


def duplicates(db: Connection, table_name: str, columns: list[str] | None, threshold: float) -> list[dict[str, Any]]:
    """Pairs of rows that are at least that similar in some columns, by default all but the key."""
    target = target_table.find(db, table_name)
    names = columns or [column.name for column in target.columns if column.name not in target.table.key]
    positions = [target.position(name) for name in names]
    with progress.reporting(db, "llm_duplicates", target.table.relation, "") as report, garbage_collection_paused():
        report("reading", 0, 0)
        keys, table = target_table.read(db, target)
        compared = ColumnStore(names, [table.columns[position] for position in positions], poll=db.poll)
        report("comparing", 0, compared.row_count)
        pairs = sorted(duplicate_detection.find_duplicates(compared, threshold), key=lambda pair: -pair.score)
    return [
        {
            "key_a": keys[pair.first],
            "key_b": keys[pair.second],
            "score": pair.score,
            "differs": [names[position] for position in pair.differs],
        }
        for pair in pairs
    ]
