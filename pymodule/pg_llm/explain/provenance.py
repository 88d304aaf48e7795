"""Provenance of a value: what computed it or proposed it, from what, how sure it was, and who accepted it."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from pg_llm.columns import definition
from pg_llm.columns.definition import AIColumn
from pg_llm.database import ownership, table_access
from pg_llm.database.connection import Connection, Row
from pg_llm.errors import InvalidInput

# A number may have been written as text.
_SAME_KEY = """
    (SELECT jsonb_object_agg(k.key, k.value) FROM jsonb_each_text(c.key) AS k)
      = (SELECT jsonb_object_agg(k.key, k.value) FROM jsonb_each_text($3::jsonb) AS k)
"""
_COLUMNS = """
    SELECT attname::text AS name FROM pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped
    ORDER BY attnum
"""
# Whoever searched for errors accepted what was applied; each role has its own searches.
_CLEANING = f"""
    SELECT 'cleaning ' || r.id AS origin, c.state, c.new AS value, c.old AS before, c.confidence,
           concat_ws(': ', c.detector, c.reason) AS reason,
           jsonb_strip_nulls(jsonb_build_object('step', s.description, 'given', c.given))::text AS evidence,
           r.usename::text AS usename, r.started_at::text AS at
    FROM llm.change AS c JOIN llm.cleaning AS r ON r.id = c.run
    LEFT JOIN llm.step AS s ON s.run = c.run AND s.step = c.step
    WHERE r.target = $1::oid AND c."column" = $2 AND c.state IN ('applied', 'restored', 'refused') AND {_SAME_KEY}
    ORDER BY r.started_at, r.id
"""
_MERGES = f"""
    SELECT 'merge ' || m.id AS origin,
           CASE WHEN m.undone_at IS NOT NULL THEN 'restored' WHEN c.after IS NULL THEN 'removed' ELSE 'merged'
           END AS state,
           c.after ->> $2 AS value, c.before ->> $2 AS before, NULL::float4 AS confidence,
           coalesce(m.survivorship -> 'columns' ->> $2, m.survivorship ->> 'default', 'most_frequent') AS reason,
           jsonb_build_object('kept', c.kept, 'removed', (
               SELECT jsonb_agg(o.key ORDER BY o.key) FROM llm.merged_row AS o
               WHERE o.run = c.run AND o.kept = c.kept AND o.after IS NULL AND o.key <> o.kept
           ))::text AS evidence,
           m.usename::text AS usename, m.merged_at::text AS at
    FROM llm.record_merge AS m JOIN llm.merged_row AS c ON c.run = m.id
    WHERE m.target = $1::oid AND (c.before ? $2::text) AND {_SAME_KEY}
    UNION ALL
    SELECT 'merge ' || m.id, CASE WHEN m.undone_at IS NOT NULL THEN 'restored' WHEN c.after IS NULL THEN 'removed'
               ELSE 'repointed' END,
           c.after ->> $2, c.before ->> $2, NULL, NULL, jsonb_build_object('target', m.relation)::text,
           m.usename::text, m.merged_at::text
    FROM llm.record_merge AS m JOIN llm.repointed_row AS c ON c.run = m.id
    WHERE to_regclass(c.relation) = $1::oid AND (c.before ? $2::text) AND {_SAME_KEY}
    ORDER BY at, origin
"""


def why(db: Connection, target: str | None, key: str, column: str) -> list[dict[str, Any]]:
    """Where the value of a cell comes from, as far as something here wrote it.

    That is an AI column, or cleaning runs and merges of the caller.
    """
    if not isinstance(json.loads(key), dict):
        raise InvalidInput("key must be a JSON object", hint="""Write the primary key: '{"id": 1}'.""")
    table = ownership.oid(db, target)
    is_computed = any(row["name"] == column for row in definition.rows_of_table(db, table))
    computed = _of_column(db, definition.find(db, table, column), key) if is_computed else []
    written = [db.rows(query, ("int8", "text", "text"), (int(table), column, key)) for query in (_CLEANING, _MERGES)]
    found = [dict(row) for rows in (computed, *written) for row in rows]
    if not found and not is_computed:
        _check_column(db, int(table), column)
    return found


def _check_column(db: Connection, table: int, column: str) -> None:
    known = [row["name"] for row in db.rows(_COLUMNS, ("int8",), (table,))]
    if column not in known:
        raise InvalidInput(f'the table has no column "{column}"', hint=f"It has: {', '.join(known)}.")


def _of_column(db: Connection, column: AIColumn, key: str) -> list[Row]:
    """The value of an AI column, for who may read its row."""
    source = column.source
    query = f"""
        SELECT 'column ' || $2 AS origin,
               CASE WHEN c.corrected THEN 'corrected' WHEN c.error IS NOT NULL THEN 'failed'
                    WHEN c.input_hash = {column.input_hash} THEN 'computed' ELSE 'outdated' END AS state,
               {column.value_type.text("c.value")} AS value, NULL AS before, NULL::float4 AS confidence,
               coalesce(c.error, c.expression) AS reason,
               jsonb_build_object('models', c.models)::text AS evidence, NULL AS usename, c.computed_at::text AS at
        FROM {source.one_key("$1::jsonb")} JOIN {source.relation} AS t ON {source.same_key}
        JOIN {column.companion} AS c ON {column.same_row}
    """
    read = partial(
        definition.under_settings,
        db,
        column,
        partial(db.query_unprepared, query, ("text", "text"), (key, column.name)),
    )
    return table_access.on_table(db, source.oid, read, beside=[column.companion_oid])
