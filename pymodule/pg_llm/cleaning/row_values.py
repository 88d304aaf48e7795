"""Whole rows as texts by column, read from a table and written back byte by byte."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from pg_llm.database import table_access
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection, Row
from pg_llm.database.quoting import pin_type, quote_ident

Values = dict[str, str | None]
OnTable = Callable[..., list[Row]]
_BATCH = 2000
_JSON = ("json", "jsonb")


def key_text(key: Mapping[str, Any]) -> str:
    """A key as one text, in whatever order its parts come."""
    return json.dumps(key, sort_keys=True)


def selected(table: Table) -> str:
    """The output columns of a query: the key as JSON in `k`, the text of each column in `c0`, `c1` …."""
    values = ", ".join(f"{table.text(column)} AS c{place}" for place, column in enumerate(table.columns))
    return f"{table.key_object}::pg_catalog.text AS k, {values}"


def of_row(table: Table, row: Row) -> Values:
    """The texts of a row that `selected` gave."""
    return {column: row[f"c{place}"] for place, column in enumerate(table.columns)}


def fixed_columns(db: Connection, table: Table) -> set[str]:
    """Columns that a golden record keeps: generated ones, the key, its own foreign keys, and what others refer to."""
    rows = db.rows(
        """
        SELECT a.attname::text AS name FROM pg_attribute AS a
        WHERE a.attrelid = $1::oid AND a.attnum > 0 AND (a.attgenerated <> '' OR a.attidentity <> '' OR EXISTS (
            SELECT FROM pg_constraint AS k WHERE k.confrelid = $1::oid AND k.contype = 'f'
            AND (a.attnum = ANY (k.confkey) OR k.conrelid = k.confrelid AND a.attnum = ANY (k.conkey))
        ))
        """,
        ("bigint",),
        (table.oid,),
    )
    return {row["name"] for row in rows} | set(table.key)


def generated_columns(db: Connection, table: Table) -> set[str]:
    """Columns that the server computes."""
    query = "SELECT attname::text AS name FROM pg_attribute WHERE attrelid = $1::oid AND attgenerated <> ''"
    return {row["name"] for row in db.rows(query, ("bigint",), (table.oid,))}


def update(
    db: Connection, on: OnTable, table: Table, changes: Sequence[tuple[str, Values, Values | None]]
) -> list[Row]:
    """Set columns of rows by key, where they hold other values first if these are given.

    Returns of each row that was written its key before (`before`) and after (`k`), and the texts stored. The caller's
    search path is in force, as triggers expect, so no name or operator here relies on it.
    """
    written: list[Row] = []
    for columns, group in _by_columns(changes).items():
        fields, values = _fields(table, columns)
        sets = ", ".join(f"{quote_ident(column)} = {value}" for column, value in zip(columns, values, strict=True))
        unchanged = "".join(f" AND {_same(table.text(column), place)}" for place, column in enumerate(columns))
        query = f"""
            UPDATE {table.relation} AS t SET {sets}
            FROM pg_catalog.jsonb_to_recordset($1::pg_catalog.jsonb)
                AS r (k pg_catalog.jsonb, held pg_catalog.jsonb, {fields})
            WHERE {table.key_object} OPERATOR(pg_catalog.=) r.k AND (r.held IS NULL OR true{unchanged})
            RETURNING r.k::pg_catalog.text AS before, {selected(table)}
        """
        for start in range(0, len(group), _BATCH):
            records = [
                {"k": json.loads(key), "held": held and _numbered(columns, held), **_numbered(columns, new)}
                for key, new, held in group[start : start + _BATCH]
            ]
            work = partial(db.query_unprepared, query, ("pg_catalog.text",), (json.dumps(records),))
            written += on(db, table.oid, work, writes=True)
    return written


def delete(db: Connection, on: OnTable, table: Table, keys: Sequence[str]) -> int:
    """Delete the rows with these keys; returns how many were."""
    query = f"""
        DELETE FROM {table.relation} AS t USING pg_catalog.unnest($1::pg_catalog.jsonb[]) AS k (key)
        WHERE {table.key_object} OPERATOR(pg_catalog.=) k.key RETURNING 1 AS one
    """
    work = partial(db.query_unprepared, query, ("pg_catalog.text[]",), (list(keys),))
    return len(on(db, table.oid, work, writes=True)) if keys else 0


def insert(db: Connection, on: OnTable, table: Table, rows: Sequence[Values], generated: Iterable[str]) -> int:
    """Insert rows whose keys do not exist; returns how many were."""
    columns = [column for column in table.columns if column not in set(generated)]
    fields, values = _fields(table, columns)
    names = ", ".join(map(quote_ident, columns))
    key = ", ".join(map(quote_ident, table.key))
    query = f"""
        INSERT INTO {table.relation} AS t ({names}) OVERRIDING SYSTEM VALUE
        SELECT {", ".join(values)} FROM pg_catalog.jsonb_to_recordset($1::pg_catalog.jsonb) AS r ({fields})
        ON CONFLICT ({key}) DO NOTHING RETURNING 1 AS one
    """
    # All at once, as rows may refer to one another.
    records = json.dumps([_numbered(columns, row) for row in rows])
    work = partial(db.query_unprepared, query, ("pg_catalog.text",), (records,))
    return len(on(db, table.oid, work, writes=True)) if rows else 0


def on_named(db: Connection, oid: int, work: Callable[[], list[Row]], writes: bool) -> list[Row]:
    """Run work on a table that the caller named."""
    return table_access.on_table(db, oid, work, writes)


def on_other(db: Connection, oid: int, work: Callable[[], list[Row]], writes: bool) -> list[Row]:
    """Run work on a table that the caller did not name: no code that the role does not trust may run."""
    return table_access.on_part(db, oid, work, writes)


def _by_columns(
    changes: Sequence[tuple[str, Values, Values | None]],
) -> dict[tuple[str, ...], list[tuple[str, Values, Values | None]]]:
    groups: dict[tuple[str, ...], list[tuple[str, Values, Values | None]]] = {}
    for change in changes:
        if change[1]:
            groups.setdefault(tuple(sorted(change[1])), []).append(change)
    return groups


def _same(text: str, place: int) -> str:
    held = f"(r.held OPERATOR(pg_catalog.->>) 'c{place}')"
    return f"({text} OPERATOR(pg_catalog.=) {held} OR {text} IS NULL AND {held} IS NULL)"


def _numbered(columns: Sequence[str], values: Values) -> Values:
    return {f"c{place}": values[column] for place, column in enumerate(columns)}


def _fields(table: Table, columns: Sequence[str]) -> tuple[str, list[str]]:
    """The columns `c0`, `c1` … of a record with their types, and their values; JSON comes as text, not as a string."""
    fields, values = [], []
    for place, column in enumerate(columns):
        type_ = table.columns[column]
        json_ = type_.builtin and type_.name in _JSON
        fields.append(f"c{place} {'pg_catalog.text' if json_ else pin_type(type_.name)}")
        values.append(f"r.c{place}::pg_catalog.{type_.name}" if json_ else f"r.c{place}")
    return ", ".join(fields), values
