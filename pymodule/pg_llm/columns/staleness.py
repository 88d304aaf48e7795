"""How true the AI columns are: rows, and of these the stale, missing, failed and corrected ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from pg_llm.columns import definition
from pg_llm.columns.definition import AIColumn
from pg_llm.database import table_access
from pg_llm.database.connection import CANCELLED, Connection, DatabaseError
from pg_llm.database.timeout import with_lock_limit
from pg_llm.errors import Error

# Seconds to wait for a lock.
_PATIENCE = 2.0
# Tables that the caller may read at all.
_READABLE = """
    SELECT a.id FROM llm.ai_column AS a JOIN pg_class AS c ON c.oid = a.target
    WHERE has_schema_privilege(c.relnamespace, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    ORDER BY c.relname COLLATE "C", a.name COLLATE "C"
"""


def report(db: Connection) -> Iterator[dict[str, Any]]:
    """One row for each AI column of a table that the caller may read, about the rows that the caller may read.

    The counts are None for a table that is locked, fails, or would run code of a role that the caller cannot trust.
    """
    for row in db.rows(_READABLE):
        column = definition.by_id(db, row["id"])
        if column is not None:
            yield {
                "kind": "column",
                "number": column.id,
                "owner": column.owner,
                "target": column.source.oid,
                "name": column.name,
                "sync": column.definition.sync,
                **_counts(db, column),
            }


def _counts(db: Connection, column: AIColumn) -> dict[str, Any]:
    count = partial(definition.under_settings, db, column, partial(_count, db, column))
    try:
        with db.savepoint():
            source, beside = column.source.oid, [column.companion_oid]
            read = partial(table_access.on_part, db, source, count, writes=False, beside=beside)
            return with_lock_limit(db, _PATIENCE, read)
    except (Error, DatabaseError) as error:
        # Nobody has named this table: it says nothing about the others.
        if error.sqlstate == CANCELLED:
            raise
        return dict.fromkeys(("rows", "stale", "missing", "failed", "corrected", "oldest", "models"))


def _count(db: Connection, column: AIColumn) -> dict[str, Any]:
    counts = db.query_unprepared(f"""
        SELECT count(*) AS rows, count(*) FILTER (
                   WHERE c.input_hash <> {column.input_hash} OR NOT c.corrected AND {column.outdated}
               ) AS stale,
               count(*) FILTER (WHERE c.input_hash IS NULL) AS missing, count(c.error) AS failed,
               count(*) FILTER (WHERE c.corrected) AS corrected, to_jsonb(min(c.computed_at)) #>> '{{}}' AS oldest
        FROM {column.source.relation} AS t LEFT JOIN {column.companion} AS c ON {column.same_row}
    """)
    models = db.query_unprepared(f"""
        SELECT u.name || coalesce('@' || "left"(u.digest, 12), '') AS model, count(*) AS rows
        FROM {column.companion} AS c, jsonb_each_text(c.models) AS u (name, digest) GROUP BY 1 ORDER BY 1
    """)
    return {**counts[0], "models": json.dumps({row["model"]: row["rows"] for row in models})}
