"""A table that is to be cleaned: what the catalog says of it, its rows as columns of texts, and writing to it.

Queries count on a pinned search path, but for `write`: triggers run under the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import plpy

from pg_llm.cleaning.table import Table, Value
from pg_llm.errors import InvalidInput
from pg_llm.functions import semantic_column as catalog
from pg_llm.functions import session

_BATCH = 1000
# Texts, numbers, dates, booleans, enums, intervals and network addresses have one text each that means them.
_CATEGORIES = "SNDBETI"
# What a change must be in for this to be done to it, and what it is in then.
STATES = {"apply": ("proposed", "applied"), "restore": ("applied", "restored")}


@dataclass(frozen=True, slots=True)
class Column:
    """`fixed`: cannot be written, or is part of the key; `required`: NOT NULL."""

    name: str
    type: str
    fixed: bool
    required: bool


@dataclass(frozen=True, slots=True)
class Target:
    """A table with a primary key; `checks` are its CHECK constraints as SQL."""

    table: catalog.Table
    columns: Sequence[Column]
    checks: Sequence[str]

    def place(self, name: str) -> int:
        """A column's place among those that are read. Raises InvalidInput."""
        for place, column in enumerate(self.columns):
            if column.name == name:
                return place
        readable = ", ".join(column.name for column in self.columns)
        raise InvalidInput(
            f'{self.table.relation} has no column "{name}" that can be cleaned', hint=f"It has: {readable}."
        )


def target(named: str) -> Target:
    """The table of that name or oid. Raises InvalidInput."""
    found = catalog.table(named)
    rows = session.rows(
        """
        SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
               a.attgenerated <> '' OR a.attidentity = 'a' AS fixed
        FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
        WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped AND strpos($2, t.typcategory::text) > 0
        ORDER BY a.attnum
        """,
        ("bigint", "text"),
        (found.oid, _CATEGORIES),
    )
    columns = [
        Column(row["name"], row["type"], row["fixed"] or row["name"] in found.key, row["required"]) for row in rows
    ]
    checks = session.rows(
        "SELECT pg_get_expr(conbin, conrelid) AS condition FROM pg_constraint"
        " WHERE conrelid = $1::oid AND contype = 'c'",
        ("bigint",),
        (found.oid,),
    )
    return Target(found, columns, [row["condition"] for row in checks])


def contents(of: Target) -> tuple[list[str], Table]:
    """The keys of all rows that the caller sees, as JSON, and the table as the detectors see it."""
    names = "".join(f", t.{plpy.quote_ident(each.name)}::text AS c{n}" for n, each in enumerate(of.columns))
    cursor = plpy.cursor(f"SELECT {of.table.key_object}::text AS k{names} FROM {of.table.relation} AS t")
    keys: list[str] = []
    columns: list[list[Value]] = [[] for _ in of.columns]
    # Most values come again: one copy of each.
    pool: dict[Value, Value] = {}
    while rows := list(cursor.fetch(_BATCH)):
        for row in rows:
            keys.append(row["k"])
            for number, column in enumerate(columns):
                value = row[f"c{number}"]
                column.append(pool.setdefault(value, value))
    return keys, Table([column.name for column in of.columns], columns, pulse=session.poll)


def impossible(column: Column, values: Sequence[Value]) -> set[Value]:
    """Those of the values that the column's type does not take, or does not take as NULL."""
    found: set[Value] = {None} if column.required else set()
    candidates = [value for value in values if value is not None]
    return found | set(_impossible(column.type, candidates))


def _impossible(kind: str, values: Sequence[str]) -> Iterator[str]:
    if not values or kind == "text":
        return
    cast = f"SELECT count(v::{kind}) FROM unnest($1) AS v"
    try:
        with plpy.subtransaction():
            session.rows_once(cast, ("text[]",), (list(values),))
    except plpy.SPIError as error:
        if not str(error.sqlstate).startswith(("22", "23")):
            raise
        if len(values) == 1:
            yield values[0]
        else:
            middle = len(values) // 2
            yield from _impossible(kind, values[:middle])
            yield from _impossible(kind, values[middle:])


def breaking(of: Target, condition: str, patches: dict[str, dict[str, Value]]) -> set[str]:
    """The keys of the rows that a condition is false for, with some cells as in `patches` (key to name to value)."""
    listed = [{"k": json.loads(key), "p": patch} for key, patch in patches.items()]
    return {
        row["k"]
        for row in session.rows_once(
            f"""
            SELECT {of.table.key_object}::text AS k
            FROM {of.table.relation} AS t
            JOIN jsonb_to_recordset($1::jsonb) AS p (k jsonb, p jsonb) ON p.k = {of.table.key_object}
            WHERE NOT (SELECT ({condition}) FROM (SELECT (jsonb_populate_record(t, p.p)).*) AS r)
            """,
            ("text",),
            (json.dumps(listed),),
        )
    }


def write(of: Target, column: Column, run: str, change: str, least: float, key: str | None = None) -> int:
    """Apply or restore the changes of one column, or of one row of it; returns how many cells were written.

    Under the caller's search path, so that no name or operator here is looked up in it.
    """
    name = plpy.quote_ident(column.name)
    before, after, stored = ("old", "new", "w.stored") if change == "apply" else ("new", "old", "c.new")
    wanted, state = STATES[change]
    query = f"""
        WITH written AS (
            UPDATE {of.table.relation} AS t SET {name} = c.{after}::{column.type}
            FROM llm.change AS c
            WHERE c.run OPERATOR(pg_catalog.=) $1::pg_catalog.uuid
            AND c."column" OPERATOR(pg_catalog.=) $2::pg_catalog.name
            AND c.state OPERATOR(pg_catalog.=) '{wanted}'
            AND c.confidence OPERATOR(pg_catalog.>=) $3
            AND ($4 IS NULL OR c.key OPERATOR(pg_catalog.=) $4::pg_catalog.jsonb)
            AND {of.table.key_object} OPERATOR(pg_catalog.=) c.key
            AND (t.{name}::pg_catalog.text OPERATOR(pg_catalog.=) c.{before} OR t.{name} IS NULL AND c.{before} IS NULL)
            RETURNING c.key AS key, t.{name}::pg_catalog.text AS stored
        )
        UPDATE llm.change AS c
        SET state = '{state}', new = {stored}
        FROM written AS w
        WHERE c.run OPERATOR(pg_catalog.=) $1::pg_catalog.uuid
        AND c."column" OPERATOR(pg_catalog.=) $2::pg_catalog.name AND c.key OPERATOR(pg_catalog.=) w.key
    """
    plan = plpy.prepare(query, ["pg_catalog.text", "pg_catalog.text", "pg_catalog.float4", "pg_catalog.text"])
    return int(plpy.execute(plan, [run, column.name, least, key]).nrows())
