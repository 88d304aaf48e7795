"""Read a SELECT of the caller, with the caller's rights and search path; nothing that it calls can write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pg_llm.database import column_types, query_text, search_path
from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.errors import InvalidInput

NUMERIC_TYPES = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
# Longer texts are truncated; what displays them has no more room.
_LONGEST_TEXT = 300
_MOST_COLUMNS = 40
_SYNTAX_ERROR = "42601"
# Evaluated before the first row, as each call from PL/Python is a subtransaction and read-only mode ends with it.
READ_ONLY = "(SELECT pg_catalog.set_config('transaction_read_only', 'on', true)) OPERATOR(pg_catalog.=) 'on'"
_HINT = "query is one SELECT, WITH … SELECT, VALUES or TABLE."


@dataclass(frozen=True, slots=True)
class Result:
    """Columns with their types, rows, and whether rows or columns were left out."""

    columns: list[tuple[str, str]]
    rows: list[list[Any]]
    truncated: bool

    def objects(self) -> list[dict[str, Any]]:
        """Rows as objects; repeated column names are numbered."""
        names: list[str] = []
        for name, _ in self.columns:
            number = 2
            unique = name
            while unique in names:
                unique, number = f"{name}_{number}", number + 1
            names.append(unique)
        return [dict(zip(names, row, strict=True)) for row in self.rows]


class _Finished(Exception):
    def __init__(self, result: Result) -> None:
        self.result = result


def columns(db: Connection, query: str) -> list[tuple[str, ColumnType]]:
    """Names and types of a query's columns."""
    described = db.describe(query)
    with search_path.pinned(db):
        types = column_types.of(db, [type_ for _, type_ in described])
    return [(name, column_type) for (name, _), column_type in zip(described, types, strict=True)]


def read(db: Connection, query: str, limit: int) -> Result:
    """The first rows of a query. Raises InvalidInput if the text is not a query.

    Numbers are int, float or Decimal; an interval is its seconds; a time is ISO 8601, in the session's time zone and,
    for a type with time zone, with its offset; all else is text.
    """
    text = query_text.without_end(query)
    if not text:
        raise InvalidInput("query is empty", hint=_HINT)
    try:
        # The exception rolls the savepoint back, so that effects of functions in the query are undone.
        with db.savepoint():
            raise _Finished(_read(db, text, limit))
    except _Finished as done:
        return done.result
    except DatabaseError as error:
        if error.sqlstate == _SYNTAX_ERROR:
            raise InvalidInput(f"query cannot be read: {error}", hint=_HINT) from None
        raise


def _read(db: Connection, query: str, limit: int) -> Result:
    described = columns(db, query)
    if not described:
        raise InvalidInput("query has no columns", hint=_HINT)
    shown = described[:_MOST_COLUMNS]
    values = ", ".join(
        f"{_readable_value(f'q.c{index}', column_type)} AS c{index}" for index, (_, column_type) in enumerate(shown)
    )
    # By number, as column names may repeat.
    places = ", ".join(f"c{index}" for index in range(len(described)))
    rows = db.execute(f"SELECT {values} FROM ({query}\n) AS q ({places}) WHERE {READ_ONLY} LIMIT {limit + 1}")
    return Result(
        [(name, column_type.name) for name, column_type in shown],
        [[row[f"c{index}"] for index in range(len(shown))] for row in rows[:limit]],
        len(rows) > limit or len(described) > _MOST_COLUMNS,
    )


def _readable_value(column: str, column_type: ColumnType) -> str:
    # Types of users may have the same names as PostgreSQL's own.
    kind = column_type.name if column_type.builtin else ""
    if kind in NUMERIC_TYPES:
        return column
    if kind == "money":
        return f"{column}::pg_catalog.numeric"
    if kind == "interval":
        return f"EXTRACT(epoch FROM {column})::pg_catalog.float8"
    if kind == "date" or kind.startswith("timestamp "):
        local = f"{column}::pg_catalog.timestamp"
        value, offset = (column, "TZH:TZM") if kind == "timestamp with time zone" else (local, "")
        written = f"pg_catalog.to_char({value}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US{offset}')"
        # Only years with four digits are valid in ISO 8601.
        least, most = (f"pg_catalog.make_timestamp({year}, 1, 1, 0, 0, 0)" for year in (1, 10000))
        ordered = f"{local} OPERATOR(pg_catalog.>=) {least} AND {local} OPERATOR(pg_catalog.<) {most}"
        return f"CASE WHEN {ordered} THEN {written} END"
    return f"pg_catalog.left({column_type.text(column)}, {_LONGEST_TEXT})"
