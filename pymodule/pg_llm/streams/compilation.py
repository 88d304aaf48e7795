"""A transform or condition as it is kept: with every name resolved, so that it means later what it meant.

PostgreSQL itself reads it, as a view, and says what it has read. A plain transform is put in its batch form.
"""

from __future__ import annotations

import re

from pg_llm.columns import batching
from pg_llm.database import catalog, search_path
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.quoting import quote_ident
from pg_llm.errors import InsufficientPrivilege, InvalidInput
from pg_llm.streams import transform
from pg_llm.streams.definition import Stream

_DEFINITION = "SELECT pg_get_viewdef('pg_temp.stream_view'::regclass) AS text"
# What lies in the session's own schema, beside the batch.
_TEMPORARY = """
    SELECT format('%I', c.relname) AS name FROM pg_rewrite AS r
    JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    JOIN pg_class AS c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid
    WHERE r.ev_class = 'pg_temp.stream_view'::regclass AND c.relnamespace = pg_my_temp_schema()
    AND c.relname NOT IN ('batch', 'stream_view') LIMIT 1
"""
_NO_RIGHT = "42501"
# What follows an expression that is the only column of such a view.
_VALUE = " AS stream_value\n   FROM "
# As the server writes it: SELECT … FROM batch, perhaps with a condition, and nothing else.
_NAME = r'[a-z_][a-z0-9_$]*|"(?:[^"]|"")+"'
_PLAIN = re.compile(
    rf"SELECT (?!DISTINCT\b)(?P<items>.*?)\s+FROM batch(?: (?P<alias>{_NAME}))?(?:\s+WHERE (?P<condition>.*))?",
    re.DOTALL,
)
_ITEM = re.compile(rf"(?P<expression>.*) AS (?P<name>{_NAME})", re.DOTALL)
_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\w+|[()\[\],]""")
_CLAUSE = re.compile(
    r"\b(?:FROM|WHERE|GROUP|HAVING|WINDOW|ORDER|LIMIT|OFFSET|FETCH|FOR|UNION|INTERSECT|EXCEPT|SELECT)\b"
)


class _Finished(Exception):
    def __init__(self, text: str) -> None:
        self.text = text


def resolved(db: Connection, stream: Stream) -> str:
    """The transform as the server reads it, under the caller's search path. Raises InvalidInput."""
    text = transform.select(stream)
    columns = [(quote_ident(name), type_) for name, type_ in stream.columns]
    if transform.names_metadata(text):
        columns += transform.METADATA.items()
    batch = f"CREATE TEMPORARY TABLE batch ({', '.join(' '.join(column) for column in columns)})"
    return _read(db, "transform", text, batch)


def resolved_expression(db: Connection, what: str, relation: str, expression: str) -> str:
    """An expression over a row `r` of a relation, and `score`, as the server reads it under the caller's search path.

    `what` it is goes into the message. Raises InvalidInput.
    """
    query = (
        f"SELECT (\n{expression}\n) AS stream_value FROM {relation} AS r"
        " CROSS JOIN (SELECT NULL::pg_catalog.float8 AS score) AS stream_score"
    )
    text = _read(db, what, query)
    return text[: text.rindex(_VALUE)].removeprefix("SELECT ")


def batched(text: str, columns: list[str], schema: str) -> str | None:
    """The resolved transform with calls of our functions for one text made once for all; None where there are none.

    Only a plain SELECT from the batch is taken apart, and of its columns those that are such a call. Whoever asks has
    to see whether the server reads it as it read the other one.
    """
    plain = _PLAIN.fullmatch(text)
    if plain is None or any(name.startswith("stream_") for name in columns):
        return None
    condition, alias = plain["condition"], plain["alias"] or "batch"
    items = _split(plain["items"])
    if items is None or (condition is not None and _split(condition) is None):
        return None
    joins = []
    for place, item in enumerate(items):
        named = _ITEM.fullmatch(item)
        call = batching.batch_call(named["expression"], columns, schema) if named else None
        if named is None or call is None:
            continue
        texts = f"(SELECT pg_catalog.array_agg({call.input} ORDER BY stream_row) FROM stream_given AS {alias})"
        number = f"stream_row_{place}"
        joins.append(
            f"LEFT JOIN {call.call(texts)} AS stream_call_{place} ({number}, stream_value_{place})"
            f" ON {number} OPERATOR(pg_catalog.=) stream_row"
        )
        items[place] = f"stream_value_{place} AS {named['name']}"
    if not joins:
        return None
    where = f" WHERE {condition}" if condition is not None else ""
    return "\n".join(
        [
            "WITH stream_given AS MATERIALIZED (",
            f"SELECT pg_catalog.row_number() OVER () AS stream_row, {alias}.* FROM batch AS {alias}{where}",
            f") SELECT {', '.join(items)} FROM stream_given AS {alias}",
            *joins,
            "ORDER BY stream_row",
        ]
    )


def _read(db: Connection, what: str, query: str, batch: str | None = None) -> str:
    try:
        # The exception rolls the savepoint back, and with it table and view.
        with db.savepoint():
            if batch is not None:
                db.execute(batch)
            db.execute(f"CREATE TEMPORARY VIEW stream_view AS\n{query}")
            with search_path.pinned(db):
                if rows := db.query_unprepared(_TEMPORARY):
                    name = rows[0]["name"]
                    raise InvalidInput(f"the {what} reads the temporary table {name}, which only this session has")
                raise _Finished(db.query_unprepared(_DEFINITION)[0]["text"])
    except _Finished as done:
        return done.text.strip().removesuffix(";")
    except DatabaseError as error:
        if error.sqlstate == _NO_RIGHT:
            hint = "GRANT TEMPORARY ON DATABASE … lets it be read."
            raise InsufficientPrivilege(f"the {what} cannot be read: {error}", hint=hint) from None
        if error.sqlstate.startswith(("0A", "22", "42")):
            raise InvalidInput(f"the {what} cannot be read: {error}", hint=error.hint) from None
        raise


def schema(db: Connection) -> str:
    """The schema of our functions, quoted."""
    with search_path.pinned(db):
        return catalog.schema_of(db, "pg_llm")


def _split(text: str) -> list[str] | None:
    """What commas part, outside of brackets; None where another clause follows there."""
    parts, depth, begin = [], 0, 0
    for token in _TOKEN.finditer(text):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token[0], 0)
        if depth == 0 and _CLAUSE.fullmatch(token[0]):
            return None
        if depth == 0 and token[0] == ",":
            parts.append(text[begin : token.start()].strip())
            begin = token.end()
    return [*parts, text[begin:].strip()]
