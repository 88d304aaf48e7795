"""One SELECT of the caller's, read with the caller's rights and search path; nothing that it calls can write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import plpy

from pg_llm.errors import InvalidInput
from pg_llm.functions import session

NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
# A longer text is cut: nothing that shows it has more room.
_LONGEST_TEXT = 300
_MOST_COLUMNS = 40
_SYNTAX_ERROR = "42601"
# Evaluated before the first row: each call from PL/Python is a subtransaction, and read-only ends with that.
READ_ONLY = "(SELECT pg_catalog.set_config('transaction_read_only', 'on', true)) OPERATOR(pg_catalog.=) 'on'"
_HINT = "query is one SELECT, WITH … SELECT, VALUES or TABLE."
_TYPES = """
    WITH RECURSIVE base (place, oid) AS (
        SELECT place, o FROM pg_catalog.unnest($1::pg_catalog.oid[]) WITH ORDINALITY AS given (o, place)
        UNION ALL
        SELECT base.place, t.typbasetype FROM base JOIN pg_catalog.pg_type AS t
            ON t.oid OPERATOR(pg_catalog.=) base.oid WHERE t.typtype OPERATOR(pg_catalog.=) 'd'
    )
    SELECT pg_catalog.format_type(base.oid, NULL) AS type FROM base JOIN pg_catalog.pg_type AS t
        ON t.oid OPERATOR(pg_catalog.=) base.oid WHERE t.typtype OPERATOR(pg_catalog.<>) 'd' ORDER BY base.place
"""


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


def columns(query: str) -> list[tuple[str, str]]:
    """The names of a query's columns and their types; of a domain the type that it is made of."""
    head = plpy.execute(f"SELECT * FROM ({query}\n) AS q LIMIT 0")
    types = session.rows(_TYPES, ("int8[]",), (list(head.coltypes()),))
    return list(zip(head.colnames(), (row["type"] for row in types), strict=True))


def read(query: str, limit: int) -> Result:
    """The first rows of a query. Raises InvalidInput for what is no query.

    Numbers are int, float or Decimal, an interval is its seconds, a time is ISO 8601 without zone as the session's time
    zone shows it, all else is text.
    """
    text = query.strip().rstrip(";").rstrip()
    if not text:
        raise InvalidInput("query is empty", hint=_HINT)
    try:
        # Left by an error, so that nothing stays of what a function of the query may have done.
        with plpy.subtransaction():
            raise _Read(_read(text, limit))
    except _Read as done:
        return done.result
    except plpy.SPIError as error:
        if error.sqlstate == _SYNTAX_ERROR or str(error).startswith("cannot open multi-query plan"):
            raise InvalidInput(f"query cannot be read: {error}", hint=_HINT) from None
        raise


def _read(query: str, limit: int) -> Result:
    # A cursor takes one statement only.
    plpy.cursor(f"SELECT * FROM ({query}\n) AS q LIMIT 0").close()
    found = columns(query)
    if not found:
        raise InvalidInput("query has no columns", hint=_HINT)
    kept = found[:_MOST_COLUMNS]
    read = ", ".join(f"{_value(f'q.c{place}', its)} AS c{place}" for place, (_, its) in enumerate(kept))
    # By place, as two columns may bear one name.
    places = ", ".join(f"c{place}" for place in range(len(found)))
    rows = list(plpy.execute(f"SELECT {read} FROM ({query}\n) AS q ({places}) WHERE {READ_ONLY} LIMIT {limit + 1}"))
    return Result(
        kept,
        [[row[f"c{place}"] for place in range(len(kept))] for row in rows[:limit]],
        len(rows) > limit or len(found) > _MOST_COLUMNS,
    )


def _value(column: str, type: str) -> str:
    if type in NUMBERS:
        return column
    if type == "money":
        return f"{column}::pg_catalog.numeric"
    if type == "interval":
        return f"EXTRACT(epoch FROM {column})::pg_catalog.float8"
    if type == "date" or type.startswith("timestamp "):
        local = f"{column}::pg_catalog.timestamp"
        written = f"pg_catalog.to_char({local}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
        # Years that four digits can say.
        least, most = (f"pg_catalog.make_timestamp({year}, 1, 1, 0, 0, 0)" for year in (1, 10000))
        ordered = f"{local} OPERATOR(pg_catalog.>=) {least} AND {local} OPERATOR(pg_catalog.<) {most}"
        return f"CASE WHEN {ordered} THEN {written} END"
    return f"pg_catalog.left({column}::pg_catalog.text, {_LONGEST_TEXT})"
