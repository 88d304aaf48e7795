"""One SELECT of the caller's, read with the caller's rights and search path; nothing that it calls can write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pg_llm.database import column_types, search_path
from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.errors import InvalidInput

NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
# A longer text is cut: nothing that shows it has more room.
_LONGEST_TEXT = 300
_MOST_COLUMNS = 40
_SYNTAX_ERROR = "42601"
# Evaluated before the first row: each call from PL/Python is a subtransaction, and read-only ends with that.
READ_ONLY = "(SELECT pg_catalog.set_config('transaction_read_only', 'on', true)) OPERATOR(pg_catalog.=) 'on'"
_HINT = "query is one SELECT, WITH … SELECT, VALUES or TABLE."


@dataclass(frozen=True, slots=True)
class Result:
    """Columns with their types, the rows, and whether there were more of either."""

    columns: list[tuple[str, str]]
    rows: list[list[Any]]
    cut: bool

    def objects(self) -> list[dict[str, Any]]:
        """Each row with the names of its columns; a name that comes twice is numbered."""
        names: list[str] = []
        for name, _ in self.columns:
            number = 2
            its = name
            while its in names:
                its, number = f"{name}_{number}", number + 1
            names.append(its)
        return [dict(zip(names, row, strict=True)) for row in self.rows]


class _Read(Exception):
    def __init__(self, result: Result) -> None:
        self.result = result


def columns(db: Connection, query: str) -> list[tuple[str, ColumnType]]:
    """The names of a query's columns and what they are."""
    described = db.describe(query)
    with search_path.pinned(db):
        types = column_types.of(db, [type_ for _, type_ in described])
    return [(name, its) for (name, _), its in zip(described, types, strict=True)]


def read(db: Connection, query: str, limit: int) -> Result:
    """The first rows of a query. Raises InvalidInput for what is no query.

    Numbers are int, float or Decimal, an interval is its seconds, a time is ISO 8601 without zone as the session's time
    zone shows it, all else is text.
    """
    text = query.strip().rstrip(";").rstrip()
    if not text:
        raise InvalidInput("query is empty", hint=_HINT)
    try:
        # Left by an error, so that nothing stays of what a function of the query may have done.
        with db.savepoint():
            raise _Read(_read(db, text, limit))
    except _Read as done:
        return done.result
    except DatabaseError as error:
        if error.sqlstate == _SYNTAX_ERROR:
            raise InvalidInput(f"query cannot be read: {error}", hint=_HINT) from None
        raise


def _read(db: Connection, query: str, limit: int) -> Result:
    found = columns(db, query)
    if not found:
        raise InvalidInput("query has no columns", hint=_HINT)
    kept = found[:_MOST_COLUMNS]
    read = ", ".join(f"{_value(f'q.c{place}', its)} AS c{place}" for place, (_, its) in enumerate(kept))
    # By place, as two columns may bear one name.
    places = ", ".join(f"c{place}" for place in range(len(found)))
    rows = db.execute(f"SELECT {read} FROM ({query}\n) AS q ({places}) WHERE {READ_ONLY} LIMIT {limit + 1}")
    return Result(
        [(name, its.name) for name, its in kept],
        [[row[f"c{place}"] for place in range(len(kept))] for row in rows[:limit]],
        len(rows) > limit or len(found) > _MOST_COLUMNS,
    )


def _value(column: str, its: ColumnType) -> str:
    # Types of somebody's making are not told by their names, which may be these.
    kind = its.name if its.builtin else ""
    if kind in NUMBERS:
        return column
    if kind == "money":
        return f"{column}::pg_catalog.numeric"
    if kind == "interval":
        return f"EXTRACT(epoch FROM {column})::pg_catalog.float8"
    if kind == "date" or kind.startswith("timestamp "):
        local = f"{column}::pg_catalog.timestamp"
        written = f"pg_catalog.to_char({local}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
        # Years that four digits can say.
        least, most = (f"pg_catalog.make_timestamp({year}, 1, 1, 0, 0, 0)" for year in (1, 10000))
        ordered = f"{local} OPERATOR(pg_catalog.>=) {least} AND {local} OPERATOR(pg_catalog.<) {most}"
        return f"CASE WHEN {ordered} THEN {written} END"
    return f"pg_catalog.left({its.text(column)}, {_LONGEST_TEXT})"
