"""Incremental maintenance of an AI column: rows of the source that were written get the value of their inputs.

Everything here runs with the rights of the source's owner, in a security-restricted operation: a writer need not see
the values, and runs no code that the owner has attached. The source is read by key, after the statement that wrote it:
what a trigger was told may be overtaken by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pg_llm.columns import definition, evaluation
from pg_llm.columns.definition import AIColumn, as_owner
from pg_llm.columns.evaluation import Result
from pg_llm.database import companion_triggers, ownership
from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_ident
from pg_llm.errors import ConcurrentChange, InsufficientPrivilege

# Rows that are computed by one query, at most.
BATCH = 256


def process(db: Connection, number: int, keys: str) -> None:
    """Make the values of the rows with these keys, a JSON array of objects, true; of all rows for `null`.

    A column that is gone, or must not be computed any more, needs nothing. Raises ConcurrentChange where others are
    writing these rows just now.
    """
    column = definition.by_id(db, number)
    if column is None:
        return
    ownership.check_owner(db, column.source)
    if keys == "null":
        # Rarely needed, and the other way round is the import of this module.
        from pg_llm.columns import backfill

        backfill.fill(db, column)
    elif as_owner(db, column, partial(_process_rows, db, column, keys)):
        raise ConcurrentChange(f"rows of {column.source.relation} are being written")


def follow(db: Connection, trigger: Mapping[str, Any]) -> None:
    """Make the values of the rows that a statement wrote true. A trigger that was made by hand is ignored."""
    number = companion_triggers.followed_object(db, trigger, "llm.follow_column()")
    column = definition.by_id(db, number) if number is not None else None
    # One whose input was dropped keeps no writer from writing.
    if column is None or column.definition.sync != "live":
        return
    if not companion_triggers.is_part(db, int(trigger["relid"]), column.source.oid):
        return
    try:
        as_owner(db, column, partial(_follow_rows, db, column, trigger["event"]))
    except InsufficientPrivilege as error:
        # Whoever owns a part must not keep others from writing; the value shows as stale.
        db.warning(f'the AI column "{column.name}" does not follow: {error}', hint=error.hint)


def update_rows(db: Connection, column: AIColumn, keys: str, lock: bool) -> list[str]:
    """Compute the rows with these keys whose value is not that of their inputs.

    With `lock` a value is written only while nobody else writes its row; the keys of rows that others do write are
    returned.
    """
    source = column.source
    rows = db.query_unprepared(
        f"""
        SELECT n.key, n.input_hash FROM {source.keys("$1::jsonb")} CROSS JOIN LATERAL (
            SELECT {source.key_object}::text AS key, encode({column.input_hash}, 'hex') AS input_hash
            FROM {source.relation} AS t LEFT JOIN {column.companion} AS c ON {column.same_row}
            WHERE {source.same_key} AND {column.needs_work} LIMIT 1
        ) AS n
        """,
        ("text",),
        (keys,),
    )
    if not rows:
        return []
    results = evaluation.evaluate(db, column, {row["key"]: row["input_hash"] for row in rows})
    return _write(db, column, results, lock)


def delete_orphans(db: Connection, column: AIColumn) -> None:
    """Delete the values of rows that are no more."""
    db.execute(
        f"DELETE FROM {column.companion} AS c"
        f" WHERE NOT EXISTS (SELECT FROM {column.source.relation} AS t WHERE {column.same_row})"
    )


def _follow_rows(db: Connection, column: AIColumn, event: str) -> None:
    if event == "TRUNCATE":
        delete_orphans(db, column)
        return
    if event != "INSERT":
        db.query_unprepared(
            f"DELETE FROM {column.companion} AS c USING former AS t WHERE {column.same_row}"
            f" AND NOT EXISTS (SELECT FROM {column.source.relation} AS t WHERE {column.same_row})"
        )
    for keys in companion_triggers.written_keys(db, column.source, event, BATCH):
        update_rows(db, column, keys, lock=False)


def _process_rows(db: Connection, column: AIColumn, keys: str) -> list[str]:
    source = column.source
    ownership.check_sees_all(db, source)
    has_key = " AND ".join(
        f"c.{own} = k.{quote_ident(name)}" for own, name in zip(column.keys, source.key, strict=True)
    )
    # OFFSET: looked up key by key, and not by reading the whole table.
    db.query_unprepared(
        f"DELETE FROM {column.companion} AS c USING {source.keys('$1::jsonb')} WHERE {has_key}"
        f" AND NOT EXISTS (SELECT FROM {source.relation} AS t WHERE {source.same_key} OFFSET 0)",
        ("text",),
        (keys,),
    )
    return update_rows(db, column, keys, lock=True)


def _write(db: Connection, column: AIColumn, results: Sequence[Result], lock: bool) -> list[str]:
    """Keep these results where the inputs are still those that they were computed from.

    With `lock` rows that somebody is writing are skipped; returns their keys, and those of rows that changed meanwhile.
    """
    source = column.source
    own = [*column.keys, *definition.COLUMNS]
    cells = ", ".join(f"{source.cell(name)} AS {key}" for name, key in zip(source.key, column.keys, strict=True))
    keys, found_keys = (", ".join(f"{row}.{name}" for name in column.keys) for row in "rf")
    changed = ", ".join(f"{name} = excluded.{name}" for name in own)
    locking = "FOR SHARE OF t SKIP LOCKED" if lock else ""
    written = db.query_unprepared(
        f"""
        WITH r AS MATERIALIZED (
            SELECT {found_keys}, g.value, g.input_hash, g.models, g.error
            FROM jsonb_to_recordset($1::jsonb) AS g (key jsonb, input_hash text, value text, error text, models jsonb),
            {source.one_key("g.key")} CROSS JOIN LATERAL (
                SELECT {cells}, encode({column.input_hash}, 'hex') AS input_hash
                FROM {source.relation} AS t WHERE {source.same_key} LIMIT 1 {locking}
            ) AS f
            WHERE f.input_hash = g.input_hash
        ), written AS (
            INSERT INTO {column.companion} AS c ({", ".join(own)})
            SELECT {keys}, r.value::{column.value_type.name}, decode(r.input_hash, 'hex'), r.models, $2,
                   clock_timestamp(), false, r.error
            FROM r
            ON CONFLICT ({", ".join(column.keys)}) DO UPDATE SET {changed} WHERE NOT c.corrected
        )
        SELECT {source.key_object}::text AS key FROM (SELECT {_as_source(column)} FROM r) AS t
        """,
        ("text", "text"),
        (evaluation.to_json(results), column.definition.expression),
    )
    return sorted({result.key for result in results} - {row["key"] for row in written}) if lock else []


def _as_source(column: AIColumn) -> str:
    """The key columns of a row of the companion under the names that they have in the source."""
    return ", ".join(f"{own} AS {quote_ident(name)}" for own, name in zip(column.keys, column.source.key, strict=True))
