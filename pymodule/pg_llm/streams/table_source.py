"""A table as a source: what is written to it is kept by statement triggers until the stream has taken it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pg_llm.database import catalog, companion_triggers, ownership, search_path
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection, Row
from pg_llm.database.quoting import quote_ident
from pg_llm.database.security_context import as_extension_owner, run_as_extension_owner
from pg_llm.errors import InsufficientPrivilege, InvalidInput
from pg_llm.streams import definition, writing
from pg_llm.streams.definition import Stream
from pg_llm.streams.lease import Claim

PARTITION = "changes"
_TRANSITION = {
    "insert": "REFERENCING NEW TABLE AS changed",
    "update": "REFERENCING OLD TABLE AS former NEW TABLE AS changed",
    "delete": "REFERENCING OLD TABLE AS former",
}
_TYPES = """
    SELECT a.attname::text AS name, format_type(a.atttypid, NULL) AS type FROM pg_attribute AS a
    WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
# All rows of a table: somebody with the rights of its owner, or who was granted all of it and is under no policy.
_MAY_READ = """
    pg_has_role(r.oid, c.relowner, 'USAGE') OR has_schema_privilege(r.oid, c.relnamespace, 'USAGE')
    AND has_table_privilege(r.oid, c.oid, 'SELECT') AND (NOT c.relrowsecurity OR r.rolbypassrls)
"""
_ROLE_MAY_READ = f"""
    SELECT ({_MAY_READ}) AS may, r.rolname::text AS name, format('%I.%I', n.nspname, c.relname) AS relation
    FROM pg_roles AS r, pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE r.oid = $1::oid AND c.oid = $2::oid
"""
# What is read goes to whoever made it: a publication for the table's owner, a stream for one who may read the table.
_FOLLOWED = f"""
    SELECT c.oid::int8 AS oid, c.relowner::int8 AS owner, s.key, s.publish IS NOT NULL AS published,
           CASE WHEN s.publish IS NULL THEN {_MAY_READ} ELSE pg_has_role(r.oid, c.relowner, 'USAGE') END AS allowed,
           format('%I.%I', n.nspname, c.relname) AS relation, s.usename::text AS author
    FROM llm.all_stream AS s
    JOIN pg_class AS c ON c.oid = s.followed JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_class AS t ON t.oid = s.target LEFT JOIN pg_roles AS r ON r.rolname = s.usename WHERE s.id = $1
"""
# Streams that read a table of that role into one of somebody else.
_READING = """
    SELECT s.id FROM llm.all_stream AS s JOIN pg_class AS c ON c.oid = s.followed JOIN pg_class AS t ON t.oid = s.target
    WHERE s.name = $1 AND pg_has_role($2::oid, c.relowner, 'USAGE') AND NOT pg_has_role($2::oid, t.relowner, 'USAGE')
"""
_KEEP = "INSERT INTO llm.stream_change (stream, event, payload) SELECT $1, $2, r.row FROM unnest($3) AS r (row)"
# Workers look by themselves as well; a transaction that notifies cannot be prepared.
_TELL = """
    SELECT pg_notify('llm_stream', '') FROM llm.stream_consumer AS c
    WHERE c.stream = $1 AND current_setting('max_prepared_transactions') = '0' AND pg_notification_queue_usage() < 0.5
    LIMIT 1
"""
_OPEN = """
    INSERT INTO llm.stream_offset AS o (stream, partition, position) VALUES ($1, $2, 0)
    ON CONFLICT (stream, partition) DO UPDATE SET position = 0 WHERE o.position IS NULL
"""
# A worker that takes the lease makes the row before.
_POSITION = """
    SELECT coalesce(o.position, 0) AS position FROM llm.stream_offset AS o WHERE o.stream = $1 AND o.partition = $2
    FOR UPDATE OF o
"""
# Whoever writes a row after somebody else has waited for that one's end: so the changes of a row are in order.
_TAKE = """
    WITH taken AS (
        DELETE FROM llm.stream_change AS c WHERE c.id IN (
            SELECT w.id FROM llm.stream_change AS w WHERE w.stream = $1 ORDER BY w.id LIMIT $2
        ) RETURNING c.id, c.event, c.payload, c.changed_at
    )
    SELECT t.event, t.payload, extract(epoch FROM t.changed_at)::float8 * 1000 AS time FROM taken AS t ORDER BY t.id
"""
_WAITING = "SELECT count(*) AS waiting FROM llm.stream_change AS c WHERE c.stream = $1"


def resolved(db: Connection, source: dict[str, Any]) -> tuple[dict[str, Any], int, list[tuple[str, str]]]:
    """The source with the full name of its table; that table's number, and its columns with their types.

    Raises InsufficientPrivilege unless the caller has the rights of the table's owner.
    """
    oid = ownership.oid(db, source["table"])
    with search_path.pinned(db):
        table = catalog.relation(db, oid, key=())
        ownership.check_owner(db, table)
        companion_triggers.check_followable(db, table, "stream_create")
        own = [(row["name"], row["type"]) for row in db.rows(_TYPES, ("int8",), (table.oid,))]
    return {**source, "table": table.relation}, table.oid, own


def check_reading(db: Connection, oid: int, owner: int) -> None:
    """Raise InsufficientPrivilege unless the target's owner may read all rows of a table."""
    (row,) = db.rows(_ROLE_MAY_READ, ("int8", "int8"), (owner, oid))
    if not row["may"]:
        raise InsufficientPrivilege(
            f'the owner of the target, "{row["name"]}", may not read all rows of {row["relation"]}',
            hint=f"GRANT SELECT ON {row['relation']} TO {quote_ident(row['name'])}; no policy may hide rows from it.",
        )


def find(db: Connection, name: str) -> int | None:
    """The number of the stream of that name, if it reads a table of the caller's into one of somebody else."""
    rows = _reading(db, name, db.current_role())
    return int(rows[0]["id"]) if rows else None


def follow(db: Connection, stream: int, source: Mapping[str, Any], oid: int) -> None:
    """Create the triggers that keep what is written."""
    relation, events = source["table"], source["events"]

    def create() -> None:
        for event in events:
            name = f"stream_{stream}_{event}"
            db.execute(
                f"CREATE TRIGGER {name} AFTER {event.upper()} ON {relation} {_TRANSITION[event]}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION llm.follow_stream({stream})"
            )
            db.execute(f"ALTER TRIGGER {name} ON {relation} DEPENDS ON EXTENSION pg_llm")

    db.run_as(owner(db, oid), create)


def unfollow(db: Connection, stream: int) -> None:
    """Drop the triggers of a stream, wherever they are."""
    rows = db.rows(
        """
        SELECT g.tgname::text AS name, format('%I.%I', n.nspname, c.relname) AS relation, c.relowner::int8 AS owner
        FROM pg_trigger AS g JOIN pg_class AS c ON c.oid = g.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE g.tgfoid = 'llm.follow_stream()'::regprocedure AND g.tgname LIKE $1
        AND pg_has_role(c.relowner, 'USAGE')
        """,
        ("text",),
        (rf"stream\_{stream}\_%",),
    )
    for row in rows:
        statement = f"DROP TRIGGER {row['name']} ON {row['relation']}"
        db.run_as(row["owner"], lambda statement=statement: db.execute(statement))  # type: ignore[misc]


def keep_changes(db: Connection, trigger: Mapping[str, Any]) -> None:
    """Keep the rows that a statement wrote, if who made the stream may read them.

    A trigger that was made by hand is ignored.
    """
    number = companion_triggers.followed_object(db, trigger, "llm.follow_stream()")
    followed = _followed(db, number) if number is not None else None
    if number is None or followed is None or int(trigger["relid"]) != followed["oid"] or not followed["allowed"]:
        return
    source = catalog.relation(db, str(followed["oid"]), key=())
    # A key that has lost a column since tells no rows apart, and must not stop who writes.
    if followed["published"] and set(followed["key"]) <= source.columns.keys():
        source = catalog.relation(db, str(followed["oid"]), key=followed["key"])
    event = str(trigger["event"])
    db.run_as(followed["owner"], lambda: _keep(db, number, source, event))


def run(db: Connection, name: str, max_rows: int | None) -> int:
    """Take what waits for a stream. Returns how many changes were taken from the queue."""
    stream = definition.find(db, name)
    definition.check_trusted(stream)
    if stream.source["kind"] != "table" or stream.publish is not None:
        raise InvalidInput(
            f'the source of the stream "{name}" is no table, or it goes to a topic',
            hint="A worker does it: pg_llm worker --dsn …",
        )
    if stream.state != "running":
        return 0
    done = 0
    while max_rows is None or done < max_rows:
        size = stream.max_batch if max_rows is None else min(stream.max_batch, max_rows - done)
        count = writing.attempt(db, stream, lambda size=size: _take(db, stream, size))  # type: ignore[misc]
        if count <= 0:
            break
        done += count
    return done


def _take(db: Connection, stream: Stream, size: int) -> tuple[writing.Batch | None, int]:
    followed = _followed(db, stream.id)
    if followed is not None and not followed["allowed"]:
        raise writing.Stopped(f'"{followed["author"]}" may not read all rows of {followed["relation"]}')
    position = open_offset(db, stream.id)
    rows = _taken(db, stream.id, size)
    if not rows:
        return None, 0
    claim = Claim(PARTITION, 0, position, position + len(rows), position + len(rows) + _waiting(db, stream.id))
    records = (
        [row["payload"] for row in rows],
        [0] * len(rows),
        list(range(position, position + len(rows))),
        [row["time"] for row in rows],
        [row["event"] for row in rows],
    )
    return writing.read_batch(stream, [claim], [json.dumps(of) for of in records], []), len(rows)


def _keep(db: Connection, stream: int, source: Table, event: str) -> None:
    told = {event.lower(): "former AS t" if event == "DELETE" else "changed AS t"}
    if event == "UPDATE" and source.key:
        # Whoever knows rows by their keys has to forget those that are gone.
        kept = f"SELECT {source.key_object} FROM changed AS t"
        told = {"delete": f"former AS t WHERE {source.key_object} NOT IN ({kept})"} | told
    for name, rows in told.items():
        for batch in db.batches(f"SELECT ({source.object(source.columns)})::text AS row FROM {rows}"):
            values = (stream, name, [row["row"] for row in batch])
            run_as_extension_owner(db, lambda values=values: db.rows(_KEEP, ("int4", "text", "text[]"), values))  # type: ignore[misc]
    run_as_extension_owner(db, lambda: db.rows(_TELL, ("int4",), (stream,)))


def owner(db: Connection, oid: int) -> int:
    """Who owns a table."""
    query = "SELECT c.relowner::int8 AS owner FROM pg_class AS c WHERE c.oid = $1::oid"
    return int(db.rows(query, ("int8",), (oid,))[0]["owner"])


@as_extension_owner
def _followed(db: Connection, number: int) -> Row | None:
    rows = db.rows(_FOLLOWED, ("int4",), (number,))
    return rows[0] if rows else None


@as_extension_owner
def _reading(db: Connection, name: str, role: int) -> list[Row]:
    return db.rows(_READING, ("text", "int8"), (name, role))


@as_extension_owner
def open_offset(db: Connection, stream: int) -> int:
    """Lock how far a stream is, until the transaction ends: the number of changes that were taken."""
    db.rows(_OPEN, ("int4", "text"), (stream, PARTITION))
    return int(db.rows(_POSITION, ("int4", "text"), (stream, PARTITION))[0]["position"])


@as_extension_owner
def _taken(db: Connection, stream: int, size: int) -> list[Row]:
    return db.rows(_TAKE, ("int4", "int8"), (stream, size))


@as_extension_owner
def _waiting(db: Connection, stream: int) -> int:
    return int(db.rows(_WAITING, ("int4",), (stream,))[0]["waiting"])
