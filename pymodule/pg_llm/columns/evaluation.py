"""Values of an AI column's expression, computed with the rights of the table's owner and without a trace beside them.

Rows are computed together. Where one of them fails, halves are tried until it is found; it has its error for a result,
and the others have their values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pg_llm.columns.batching import batch_call
from pg_llm.columns.definition import AIColumn
from pg_llm.database import catalog, models
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

    `key` is the row's key as JSON, `input_hash` that of the inputs which the value was computed from, hexadecimal.
    """

    key: str
    input_hash: str
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
            return [Result(key, input_hash, None, message, {}) for key, input_hash in hashes.items()]
        middle = len(keys) // 2
        halves = ({key: hashes[key] for key in half} for half in (keys[:middle], keys[middle:]))
        return [result for half in halves for result in evaluate(db, column, half)]
    return [Result(row["key"], row["input_hash"], row["value"], None, recorded) for row in rows]


def to_json(results: Sequence[Result]) -> str:
    """The results as a JSON array of objects; keys pass through unparsed, with all their digits."""
    objects = []
    for result in results:
        fields = {
            "input_hash": result.input_hash,
            "value": result.value,
            "error": result.error,
            "models": dict(result.models),
        }
        objects.append(f'{{"key": {result.key}, {json.dumps(fields, ensure_ascii=False)[1:]}')
    return f"[{', '.join(objects)}]"


def _rows(db: Connection, column: AIColumn, keys: Sequence[str]) -> list[Row]:
    """Key, hash and value of each row; what functions in the expression may have done beside is rolled back."""
    query = _query(column, catalog.schema_of(db, "pg_llm"))
    try:
        # The exception rolls the savepoint back.
        with db.savepoint():
            # A row that failed is one that has no value yet, whatever the session makes of its own.
            db.execute("SELECT pg_catalog.set_config('llm.on_error', 'error', true)")
            raise _Finished(db.query_unprepared(query, ("text",), (f"[{', '.join(keys)}]",)))
    except _Finished as done:
        return done.rows


def _query(column: AIColumn, schema: str) -> str:
    source, definition = column.source, column.definition
    key, input_hash = (_free_name(name, definition.inputs) for name in ("key", "input_hash"))
    rows = f"""
        SELECT r.* FROM {source.keys("$1::jsonb")} CROSS JOIN LATERAL (
            SELECT {source.key_object}::text AS {key}, encode({column.input_hash}, 'hex') AS {input_hash},
                   {column.input_columns}
            FROM {source.relation} AS t WHERE {source.same_key} LIMIT 1
        ) AS r
    """
    batch = batch_call(definition.compiled, definition.inputs, schema)
    if batch is None:
        # OFFSET: the value is computed once, however often it is named outside.
        valued = f"""
            SELECT r.{key} AS key, r.{input_hash} AS input_hash, ({definition.compiled}) AS value
            FROM ({rows}) AS r OFFSET 0
        """
    else:
        valued = f"""
            WITH given AS MATERIALIZED (
                SELECT row_number() OVER () AS place, r.{key} AS key, r.{input_hash} AS input_hash,
                       ({batch.input}) AS input
                FROM ({rows}) AS r
            )
            SELECT g.key, g.input_hash, b.value FROM given AS g
            JOIN {batch.call("(SELECT array_agg(g.input ORDER BY g.place) FROM given AS g)")} AS b (place, value)
            ON b.place = g.place
        """
    return f"""
        SELECT v.key, v.input_hash, {column.value_type.text("v.value")} AS value FROM ({valued}) AS v WHERE {READ_ONLY}
    """


def _free_name(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name
