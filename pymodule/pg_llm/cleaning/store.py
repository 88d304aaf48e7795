"""A table that is to be cleaned: what the catalog says of it, its rows as columns of texts, and writing to it.

Queries count on a pinned search path, but for `write`: triggers run under the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from pg_llm.cleaning.table import Table, Value
from pg_llm.database import catalog, table_access
from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import Connection, DatabaseError, Row
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.errors import InvalidInput

# Texts, numbers, dates, booleans, enums, intervals and network addresses have one text each that means them.
_CATEGORIES = "SNDBETI"


@dataclass(frozen=True, slots=True)
class Column:
    """`type` is what was declared, `base` what it is made of.

    `fixed`: cannot be written, or is part of the key; `required`: NOT NULL.
    """

    name: str
    type: str
    base: ColumnType
    fixed: bool
    required: bool

    def values(self, parameter: str) -> tuple[str, str]:
        """SQL for an array of values that come as texts in a parameter, and that parameter's type.

        The type's input function reads them; a cast from text may be a function of the type's owner.
        """
        if self.base.builtin:
            return f"{parameter}::{self.type}[]", "pg_catalog.text[]"
        return parameter, f"{self.type}[]"


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


def target(db: Connection, named: str) -> Target:
    """The table of that name or oid. Raises InvalidInput."""
    found = catalog.table(db, named)
    rows = db.rows(
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
        Column(
            row["name"],
            row["type"],
            found.columns[row["name"]],
            row["fixed"] or row["name"] in found.key,
            row["required"],
        )
        for row in rows
    ]
    checks = db.rows(
        "SELECT pg_get_expr(conbin, conrelid) AS condition FROM pg_constraint"
        " WHERE conrelid = $1::oid AND contype = 'c'",
        ("bigint",),
        (found.oid,),
    )
    return Target(found, columns, [row["condition"] for row in checks])


def contents(db: Connection, of: Target) -> tuple[list[str], Table]:
    """The keys of all rows that the caller sees, as JSON, and the table as the detectors see it."""
    names = "".join(f", {of.table.text(each.name)} AS c{n}" for n, each in enumerate(of.columns))
    query = f"SELECT {of.table.key_object}::text AS k{names} FROM {of.table.relation} AS t"
    keys, columns = table_access.on_table(db, of.table.oid, lambda: _read(db, query, len(of.columns)))
    return keys, Table([column.name for column in of.columns], columns, pulse=db.poll)


def _read(db: Connection, query: str, width: int) -> tuple[list[str], list[list[Value]]]:
    keys: list[str] = []
    columns: list[list[Value]] = [[] for _ in range(width)]
    # Most values come again: one copy of each.
    pool: dict[Value, Value] = {}
    for row in db.stream(query):
        keys.append(row["k"])
        for number, column in enumerate(columns):
            value = row[f"c{number}"]
            column.append(pool.setdefault(value, value))
    return keys, columns


def present(db: Connection, of: Target, keys: Sequence[str]) -> set[str]:
    """Those of the keys that are those of rows which the caller sees."""
    key = of.table.key_object
    query = (
        f"SELECT k.key::text AS k FROM {of.table.relation} AS t JOIN unnest($1::jsonb[]) AS k (key) ON k.key = {key}"
    )
    run = partial(db.query_unprepared, query, ("text[]",), (list(keys),))
    return {row["k"] for row in table_access.on_table(db, of.table.oid, run)}


def impossible(db: Connection, of: Target, column: Column, values: Sequence[Value]) -> set[Value]:
    """Those of the values that the column's type does not take, or does not take as NULL."""
    found: set[Value] = {None} if column.required else set()
    candidates = [value for value in values if value is not None]
    if not candidates or column.type == "text":
        return found
    # Checks of a domain are run, as writing would.
    return found | table_access.on_table(
        db, of.table.oid, lambda: set(_impossible(db, column, candidates)), writes=True
    )


def _impossible(db: Connection, column: Column, values: Sequence[str]) -> Iterator[str]:
    read, kind = column.values("$1")
    try:
        with db.savepoint():
            db.query_unprepared(f"SELECT count(v) FROM unnest({read}) AS v", (kind,), (list(values),))
    except DatabaseError as error:
        if not str(error.sqlstate).startswith(("22", "23")):
            raise
        if len(values) == 1:
            yield values[0]
        else:
            middle = len(values) // 2
            yield from _impossible(db, column, values[:middle])
            yield from _impossible(db, column, values[middle:])


def breaking(db: Connection, of: Target, condition: str, patches: dict[str, dict[str, Value]]) -> set[str]:
    """The keys of the rows that a condition is false for, with some cells as in `patches` (key to name to value)."""
    patched = {name for patch in patches.values() for name in patch}
    types = {column.name: column.base.name for column in of.columns if column.name in patched}
    listed = [
        {"k": json.loads(key), "p": patch, **{f"p {name}": value for name, value in patch.items()}}
        for key, patch in patches.items()
    ]
    # Cell by cell, and of a domain the type that it is made of: the row's type would bring all its checks.
    fields = "".join(f", {quote_ident(f'p {name}')} {kind}" for name, kind in types.items())
    cells = ", ".join(
        f"CASE WHEN p.p ? {quote_literal(name)} THEN p.{quote_ident(f'p {name}')} ELSE {cell} END AS {quoted}"
        if name in types
        else f"{cell} AS {quoted}"
        for name in of.table.columns
        for cell, quoted in ((of.table.cell(name), quote_ident(name)),)
    )
    query = f"""
        SELECT {of.table.key_object}::text AS k
        FROM {of.table.relation} AS t
        JOIN jsonb_to_recordset($1::jsonb) AS p (k jsonb, p jsonb{fields}) ON p.k = {of.table.key_object}
        WHERE NOT (SELECT ({condition}) FROM (SELECT {cells}) AS r)
    """
    run = partial(db.query_unprepared, query, ("text",), (json.dumps(listed),))
    return {row["k"] for row in table_access.on_table(db, of.table.oid, run)}


def write(db: Connection, of: Target, column: Column, changes: Sequence[Row]) -> list[Row]:
    """Give cells of a column that hold `before` what they are to hold `after`; returns `key` and `stored` of each.

    Under the caller's search path, as the table's triggers are, so that no name or operator here is looked up in it.
    """
    name = quote_ident(column.name)
    after, kind = column.values("$3")
    query = f"""
        UPDATE {of.table.relation} AS t SET {name} = c.after
        FROM ROWS FROM (
            pg_catalog.unnest($1::pg_catalog.jsonb[]), pg_catalog.unnest($2), pg_catalog.unnest({after})
        ) AS c (key, before, after)
        WHERE {of.table.key_object} OPERATOR(pg_catalog.=) c.key
        AND ({of.table.text(column.name)} OPERATOR(pg_catalog.=) c.before OR t.{name} IS NULL AND c.before IS NULL)
        RETURNING c.key::pg_catalog.text AS key, {of.table.text(column.name)} AS stored
    """
    run = partial(
        db.query_unprepared,
        query,
        ("pg_catalog.text[]", "pg_catalog.text[]", kind),
        [[change[each] for change in changes] for each in ("key", "before", "after")],
    )
    return table_access.on_table(db, of.table.oid, run, writes=True)
