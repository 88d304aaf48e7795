"""The statement that takes a batch: its records as typed rows, the SELECT over them, the rows that it writes.

All of it is one statement, which runs with the rights of the target's owner and under the owner's search path.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pg_llm.columns import batching
from pg_llm.database import query_text
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.errors import InvalidInput
from pg_llm.streams.definition import Stream

# What is known of a record beside its columns.
METADATA = {
    "stream_partition": "pg_catalog.text",
    "stream_offset": "pg_catalog.int8",
    "stream_time": "pg_catalog.timestamptz",
    "stream_key": "pg_catalog.text",
}
# The records as JSON arrays, one element each: payload, number of the partition among the claims, offset, milliseconds,
# key; the names of the partitions; the first and the last record to be taken, from 1; the stream's watermark.
TYPES = (*("text",) * 5, "text[]", "int8", "int8", "timestamptz")
# Calls of functions that take one text and have a twin that takes many.
_OF_ONE_TEXT = re.compile(rf"\b({'|'.join(batching.FUNCTIONS)})\s*\(", re.IGNORECASE)
# An event time that lies further ahead than this is a clock that is wrong: it moves no watermark.
_SKEW = "1 minute"


@dataclass(frozen=True, slots=True)
class Output:
    """The columns of the transform that are written to the target, and of these the ones that are its key."""

    columns: list[str]
    key: list[str]


def batch(stream: Stream, given: Sequence[str] | None = None) -> list[str]:
    """The parts of WITH that give `batch`; `given` are literals in place of the parameters, to describe it."""
    payloads, places, positions, times, keys, names, first, last = given or [f"${n}" for n in range(1, 9)]
    columns = ", ".join(f"{quote_ident(name)} {type_}" for name, type_ in stream.columns)
    elements = "pg_catalog.json_array_elements_text"
    arrays = [payloads]
    metadata = ""
    if _needs_metadata(stream):
        arrays += [places, positions, times, keys]
        metadata = (
            f", ({names})[m.place::pg_catalog.int4 OPERATOR(pg_catalog.+) 1] AS stream_partition,"
            " m.position::pg_catalog.int8 AS stream_offset,"
            " pg_catalog.to_timestamp(m.time::pg_catalog.float8 OPERATOR(pg_catalog./) 1000) AS stream_time,"
            " m.key AS stream_key, m.place::pg_catalog.int4 AS stream_place"
        )
    functions = ", ".join(f"{elements}({array}::pg_catalog.json)" for array in arrays)
    names_of = ", ".join(["payload", "place", "position", "time", "key"][: len(arrays)])
    shown = [quote_ident(name) for name, _ in stream.columns]
    if stream.transform is not None and names_metadata(stream.transform):
        shown += METADATA
    records = (
        f"SELECT x.*{metadata} FROM ROWS FROM ({functions}) WITH ORDINALITY AS m ({names_of}, number)"
        f" CROSS JOIN LATERAL pg_catalog.json_to_record(m.payload::pg_catalog.json) AS x ({columns})"
        f" WHERE m.number OPERATOR(pg_catalog.>=) {first} AND m.number OPERATOR(pg_catalog.<=) {last}"
        # One that is known not to be readable in its format.
        " AND m.payload IS NOT NULL"
    )
    # Read twice where event times are told apart.
    once = "MATERIALIZED " if stream.event_time is not None else ""
    return [f"stream_record AS {once}({records})", f"batch AS (SELECT {', '.join(shown)} FROM stream_record)"]


def described(stream: Stream) -> str:
    """A query with the columns of the transform."""
    given = ["'[]'"] * 5 + ["'{}'::pg_catalog.text[]", "1", "0"]
    return f"WITH {', '.join(batch(stream, given))} SELECT * FROM (\n{select(stream)}\n) AS q"


def select(stream: Stream) -> str:
    """The transform; one that takes the records as they are where there is none."""
    if stream.transform is None:
        return f"SELECT {', '.join(quote_ident(name) for name, _ in stream.columns)} FROM batch"
    text = query_text.without_end(stream.transform)
    if not text:
        raise InvalidInput("transform is empty", hint="Write SELECT … FROM batch, or NULL for the records as they are.")
    return text


def of_one_text(transform: str) -> list[str]:
    """The functions that a transform calls for each text, and that have a twin for many."""
    return sorted({name.lower() for name in _OF_ONE_TEXT.findall(transform)})


def statement(stream: Stream, output: Output, tracked: bool) -> str:
    """The statement that takes records: what it gives is one row with `marks`, `written` and `former`.

    `marks` has the latest event time and the late records of each partition. `written` and `former` are the rows of the
    target that are new or were changed, and what was there before, as JSON arrays; they are given if `tracked`.
    """
    columns = ", ".join(map(quote_ident, output.columns))
    source = f"(\n{select(stream)}\n) AS q"
    parts = batch(stream)
    if output.key:
        key = ", ".join(map(quote_ident, output.key))
        # Of rows with one key the last one is kept.
        rows = f"SELECT q.*, pg_catalog.row_number() OVER () AS stream_row FROM {source}"
        parts.append(
            f"output AS {'MATERIALIZED ' if tracked else ''}(SELECT DISTINCT ON ({key}) {columns} FROM ({rows}) AS q"
            f" ORDER BY {key}, stream_row DESC)"
        )
        source = "output AS q"
    returning = "RETURNING pg_catalog.to_jsonb(t.*) AS row" if tracked else "RETURNING 1"
    parts.append(
        f"written AS (INSERT INTO {stream.relation} AS t ({columns}) SELECT {columns} FROM {source}"
        f"{_conflict(output)} {returning})"
    )
    if tracked and output.key:
        same = " AND ".join(f"t.{name} = q.{name}" for name in map(quote_ident, output.key))
        parts.append(
            f"former AS (SELECT pg_catalog.to_jsonb(t.*) AS row FROM {stream.relation} AS t, output AS q WHERE {same})"
        )
    given = ["(SELECT pg_catalog.count(*) FROM written)::pg_catalog.text AS written", "NULL AS former"]
    if tracked:
        given[0] = "(SELECT pg_catalog.jsonb_agg(w.row)::pg_catalog.text FROM written AS w) AS written"
        if output.key:
            same = f"({_key_of('f', output)}) IN (SELECT {_key_of('w', output)} FROM written AS w)"
            given[1] = f"(SELECT pg_catalog.jsonb_agg(f.row)::pg_catalog.text FROM former AS f WHERE {same}) AS former"
    return f"WITH {', '.join(parts)} SELECT {_marks(stream)} AS marks, {', '.join(given)}"


def _key_of(row: str, output: Output) -> str:
    """The key of a row in JSON, as one value that can be hashed."""
    values = (f"{row}.row OPERATOR(pg_catalog.->) {quote_literal(name)}" for name in output.key)
    return f"pg_catalog.jsonb_build_array({', '.join(values)})"


def _marks(stream: Stream) -> str:
    if stream.event_time is None:
        return "NULL"
    at = f"b.{quote_ident(stream.event_time)}::pg_catalog.timestamptz"
    soon = f"pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) {quote_literal(_SKEW)}::pg_catalog.interval"
    return f"""(
        SELECT pg_catalog.jsonb_object_agg(p.place, pg_catalog.jsonb_build_array(p.latest, p.late))::pg_catalog.text
        FROM (
            SELECT b.stream_place AS place, EXTRACT(epoch FROM pg_catalog.max({at}) FILTER (
                       WHERE {at} OPERATOR(pg_catalog.<=) ({soon}) AND pg_catalog.isfinite({at})
                   ))::pg_catalog.float8 AS latest,
                   pg_catalog.count(*) FILTER (WHERE {at} OPERATOR(pg_catalog.<) $9) AS late
            FROM stream_record AS b GROUP BY b.stream_place
        ) AS p
    )"""


def _conflict(output: Output) -> str:
    if not output.key:
        return ""
    key = ", ".join(map(quote_ident, output.key))
    others = [quote_ident(name) for name in output.columns if name not in output.key]
    if not others:
        return f" ON CONFLICT ({key}) DO NOTHING"
    before, after = (f"ROW({', '.join(f'{of}.{name}' for name in others)})" for of in ("t", "excluded"))
    changes = ", ".join(f"{name} = excluded.{name}" for name in others)
    # As text: some types cannot be compared.
    return (
        f" ON CONFLICT ({key}) DO UPDATE SET {changes}"
        f" WHERE {before}::pg_catalog.text OPERATOR(pg_catalog.<>) {after}::pg_catalog.text"
    )


@functools.lru_cache(maxsize=64)
def names_metadata(transform: str) -> bool:
    """Whether a transform may use what is known of a record beside its columns."""
    return any(name in transform.lower() for name in METADATA)


def _needs_metadata(stream: Stream) -> bool:
    return stream.event_time is not None or (stream.transform is not None and names_metadata(stream.transform))
