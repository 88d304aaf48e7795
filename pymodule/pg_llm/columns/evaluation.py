"""Values of an AI column's expression for rows of its source, with the owner's rights and without a trace in the database.

Rows are computed together. Where one of them fails, halves are tried until it is found; it has its error for a result,
and the others have their values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pg_llm.columns.definition import AIColumn
from pg_llm.database import models
from pg_llm.database.connection import Connection, DatabaseError, Row
from pg_llm.database.select import READ_ONLY

# SQLSTATE classes of what is not the row's fault: cancel and shutdown, a conflict of transactions, want of memory or
# disk, and a model host or an endpoint that does not answer.
_UNRELATED_ERRORS = ("57", "40", "53", "58")
# What is wrong for every row: a function, model or column that is gone, a right that was taken away.
_ERRORS_OF_ALL = ("42", "55")
_LONGEST_ERROR = 1000


@dataclass(frozen=True, slots=True)
class Result:
    """The value of one row as text, or its error, and the models that took part: their digests by name.

    `key` is the row's key as JSON, `hash` that of the inputs which the value was computed from, hexadecimal.
    """

    key: str
    hash: str
    value: str | None
    error: str | None
    models: Mapping[str, str | None]


class _Finished(Exception):
    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows


def evaluate(db: Connection, column: AIColumn, hashes: Mapping[str, str]) -> list[Result]:
    """The results for the rows with these keys, each given with the hash of its inputs; none for rows that are gone.

    To be called as the owner of the source.
    """
    keys = list(hashes)
    try:
        with models.recording() as recorded:
            rows = _rows(db, column, keys)
    except DatabaseError as error:
        if error.sqlstate.startswith(_UNRELATED_ERRORS):
            raise
        message = f"{error}"[:_LONGEST_ERROR]
        if len(keys) == 1 or error.sqlstate.startswith(_ERRORS_OF_ALL):
            return [Result(key, hash, None, message, {}) for key, hash in hashes.items()]
        middle = len(keys) // 2
        halves = ({key: hashes[key] for key in half} for half in (keys[:middle], keys[middle:]))
        return [result for half in halves for result in evaluate(db, column, half)]
    return [Result(row["key"], row["hash"], row["value"], None, recorded) for row in rows]


def _rows(db: Connection, column: AIColumn, keys: Sequence[str]) -> list[Row]:
    """Key, hash and value of each row; what functions in the expression may have done beside is rolled back."""
    query, types, values = _query(column), ("text",), (f"[{', '.join(keys)}]",)
    try:
        # The exception rolls the savepoint back.
        with db.savepoint():
            raise _Finished(db.query_unprepared(query, types, values))
    except _Finished as done:
        return done.rows


def _query(column: AIColumn) -> str:
    source, definition = column.source, column.definition
    key, hash = (_other_name(name, definition.inputs) for name in ("key", "hash"))
    # OFFSET: the value is computed once, however often it is named outside.
    return f"""
        SELECT v.key, v.hash, {column.value_type.text("v.value")} AS value FROM (
            SELECT r.{key} AS key, r.{hash} AS hash, ({definition.compiled}) AS value FROM (
                SELECT {source.key_object}::text AS {key}, encode({column.input_hash}, 'hex') AS {hash},
                       {column.input_columns}
                FROM {source.keys("$1::jsonb")} JOIN {source.relation} AS t ON {source.same_key}
            ) AS r OFFSET 0
        ) AS v WHERE {READ_ONLY}
    """


def _other_name(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name


def to_json(results: Sequence[Result]) -> str:
    """The results as a JSON array of objects."""
    return json.dumps(
        [
            {
                "key": json.loads(result.key),
                "hash": result.hash,
                "value": result.value,
                "error": result.error,
                "models": dict(result.models),
            }
            for result in results
        ],
        ensure_ascii=False,
    )
