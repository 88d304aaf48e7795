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
class Answer:
    """Columns with their types, the rows, and whether there were more of either.

    Numbers are int, float or Decimal, an interval is its seconds, a time is ISO 8601 without zone as the session's time
    zone shows it, all else is text.
    """

    columns: list[tuple[str, str]]
    rows: list[list[Any]]
    cut: bool


class _Read(Exception):
    def __init__(self, answer: Answer) -> None:
        self.answer = answer


def read(query: str, limit: int) -> Answer:
    """The first rows of a query. Raises InvalidInput for what is no query."""
    text = query.strip().rstrip(";").rstrip()
    if not text:
        raise InvalidInput("query is empty", hint=_HINT)
    try:
        # Left by an error, so that nothing stays of what a function of the query may have done.
        with plpy.subtransaction():
            raise _Read(_read(text, limit))
    except _Read as done:
        return done.answer
    except plpy.SPIError as error:
        if error.sqlstate == _SYNTAX_ERROR or str(error).startswith("cannot open multi-query plan"):
            raise InvalidInput(f"query cannot be read: {error}", hint=_HINT) from None
        raise


def _read(query: str, limit: int) -> Answer:
    whole = f"SELECT * FROM ({query}\n) AS q LIMIT 0"
    # A cursor takes one statement only.
    plpy.cursor(whole).close()
    shape = plpy.execute(whole)
    names = shape.colnames()
    if not names:
        raise InvalidInput("query has no columns", hint=_HINT)
    types = [row["type"] for row in session.rows(_TYPES, ("int8[]",), (list(shape.coltypes()),))]
    kept = range(min(len(names), _MOST_COLUMNS))
    read = ", ".join(f"{_value(f'q.c{place}', types[place])} AS c{place}" for place in kept)
    # By place, as two columns may bear one name.
    columns = ", ".join(f"c{place}" for place in range(len(names)))
    found = list(plpy.execute(f"SELECT {read} FROM ({query}\n) AS q ({columns}) WHERE {READ_ONLY} LIMIT {limit + 1}"))
    return Answer(
        [(names[place], types[place]) for place in kept],
        [[row[f"c{place}"] for place in kept] for row in found[:limit]],
        len(found) > limit or len(names) > _MOST_COLUMNS,
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
