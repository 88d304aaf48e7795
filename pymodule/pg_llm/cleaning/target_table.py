"""The table that is cleaned: its cleanable columns, its rows, and writing to it.

Queries count on a pinned search path, except `write`: the table's triggers run under the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from pg_llm.database import catalog, table_access
from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import Connection, DatabaseError, Row
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.errors import InvalidInput

# Type categories whose values have one text form each: texts, numbers, dates, booleans, enums, intervals, addresses.
_CATEGORIES = "SNDBETI"
# SQLSTATE classes of values that a type or constraint rejects.
_DATA_ERRORS = ("22", "23")
# Those that a condition may raise for the values of a row.
_ROW_ERRORS = ("0A", "22", "23", "42", "54")
_GUARD = "llm.guard"
_SET_GUARD = f"SELECT pg_catalog.set_config('{_GUARD}', $1, true)"

Value = str | None


@dataclass(frozen=True, slots=True)
class Column:
    """A cleanable column; `type` is the declared type, `base` the type that a domain is over.

    `fixed`: it cannot be written, or is part of the key; `required`: NOT NULL.
    """

    name: str
    type: str
    base: ColumnType
    fixed: bool
    required: bool

    def array(self, parameter: str) -> tuple[str, str]:
        """SQL for an array of values whose texts are in a parameter, and that parameter's type.

        The type's input function reads them; a cast from text may be a function of the type's owner.
        """
        if self.base.builtin:
            return f"{parameter}::{self.type}[]", "pg_catalog.text[]"
        return parameter, f"{self.type}[]"


@dataclass(frozen=True, slots=True)
class TargetTable:
    """A table with a primary key; `checks` are its CHECK constraints as SQL."""

    table: catalog.Table
    columns: Sequence[Column]
    checks: Sequence[str]

    def position(self, name: str) -> int:
        """The position of a column among the cleanable ones. Raises InvalidInput."""
        for position, column in enumerate(self.columns):
            if column.name == name:
                return position
        readable = ", ".join(column.name for column in self.columns)
        raise InvalidInput(
            f'{self.table.relation} has no column "{name}" that can be cleaned', hint=f"It has: {readable}."
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read of the rows of a table: some columns by their position, by default all.

    Of a text that has more characters than `longest` so many, and a digest of all; `versions` are what identifies each
    row's version (xmin), in `version`.
    """

    columns: Sequence[int] | None = None
    longest: int | None = None
    versions: bool = False

    def positions(self, target: TargetTable) -> Sequence[int]:
        """The positions of the columns."""
        return range(len(target.columns)) if self.columns is None else self.columns


EVERYTHING = Reading()


def find(db: Connection, name: str) -> TargetTable:
    """The table of that name or oid. Raises InvalidInput."""
    table = catalog.table(db, name)
    rows = db.rows(
        """
        SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
               a.attgenerated <> '' OR a.attidentity = 'a' AS fixed
        FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
        WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped AND strpos($2, t.typcategory::text) > 0
        ORDER BY a.attnum
        """,
        ("bigint", "text"),
        (table.oid, _CATEGORIES),
    )
    columns = [
        Column(
            row["name"],
            row["type"],
            table.columns[row["name"]],
            row["fixed"] or row["name"] in table.key,
            row["required"],
        )
        for row in rows
    ]
    checks = db.rows(
        "SELECT pg_get_expr(conbin, conrelid) AS condition FROM pg_constraint"
        " WHERE conrelid = $1::oid AND contype = 'c'",
        ("bigint",),
        (table.oid,),
    )
    return TargetTable(table, columns, [row["condition"] for row in checks])


def read(
    db: Connection, target: TargetTable, take: Callable[[Sequence[Row]], object], reading: Reading = EVERYTHING
) -> None:
    """Give all rows that the caller sees to `take`, in batches: the key as JSON in `k`, the columns in `c0`, `c1` …."""
    version = ", t.xmin::text::bigint AS version" if reading.versions else ""
    values = ""
    for n in reading.positions(target):
        text = target.table.text(target.columns[n].name)
        if reading.longest is not None:
            short = f"left({text}, {reading.longest}) || hashtextextended({text}, 0)"
            text = f"CASE WHEN length({text}) > {reading.longest} THEN {short} ELSE {text} END"
        values += f", {text} AS c{n}"
    query = f"SELECT {target.table.key_object}::text AS k{values}{version} FROM {target.table.relation} AS t"

    def work() -> None:
        for rows in db.batches(query):
            take(rows)

    table_access.on_table(db, target.table.oid, work)


def content(db: Connection, target: TargetTable) -> tuple[list[str], list[list[Value]]]:
    """The keys of all rows that the caller sees, and the columns."""
    keys: list[str] = []
    columns: list[list[Value]] = [[] for _ in target.columns]
    # One copy of each value, as most of them recur.
    pool: dict[Value, Value] = {}

    def take(rows: Sequence[Row]) -> None:
        keys.extend([row["k"] for row in rows])
        for number, column in enumerate(columns):
            column.extend([pool.setdefault(row[f"c{number}"], row[f"c{number}"]) for row in rows])

    read(db, target, take)
    return keys, columns


def existing_keys(db: Connection, target: TargetTable, keys: Sequence[str]) -> set[str]:
    """Those of the keys whose rows exist for the caller."""
    key = target.table.key_object
    query = (
        f"SELECT k.key::text AS k FROM {target.table.relation} AS t"
        f" JOIN unnest($1::jsonb[]) AS k (key) ON k.key = {key}"
    )
    run = partial(db.query_unprepared, query, ("text[]",), (list(keys),))
    return {row["k"] for row in table_access.on_table(db, target.table.oid, run)}


def invalid_values(db: Connection, target: TargetTable, column: Column, values: Sequence[Value]) -> set[Value]:
    """Those of the values that the column's type, or its NOT NULL, rejects."""
    invalid: set[Value] = {None} if column.required else set()
    candidates = [value for value in values if value is not None]
    if not candidates or column.type == "text":
        return invalid
    # The checks of a domain are run, as a write would run them.
    return invalid | table_access.on_table(
        db, target.table.oid, lambda: set(_bisect_invalid(db, column, candidates)), writes=True
    )


def _bisect_invalid(db: Connection, column: Column, values: Sequence[str]) -> Iterator[str]:
    array, parameter_type = column.array("$1")
    try:
        with db.savepoint():
            db.query_unprepared(f"SELECT count(v) FROM unnest({array}) AS v", (parameter_type,), (list(values),))
    except DatabaseError as error:
        if not str(error.sqlstate).startswith(_DATA_ERRORS):
            raise
        if len(values) == 1:
            yield values[0]
        else:
            middle = len(values) // 2
            yield from _bisect_invalid(db, column, values[:middle])
            yield from _bisect_invalid(db, column, values[middle:])


def violating_keys(
    db: Connection, target: TargetTable, condition: str, patches: dict[str, dict[str, Value]]
) -> set[str]:
    """The keys of rows for which a condition is false, or fails, once some cells are replaced.

    `patches`: key to name to value.
    """
    patched = {name for patch in patches.values() for name in patch}
    types = {column.name: column.base.name for column in target.columns if column.name in patched}
    records = {
        key: {"k": json.loads(key), "p": patch, **{f"p {name}": value for name, value in patch.items()}}
        for key, patch in patches.items()
    }
    # Cell by cell and with the base types of domains: to fill the row's own type would run all of its checks.
    fields = "".join(f", {quote_ident(f'p {name}')} {type_}" for name, type_ in types.items())
    cells = ", ".join(
        f"CASE WHEN p.p ? {quote_literal(name)} THEN p.{quote_ident(f'p {name}')} ELSE {cell} END AS {quoted}"
        if name in types
        else f"{cell} AS {quoted}"
        for name in target.table.columns
        for cell, quoted in ((target.table.cell(name), quote_ident(name)),)
    )
    # Of p too, so that the condition meets no row but those.
    query = f"""
        SELECT {target.table.key_object}::text AS k
        FROM {target.table.relation} AS t
        JOIN jsonb_to_recordset($1::jsonb) AS p (k jsonb, p jsonb{fields}) ON p.k = {target.table.key_object}
        WHERE NOT (SELECT ({condition}) FROM (SELECT {cells} WHERE p.p IS NOT NULL) AS r)
    """

    def false_of(keys: Sequence[str]) -> list[str]:
        given = json.dumps([records[key] for key in keys])
        return [row["k"] for row in db.query_unprepared(query, ("text",), (given,))]

    return table_access.on_table(db, target.table.oid, lambda: set(violating(db, list(records), false_of)))


def violating(
    db: Connection, items: Sequence[str], false_of: Callable[[Sequence[str]], list[str]], readable: bool = False
) -> Iterator[str]:
    """Those of the items that a condition is false of, which `false_of` tells of several at once, or fails for.

    Raises DatabaseError for a condition that is not `readable`: one that fails where it is asked of none.
    """
    try:
        with db.savepoint():
            found = false_of(items)
    except DatabaseError as error:
        if not may_be_of_row(error) or not items:
            raise
        if not readable:
            false_of([])
        if len(items) == 1:
            yield items[0]
            return
        middle = len(items) // 2
        yield from violating(db, items[:middle], false_of, readable=True)
        yield from violating(db, items[middle:], false_of, readable=True)
    else:
        yield from found


def may_be_of_row(error: DatabaseError) -> bool:
    """Whether it may be the values of a row for which a condition raises an error."""
    return error.sqlstate.startswith(_ROW_ERRORS) and error.sqlstate != "42501"


def write(db: Connection, target: TargetTable, column: Column, changes: Sequence[Row]) -> list[Row]:
    """Set cells of a column that hold `before` to `after`; returns `key` and `stored` of each that was written.

    The caller's search path is in force, as the table's triggers expect, so no name or operator here relies on it.
    """
    name = quote_ident(column.name)
    after, parameter_type = column.array("$3")
    query = f"""
        UPDATE {target.table.relation} AS t SET {name} = c.after
        FROM ROWS FROM (
            pg_catalog.unnest($1::pg_catalog.jsonb[]), pg_catalog.unnest($2), pg_catalog.unnest({after})
        ) AS c (key, before, after)
        WHERE {target.table.key_object} OPERATOR(pg_catalog.=) c.key
        AND ({target.table.text(column.name)} OPERATOR(pg_catalog.=) c.before OR t.{name} IS NULL AND c.before IS NULL)
        RETURNING c.key::pg_catalog.text AS key, {target.table.text(column.name)} AS stored
    """
    types = ("pg_catalog.text[]", "pg_catalog.text[]", parameter_type)
    values = [[change[name] for change in changes] for name in ("key", "before", "after")]

    def run() -> list[Row]:
        # A guard would clean what is put back.
        guard = db.setting(_GUARD)
        db.rows(_SET_GUARD, ("pg_catalog.text",), ("off",))
        rows = db.query_unprepared(query, types, values)
        db.rows(_SET_GUARD, ("pg_catalog.text",), (guard or "",))
        return rows

    return table_access.on_table(db, target.table.oid, run, writes=True)
