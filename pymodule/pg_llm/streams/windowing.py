"""Windows are defined over a stream, filled from what its target has, and dropped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm.database import search_path
from pg_llm.database.connection import Connection, Row
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.database.security_context import as_extension_owner
from pg_llm.errors import DuplicateStream, InvalidInput
from pg_llm.streams import aggregates, definition, lifecycle, windows, writing
from pg_llm.streams.aggregates import Aggregate
from pg_llm.streams.definition import Stream
from pg_llm.streams.windows import Window

# Windows that one row lies in, at most.
_MOST_HOPS = 1000
# Of seconds only: a day is not always as long in a time zone.
_INTERVAL = """
    SELECT make_interval(secs => EXTRACT(epoch FROM $1::interval)::float8)::text AS text,
           EXTRACT(epoch FROM $1::interval)::float8 AS seconds,
           EXTRACT(year FROM $1::interval) = 0 AND EXTRACT(month FROM $1::interval) = 0 AS even
"""
_INSERT = """
    INSERT INTO llm.all_stream_window (stream, name, relation, kind, size, slide, lateness, group_by, aggregates)
    VALUES ($1, $2, $3::oid::regclass, $4, $5::interval, $6::interval, $7::interval, $8, $9::jsonb) RETURNING id
"""
_TYPES = ("int4", "text", "int8", *("text",) * 4, "text[]", "text")
_FIND = """
    SELECT w.id, w.stream, w.group_by, c.oid::int8 AS oid, format('%I.%I', n.nspname, c.relname) AS relation,
           c.relowner = t.relowner AS own
    FROM llm.all_stream_window AS w JOIN llm.all_stream AS s ON s.id = w.stream JOIN pg_class AS t ON t.oid = s.target
    LEFT JOIN pg_class AS c ON c.oid = w.relation LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE w.name = $1 AND pg_has_role($2::oid, t.relowner, 'USAGE')
"""


def create(
    db: Connection,
    name: str,
    stream_name: str,
    kind: str,
    size: str,
    slide: str | None,
    lateness: str | None,
    group_by: Sequence[str],
    given: Any,
) -> None:
    """Define windows over a stream, in a table of that name beside its target, and fill it."""
    lifecycle.check_name(name)
    stream = definition.reading(db, stream_name)
    definition.check_trusted(stream)
    if stream.event_time is None:
        raise InvalidInput(
            f'the stream "{stream_name}" has no event_time', hint="stream_create() again with event_time."
        )
    lifecycle.check_free(db, name)
    sized, seconds = _interval(db, "size", size, 1e-3)
    slid = sized
    if (kind == "hopping") != (slide is not None):
        raise InvalidInput("slide is how far hopping windows are apart", hint="Only kind => 'hopping' takes it.")
    if slide is not None:
        slid, step = _interval(db, "slide", slide, 1e-3)
        if not seconds / _MOST_HOPS <= step <= seconds:
            raise InvalidInput(f"slide must be at most size, and at least a {_MOST_HOPS}th of it")
    late = _interval(db, "lateness", lateness, 0)[0] if lateness is not None else None
    parsed = aggregates.parse(given)
    draft = Window(0, name, kind, sized, slid, late, list(group_by), parsed, "", 0)
    # No batch of the stream is written meanwhile.
    writing.lock_all(db, stream.id)
    oid = definition.as_owner(db, stream, lambda: _create_table(db, stream, draft))
    number = _insert(db, stream, draft, oid)
    found = next(window for window in windows.of_stream(db, stream) if window.id == number)
    definition.as_owner(db, stream, lambda: windows.fill(db, stream, found))


def find(db: Connection, name: str) -> Row | None:
    """Number, stream and table of the windows of that name, if they are the caller's."""
    rows = _find(db, name, db.current_role())
    return rows[0] if rows else None


def drop(db: Connection, row: Row) -> None:
    """Forget windows, with their table if it is still theirs."""
    if row["own"]:
        stream = definition.by_id(db, row["stream"], trusted=False)
        db.run_as(stream.owner, lambda: db.execute(f"DROP TABLE {row['relation']}"))
    _delete(db, row["id"])


def _create_table(db: Connection, stream: Stream, window: Window) -> int:
    with search_path.pinned(db):
        schema = db.rows(
            "SELECT n.nspname::text AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE c.oid = $1::oid",
            ("int8",),
            (stream.target,),
        )[0]["name"]
        relation = f"{quote_ident(schema)}.{quote_ident(window.name)}"
        if db.rows("SELECT to_regclass($1) IS NOT NULL AS there", ("text",), (relation,))[0]["there"]:
            raise DuplicateStream(f"there is already a relation {relation}")
        f = windows.fragments_of(db, stream, window)
        for column in (str(stream.event_time), *window.group_by):
            if column not in f.types:
                raise InvalidInput(f'{stream.relation} has no column "{column}"', hint=f"It has: {', '.join(f.types)}.")
        key = ", ".join([windows.START, *f.groups])
        db.execute(f"CREATE TABLE {relation} ({windows.table_columns(window, f)}, UNIQUE NULLS NOT DISTINCT ({key}))")
        comment = f"Windows over the stream {stream.name}, kept by pg_llm"
        db.execute(f"COMMENT ON TABLE {relation} IS {quote_literal(comment)}")
        return int(db.rows("SELECT to_regclass($1)::oid::int8 AS oid", ("text",), (relation,))[0]["oid"])


def _interval(db: Connection, name: str, text: str, least: float) -> tuple[str, float]:
    row = db.rows(_INTERVAL, ("text",), (text,))[0]
    if not row["even"] or row["seconds"] < least:
        raise InvalidInput(f"{name} must be a positive interval without months", hint="Months are not all as long.")
    return row["text"], row["seconds"]


def _calls(parsed: Sequence[Aggregate]) -> str:
    return json.dumps({a.name: f"{a.function}({'*' if a.column is None else _quoted(a.column)})" for a in parsed})


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@as_extension_owner
def _insert(db: Connection, stream: Stream, w: Window, oid: int) -> int:
    values = (stream.id, w.name, oid, w.kind, w.size, w.slide, w.lateness, w.group_by, _calls(w.aggregates))
    return int(db.rows(_INSERT, _TYPES, values)[0]["id"])


@as_extension_owner
def _find(db: Connection, name: str, role: int) -> list[Row]:
    return db.rows(_FIND, ("text", "int8"), (name, role))


@as_extension_owner
def _delete(db: Connection, number: int) -> None:
    db.rows("DELETE FROM llm.all_stream_window AS w WHERE w.id = $1", ("int4",), (number,))
