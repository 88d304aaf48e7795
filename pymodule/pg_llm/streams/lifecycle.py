"""Streams are made, made anew with another definition, paused, resumed, sent elsewhere and dropped."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pg_llm.database import ownership, relation_names, search_path
from pg_llm.database.connection import Connection, DatabaseError, Row
from pg_llm.database.quoting import quote_ident
from pg_llm.database.security_context import as_extension_owner
from pg_llm.errors import DuplicateStream, InvalidInput, UndefinedStream
from pg_llm.streams import compilation, definition, lease, records, sources, state, table_source, transform
from pg_llm.streams.definition import Stream
from pg_llm.streams.transform import Output

ON_ERROR = ("dead_letter", "stop", "skip")
MOST_ROWS = 100_000
_LONGEST_DELAY = 3_600_000
_TIMES = ("timestamp with time zone", "timestamp without time zone", "date")
_TARGET = """
    SELECT c.oid::int8 AS oid, format('%I.%I', n.nspname, c.relname) AS relation, c.relkind::text AS kind,
           c.relowner::int8 AS owner, pg_get_userbyid(c.relowner)::text AS owner_name, c.relpersistence::text AS lasts
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1::oid
"""
_INSERT = """
    INSERT INTO llm.all_stream (name, source, target, columns, transform, key, event_time, on_error, max_batch,
                                max_delay, settings, usename, followed)
    VALUES ($1, $2::jsonb, $3::oid::regclass, $4::jsonb, $5, $6, $7, $8, $9, $10, $11::jsonb, pg_get_userbyid($12::oid),
            $13::oid::regclass)
    ON CONFLICT (name) DO UPDATE SET source = excluded.source, columns = excluded.columns,
        transform = excluded.transform, key = excluded.key, event_time = excluded.event_time,
        on_error = excluded.on_error, max_batch = excluded.max_batch, max_delay = excluded.max_delay,
        settings = excluded.settings, usename = excluded.usename, followed = excluded.followed, error = NULL,
        state = CASE all_stream.state WHEN 'stopped' THEN 'running' ELSE all_stream.state END
    WHERE all_stream.id = $14 RETURNING id
"""
_INSERT_TYPES = (
    *("text", "text", "int8", "text", "text"),
    "text[]",
    *("text", "text", "int4", "int4", "text", "int8", "int8", "int4"),
)
_TYPES = """
    SELECT CASE t.oid WHEN 'unknown'::regtype THEN 'text' ELSE format_type(t.oid, NULL) END AS name
    FROM unnest($1) WITH ORDINALITY AS n (oid, place) JOIN pg_type AS t ON t.oid = n.oid::oid ORDER BY n.place
"""
# Streams whose target is gone.
_FORGET = """
    DELETE FROM llm.all_stream AS s WHERE s.name = $1 AND NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = s.target)
"""
_TAKEN = """
    SELECT s.name, s.target::oid::int8 AS target FROM llm.all_stream AS s WHERE s.name = $1
    UNION ALL SELECT w.name, NULL FROM llm.all_stream_window AS w WHERE w.name = $1
    UNION ALL SELECT a.name, NULL FROM llm.all_stream_alert AS a WHERE a.name = $1
"""


def create(
    db: Connection,
    name: str,
    source: str,
    target: str,
    columns: str | None,
    text: str | None,
    key: Sequence[str],
    event_time: str | None,
    on_error: str,
    max_batch: int,
    max_delay: str,
) -> None:
    """Make a stream, and its target if there is none; or define it anew, from the next batch on."""
    check_name(name)
    settings = definition.current_settings(db)
    path = settings["search_path"]
    settings["search_path"] = path if "pg_temp" in path else ", ".join(filter(None, (path, "pg_temp")))
    about = _target(db, target)
    place = None if about else _new_place(db, target)
    read = sources.checked(_parsed("source", source))
    followed, own = None, None
    if read["kind"] == "table":
        read, followed, own = table_source.resolved(db, read)
    declared = records.columns(db, _parsed("columns", columns), read, own)
    with search_path.pinned(db):
        milliseconds = _milliseconds(db, max_delay)
        owner = about["owner"] if about else db.current_role()
        before = _free_name(db, name, about)
        stream = Stream(
            id=0,
            name=name,
            source=read,
            target=about["oid"] if about else 0,
            relation=about["relation"] if about else "",
            owner=owner,
            owner_name=about["owner_name"] if about else "",
            columns=declared,
            transform=text,
            key=list(key),
            event_time=event_time,
            on_error=on_error,
            max_batch=max_batch,
            max_delay=milliseconds,
            settings=settings,
            state="running",
            trusted=True,
        )
        if followed is not None:
            table_source.check_reading(db, followed, owner)
        described = db.run_as(owner, lambda: _describe(db, stream))
        output = Output([column for column, _ in described], stream.key)
        _check(stream, described)
    if text is not None:
        stream = _compiled(db, stream, owner, described)
    with search_path.pinned(db):
        if place is not None:
            stream = db.run_as(owner, lambda: _create_target(db, stream, place, described))
        if stream.target == followed:
            raise InvalidInput("a table cannot be the target of its own stream")
        _check_writing(db, stream, output)
        number = _insert(db, stream, followed, before)
        if before is not None:
            table_source.unfollow(db, before)
        if followed is not None:
            table_source.follow(db, number, read, followed)
    for function in transform.of_one_text(stream.transform or ""):
        db.notice(
            f"{function}() reads the texts of a batch one by one here",
            hint=f"{function}_batch() takes all of a batch at once, and is three to ten times as quick.",
        )


def pause(db: Connection, name: str) -> None:
    """Let a stream rest."""
    state.set_state(db, definition.find(db, name).id, "paused", None)


def resume(db: Connection, name: str) -> None:
    """Let a stream go on that was paused or stopped."""
    stream = definition.find(db, name)
    definition.check_trusted(stream)
    state.set_state(db, stream.id, "running", None)


def seek(db: Connection, name: str, partition: str | None, position: int | None, at: str | None) -> int:
    """Let one or all partitions go on from an offset or a moment. Returns how many."""
    stream = definition.find(db, name)
    if (position is None) == (at is None):
        raise InvalidInput("say either an offset or a moment", hint="Write \"offset\" => 0 or at => '2026-01-01'.")
    if position is not None and position < 0:
        raise InvalidInput("offset must not be negative", hint="0 is the first one.")
    if stream.source["kind"] not in sources.LOGS:
        raise InvalidInput(
            f"a source of the kind {stream.source['kind']} keeps nothing that could be read again",
            hint="stream_retry() takes dead letters once more.",
        )
    count = lease.seek(db, stream.id, partition, position, at)
    if not count:
        raise InvalidInput(
            f'the stream "{name}" has no partition "{partition}"'
            if partition
            else f'no partition of "{name}" is known',
            hint="SELECT partition FROM stream_stats shows them, once a worker has seen the source.",
        )
    return count


def drop(db: Connection, number: int) -> None:
    """Forget a stream with what hangs on it; its target stays."""
    table_source.unfollow(db, number)
    _delete(db, number)


def check_name(name: str) -> None:
    """Raise InvalidInput for what is no name of a stream, window or alert."""
    if not name.strip() or len(name.encode()) > 63:
        raise InvalidInput(f'name is "{name[:80]}", and must have 1 to 63 bytes')


def check_free(db: Connection, name: str) -> None:
    """Raise DuplicateStream for a name that a stream, window or alert has."""
    if _taken(db, name):
        raise DuplicateStream(f'there is already a stream, window or alert "{name}"')


def _free_name(db: Connection, name: str, about: Row | None) -> int | None:
    """The number of the stream that is defined anew, None for a new one. Raises DuplicateStream."""
    taken = _taken(db, name)
    if not taken:
        return None
    try:
        stream = definition.find(db, name)
    except UndefinedStream:
        stream = None
    if stream is None or about is None or stream.target != about["oid"] or stream.publish is not None:
        raise DuplicateStream(
            f'there is already a stream, window or alert "{name}"' + (f", to {stream.relation}" if stream else "")
        )
    return stream.id


def _target(db: Connection, target: str) -> Row | None:
    """What is known of a table that the caller may fill, found on the caller's path; None where there is none."""
    found = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid::pg_catalog.int8 AS oid"
    try:
        with db.savepoint():
            oid = db.rows(found, ("text",), (target,))[0]["oid"]
    except DatabaseError as error:
        raise InvalidInput(f'target "{target[:100]}" is no name of a table: {error}') from None
    if oid is None:
        return None
    with search_path.pinned(db):
        about = db.rows(_TARGET, ("int8",), (oid,))[0]
        if about["kind"] not in "rp" or about["lasts"] == "t":
            raise InvalidInput(f"{about['relation']} is no table that stays", hint="Name a table, or a new one.")
        if not ownership.acts_for_number(db, about["owner"]):
            raise ownership.not_owner(f"table {about['relation']}", about["owner_name"])
        relation_names.note(db, about["oid"], about["relation"])
    return about


def _new_place(db: Connection, target: str) -> tuple[str, str]:
    """Schema and name for a new table."""
    parse = "SELECT pg_catalog.parse_ident($1) AS parts, pg_catalog.current_schema()::text AS schema"
    try:
        with db.savepoint():
            row = db.rows(parse, ("text",), (target,))[0]
    except DatabaseError as error:
        raise InvalidInput(f'target "{target[:100]}" is no name of a table: {error}') from None
    parts: list[str] = row["parts"]
    schema = parts[0] if len(parts) == 2 else row["schema"]
    if len(parts) > 2 or schema is None:
        raise InvalidInput(f'target "{target[:100]}" is no name of a table', hint="Write table or schema.table.")
    return schema, parts[-1]


def _describe(db: Connection, stream: Stream) -> list[tuple[str, str]]:
    """Names and types of what the stream's transform gives, with the owner's rights."""
    definition.apply(db, stream.settings)
    try:
        with db.savepoint():
            described = db.describe(transform.described(stream))
    except DatabaseError as error:
        if error.sqlstate.startswith(("22", "42", "0A")):
            raise InvalidInput(
                f"the transform cannot be read: {error}",
                hint=error.hint or "It is one SELECT over batch, whose columns are those of the records.",
            ) from None
        raise
    with search_path.pinned(db):
        types = db.rows(_TYPES, ("int8[]",), ([oid for _, oid in described],))
    return [(name, row["name"]) for (name, _), row in zip(described, types, strict=True)]


def _compiled(db: Connection, stream: Stream, owner: int, described: Sequence[tuple[str, str]]) -> Stream:
    """The stream with its transform as it is kept: in its batch form where that gives the same columns."""
    names = [name for name, _ in stream.columns]
    resolved = replace(stream, transform=compilation.resolved(db, stream))
    if text := compilation.batched(str(resolved.transform), names, compilation.schema(db)):
        batched = replace(stream, transform=text)
        with search_path.pinned(db), contextlib.suppress(InvalidInput):
            if db.run_as(owner, lambda: _describe(db, batched)) == described:
                return batched
    return resolved


def _check(stream: Stream, described: Sequence[tuple[str, str]]) -> None:
    names = [name for name, _ in described]
    if not names or len(set(names)) != len(names):
        raise InvalidInput(
            "the transform gives no columns, or two of one name", hint="Give each column a name: … AS x."
        )
    for name in stream.key:
        if name not in names:
            raise InvalidInput(
                f'there is no column "{name}" for the key', hint=f"The stream gives: {', '.join(names)}."
            )
    types = dict(stream.columns)
    if stream.event_time is not None and types.get(stream.event_time) not in _TIMES:
        raise InvalidInput(
            f'event_time "{stream.event_time}" is no column of the records with a time',
            hint=f"columns has: {', '.join(types)}; the type is timestamptz, timestamp or date.",
        )


def _create_target(
    db: Connection, stream: Stream, place: tuple[str, str], described: Sequence[tuple[str, str]]
) -> Stream:
    relation = ".".join(map(quote_ident, place))
    columns = [f"{quote_ident(name)} {type_}" for name, type_ in described]
    if stream.key:
        columns.append(f"PRIMARY KEY ({', '.join(map(quote_ident, stream.key))})")
    db.execute(f"CREATE TABLE {relation} ({', '.join(columns)})")
    if stream.event_time in {name for name, _ in described}:
        db.execute(f"CREATE INDEX ON {relation} ({quote_ident(str(stream.event_time))})")
    oid = int(db.rows("SELECT to_regclass($1)::oid::int8 AS oid", ("text",), (relation,))[0]["oid"])
    about = db.rows(_TARGET, ("int8",), (oid,))[0]
    return replace(stream, target=oid, relation=about["relation"], owner_name=about["owner_name"])


def _check_writing(db: Connection, stream: Stream, output: Output) -> None:
    """Raise InvalidInput where what the stream gives cannot be written to its target."""
    text = transform.statement(stream, output, tracked=True)
    try:
        with db.savepoint():
            definition.as_owner(db, stream, lambda: db.prepare(text, transform.TYPES))
    except DatabaseError as error:
        if error.sqlstate.startswith("42"):
            raise InvalidInput(
                f"what the stream gives cannot be written to {stream.relation}: {error}",
                hint=error.hint or "Columns go by name; a key needs a unique index on just these columns.",
            ) from None
        raise


def _milliseconds(db: Connection, delay: str) -> int:
    query = "SELECT (EXTRACT(epoch FROM $1::interval) * 1000)::int8 AS value"
    value = int(db.rows(query, ("text",), (delay,))[0]["value"])
    if not 0 <= value <= _LONGEST_DELAY:
        raise InvalidInput("max_delay must lie between 0 and 1 hour")
    return value


def _parsed(name: str, text: str | None) -> Any:
    try:
        return json.loads(text) if text is not None else None
    except RecursionError as error:
        raise InvalidInput(f"{name} is nested too deeply") from error


@as_extension_owner
def _taken(db: Connection, name: str) -> list[Row]:
    db.rows(_FORGET, ("text",), (name,))
    return db.rows(_TAKEN, ("text",), (name,))


@as_extension_owner
def _insert(db: Connection, stream: Stream, followed: int | None, before: int | None) -> int:
    values = (
        *(stream.name, json.dumps(stream.source), stream.target, json.dumps(stream.columns), stream.transform),
        *(stream.key, stream.event_time, stream.on_error, stream.max_batch, stream.max_delay),
        *(json.dumps(stream.settings), stream.owner, followed, before),
    )
    rows = db.rows(_INSERT, _INSERT_TYPES, values)
    if not rows:
        # Somebody else's, made since it was looked for.
        raise DuplicateStream(f'there is already a stream "{stream.name}"')
    return int(rows[0]["id"])


@as_extension_owner
def _delete(db: Connection, number: int) -> None:
    db.rows("DELETE FROM llm.all_stream AS s WHERE s.id = $1", ("int4",), (number,))
