"""The expression of an AI column, read once: what it means is settled when the column is made.

PostgreSQL itself reads it, as the check of an empty table like the source: there neither aggregates, window functions
and functions that return sets nor subqueries are allowed, so that it is one value of one row. What it depends on, and
its text with every name resolved, are then in the catalog.
"""

from __future__ import annotations

from dataclasses import dataclass

from pg_llm.database import column_types, search_path
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.quoting import quote_ident
from pg_llm.errors import InvalidInput

_EXAMPLE = "Write an expression over columns of the table, such as llm_classify(body, '{complaint,praise}')."
# SQLSTATE: aggregate, window function, subquery or function that returns a set, where they are not allowed.
_NOT_OF_ONE_ROW = ("42803", "42P20", "0A000")
_CHECKED = """
    SELECT pg_get_expr(k.conbin, k.conrelid) AS text, k.conkey AS numbers, ARRAY(
        SELECT a.attname::text FROM pg_attribute AS a
        WHERE a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey) AND a.attnum > 0 ORDER BY a.attnum
    ) AS names
    FROM pg_constraint AS k WHERE k.conrelid = $1::regclass AND k.conname = $2
"""
_TYPE = """
    SELECT format_type($1::oid, NULL) AS name, t.typtype = 'p' AS pseudo FROM pg_type AS t WHERE t.oid = $1::oid
"""
_BEFORE, _AFTER = "(", " IS NOT NULL)"


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression with every name resolved, the columns that it reads, and the type of its value."""

    text: str
    inputs: list[str]
    type: str


class _Finished(Exception):
    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled


def resolve(db: Connection, source: Table, name: str, expression: str) -> Compiled:
    """Read the expression under the caller's own search path; `name` is the source's bare name.

    Raises InvalidInput if it is not one value of one row of the source.
    """
    try:
        # The exception rolls the savepoint back, and with it the empty table.
        with db.savepoint():
            raise _Finished(_compile(db, source, f"pg_temp.{quote_ident(name)}", expression))
    except _Finished as done:
        return done.compiled
    except DatabaseError as error:
        if error.sqlstate in _NOT_OF_ONE_ROW:
            raise InvalidInput(
                "the expression is not one value of one row: it holds a subquery, an aggregate, a window function or a"
                " function that returns rows",
                hint="Write a function of your own around what reads other rows or tables.",
            ) from None
        if error.sqlstate.startswith(("22", "42")):
            raise InvalidInput(f"the expression cannot be read: {error}", hint=error.hint or _EXAMPLE) from None
        raise


def _compile(db: Connection, source: Table, scratch: str, expression: str) -> Compiled:
    db.execute(f"CREATE TEMPORARY TABLE {scratch} (LIKE {source.relation})")
    described = db.describe(f"SELECT (\n{expression}\n) AS value FROM {scratch}")
    _check(db, scratch, "as_written", expression)
    with search_path.pinned(db):
        row = db.query_unprepared(_CHECKED, ("text", "name"), (scratch, "as_written"))[0]
        text: str = row["text"]
        # A value that is itself a check would be part of it, and not the first half of it.
        compiled = text.removeprefix(_BEFORE).removesuffix(_AFTER)
        _check(db, scratch, "compiled", compiled)
        again = db.query_unprepared(_CHECKED, ("text", "name"), (scratch, "compiled"))[0]["text"]
        if len(described) != 1 or again != text or not text.startswith(_BEFORE) or not text.endswith(_AFTER):
            raise InvalidInput("the expression is not one value", hint=_EXAMPLE)
        if any(number <= 0 for number in row["numbers"] or ()):
            raise InvalidInput("the expression reads a system column or a whole row", hint=_EXAMPLE)
        if not row["names"]:
            raise InvalidInput("the expression reads no column of the table", hint=_EXAMPLE)
        return Compiled(compiled, row["names"], _value_type(db, described[0][1]))


def _check(db: Connection, scratch: str, constraint: str, expression: str) -> None:
    db.execute(f"ALTER TABLE {scratch} ADD CONSTRAINT {constraint} CHECK ((\n{expression}\n) IS NOT NULL)")


def _value_type(db: Connection, oid: int) -> str:
    """The type of the values, without its length; raises InvalidInput for one that no column can have."""
    row = db.rows(_TYPE, ("int8",), (oid,))[0]
    if row["pseudo"]:
        raise InvalidInput(f"the value of the expression has no type of its own ({row['name']})", hint=_EXAMPLE)
    (type_,) = column_types.of(db, [oid])
    if not type_.jsonable:
        raise InvalidInput(
            f"the value has the type {row['name']} of a role that you cannot trust", hint="Cast it to text."
        )
    return str(row["name"])
