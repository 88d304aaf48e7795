"""A transactional outbox (Richardson 2018): what is written to a table, or raised by an alert, waits to be sent.

A publication is a row among the streams whose records go the other way: triggers, or the alert, keep them in the
transaction that makes them, and a worker that holds the lease sends them to a topic, in order, until brokers have them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm.database import search_path
from pg_llm.database.connection import Connection, DatabaseError, Row
from pg_llm.database.security_context import as_extension_owner
from pg_llm.errors import DuplicateStream, InvalidInput
from pg_llm.streams import alerting, dead_letters, definition, history, lease, lifecycle, sources, state, table_source
from pg_llm.streams.dead_letters import DeadLetter
from pg_llm.streams.definition import Stream

# Records and bytes that a worker is given at once.
_AT_ONCE, _BYTES = 5000, 16_000_000
_INSERT = """
    INSERT INTO llm.all_stream (name, source, target, columns, key, on_error, max_batch, max_delay, settings, usename,
                                followed, publish)
    VALUES ($1, $2::jsonb, $3::oid::regclass, $4::jsonb, $5, 'dead_letter', $6, 0, '{}', pg_get_userbyid($7::oid),
            $8::oid::regclass, $9::jsonb)
    ON CONFLICT (name) DO NOTHING RETURNING id
"""
_INSERT_TYPES = ("text", "text", "int8", "text", "text[]", "int4", "int8", "int8", "text")
_KEY = """
    SELECT a.attname::text AS name FROM pg_index AS i
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = $1::oid AND i.indisprimary ORDER BY array_position(i.indkey::smallint[], a.attnum)
"""
# The number of those that wait is told before they are sent, so that brokers that are gone are seen in the lag.
_LAG = """
    UPDATE llm.stream_offset AS o SET last_position = n.last
    FROM (
        SELECT p.position + (SELECT count(*) FROM llm.stream_change AS c WHERE c.stream = $1) AS last
        FROM llm.stream_offset AS p WHERE p.stream = $1 AND p.partition = $2
    ) AS n
    WHERE o.stream = $1 AND o.partition = $2 AND o.last_position IS DISTINCT FROM n.last
"""
_WAITING = """
    SELECT s.id, s.event, s.payload, s.time FROM (
        SELECT w.id, w.event, w.payload, (extract(epoch FROM w.changed_at) * 1000)::int8 AS time,
               sum(octet_length(w.payload)) OVER (ORDER BY w.id) AS bytes, row_number() OVER (ORDER BY w.id) AS number
        FROM (SELECT c.* FROM llm.stream_change AS c WHERE c.stream = $1 ORDER BY c.id LIMIT $2) AS w
    ) AS s WHERE s.number = 1 OR s.bytes <= $3 ORDER BY s.id
"""
_SENT = """
    WITH gone AS (DELETE FROM llm.stream_change AS c WHERE c.stream = $1 AND c.id = ANY($3) RETURNING c.id)
    UPDATE llm.stream_offset AS o SET position = o.position + n.count, rows = o.rows + n.count - $4,
        dead = o.dead + $4, batches = o.batches + 1, written_at = clock_timestamp(), error = NULL,
        lease_until = clock_timestamp() + make_interval(secs => $5)
    FROM (SELECT count(*) AS count FROM gone AS g) AS n WHERE o.stream = $1 AND o.partition = $2
"""
_AGAIN = """
    WITH letters AS (
        DELETE FROM llm.all_stream_dead_letter AS d
        WHERE d.stream = $1 AND ($2 IS NULL OR d.id = $2) AND d.whole AND d.payload IS NOT NULL
        RETURNING d.position, d.key, d.payload
    ), again AS (
        INSERT INTO llm.stream_change (stream, event, payload)
        SELECT $1, l.key, convert_from(l.payload, 'UTF8') FROM letters AS l ORDER BY l.position
        RETURNING id
    )
    SELECT count(*) AS count FROM again AS a
"""


def create(
    db: Connection, name: str, source: str, topic: str, receiver: Any, events: Sequence[str] | None, max_batch: int
) -> None:
    """Send what a table is told, or an alert raises, to a topic from now on; `source` names either."""
    lifecycle.check_name(name)
    brokers = sources.checked_receiver(topic, receiver)
    if (alert := alerting.find(db, source)) is not None:
        if _is_relation(db, source):
            # Whoever may name an alert, or make a table, could have the other one's place.
            raise InvalidInput(
                f'"{source}" is an alert and a table',
                hint="Write the table as schema.table, or name the alert otherwise.",
            )
        with search_path.pinned(db):
            lifecycle.check_free(db, name)
            stream = alerting.stream_of(db, alert)
            about = {"kind": "alert", "alert": source}
            _insert(db, name, about, stream.target, [], [], max_batch, stream.owner, None, brokers | {"alert": alert})
        return
    if events is not None and not set(events) <= set(sources.EVENTS):
        raise InvalidInput("events must be a list", hint=f"Of these: {', '.join(sources.EVENTS)}.")
    table: dict[str, Any] = {"kind": "table", "table": source}
    read, oid, columns = table_source.resolved(db, table)
    with search_path.pinned(db):
        lifecycle.check_free(db, name)
        key = [row["name"] for row in db.rows(_KEY, ("int8",), (oid,))]
        told = list(dict.fromkeys(events or (sources.EVENTS if key else ("insert", "update"))))
        if "delete" in told and not key:
            raise InvalidInput(
                f"{read['table']} has no primary key, so nothing would say which row was deleted",
                hint="Write events => '{insert,update}', or give it a primary key.",
            )
        read["events"] = told
        owner = table_source.owner(db, oid)
        number = _insert(db, name, read, oid, columns, key, max_batch, owner, oid, brokers | {"key": key})
        table_source.follow(db, number, read, oid)


def _is_relation(db: Connection, name: str) -> bool:
    """Whether a name is that of a relation, on the caller's path."""
    try:
        with db.savepoint():
            found = "SELECT pg_catalog.to_regclass($1) IS NOT NULL AS found"
            return bool(db.rows(found, ("text",), (name,))[0]["found"])
    except DatabaseError as error:
        # What is no name of a relation at all; a cancel is not that.
        if not error.sqlstate.startswith(("0A", "22", "42")):
            raise
        return False


def waiting(db: Connection, number: int, token: int, limit: int) -> list[Row]:
    """The next records to be sent, for a worker that holds the lease with that token."""
    stream = _publication(db, number)
    if stream.state != "running":
        return []
    table_source.open_offset(db, stream.id)
    lease.check_token(db, stream.id, table_source.PARTITION, token)
    return _waiting(db, stream.id, min(limit, _AT_ONCE))


def sent(db: Connection, number: int, token: int, numbers: Sequence[int], failed: str) -> None:
    """Forget records that the brokers have, and keep those that they refuse as dead letters.

    `failed` are their numbers, events, payloads and errors, a JSON array.
    """
    stream = _publication(db, number)
    lease.check_token(db, stream.id, table_source.PARTITION, token)
    letters = [
        # What happened stands in the place of the key, which the payload has.
        DeadLetter.of_text(letter["payload"], 0, letter["id"], letter["event"], None, letter["error"], "22000")
        for letter in json.loads(failed)
    ]
    dead_letters.keep(db, stream.id, [table_source.PARTITION], letters)
    _sent(db, stream.id, numbers, len(letters))
    state.report(db, stream.id, None, None)
    history.note(db, stream.id, {table_source.PARTITION: len(numbers)})


@as_extension_owner
def retry(db: Connection, stream: int, number: int | None) -> int:
    """Let records that brokers refused wait once more. Returns how many."""
    return int(db.rows(_AGAIN, ("int4", "int8"), (stream, number))[0]["count"])


def _publication(db: Connection, number: int) -> Stream:
    stream = definition.by_id(db, number)
    if stream.publish is None:
        raise InvalidInput(f'the stream "{stream.name}" is no publication')
    return stream


@as_extension_owner
def _insert(
    db: Connection,
    name: str,
    read: dict[str, Any],
    target: int,
    columns: Sequence[tuple[str, str]],
    key: Sequence[str],
    max_batch: int,
    owner: int,
    followed: int | None,
    publish: dict[str, Any],
) -> int:
    values = (name, json.dumps(read), target, json.dumps(columns), list(key), max_batch, owner, followed)
    rows = db.rows(_INSERT, _INSERT_TYPES, (*values, json.dumps(publish)))
    if not rows:
        raise DuplicateStream(f'there is already a stream "{name}"')
    return int(rows[0]["id"])


@as_extension_owner
def _waiting(db: Connection, stream: int, limit: int) -> list[Row]:
    db.rows(_LAG, ("int4", "text"), (stream, table_source.PARTITION))
    return db.rows(_WAITING, ("int4", "int8", "int8"), (stream, limit, _BYTES))


@as_extension_owner
def _sent(db: Connection, stream: int, numbers: Sequence[int], dead: int) -> None:
    values = (stream, table_source.PARTITION, list(numbers), dead, lease.SECONDS)
    db.rows(_SENT, ("int4", "text", "int8[]", "int8", "float8"), values)
    db.rows(_LAG, ("int4", "text"), (stream, table_source.PARTITION))
