"""How true the AI columns are: rows, and of these the stale, missing, failed and corrected ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from pg_llm.columns import definition
from pg_llm.columns.definition import AIColumn
from pg_llm.database import table_access
from pg_llm.database.connection import Connection
from pg_llm.database.patience import Patience, Unavailable, is_computed

# Tables that the caller may read at all.
_READABLE = """
    SELECT a.id FROM llm.ai_column AS a JOIN pg_class AS c ON c.oid = a.target
    WHERE has_schema_privilege(c.relnamespace, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    ORDER BY c.relname COLLATE "C", a.name COLLATE "C"
"""


def report(db: Connection) -> Iterator[dict[str, Any]]:
    """One row for each AI column of a table that the caller may read, about the rows that the caller may read.

    The counts are None for a table that is locked, fails, would run code of a role that the caller cannot trust, or is
    computed by such a role for too long.
    """
    patience = Patience(db)
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
                **_counts(db, patience, column),
            }


def _counts(db: Connection, patience: Patience, column: AIColumn) -> dict[str, Any]:
    count = partial(definition.under_settings, db, column, partial(_count, db, column))
    read = partial(table_access.on_unnamed, db, column.source.oid, count, beside=[column.companion_oid])
    try:
        return patience.run(column.owner, read, is_computed(db, column.source.oid))
    except Unavailable:
        # Nobody has named this table: it says nothing about the others.
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
