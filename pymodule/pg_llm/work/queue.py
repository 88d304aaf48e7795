"""The queue of work: requests are claimed, so that nobody else takes them, and deleted once the work is done.

A claim is one short transaction of its own, since a writer who asks for the same row once more waits for it. It holds
as long as the statement that made it runs: nothing has to be cleared up after a cancel, a crash or a power cut. A row
that is claimed can be requested again, and nobody works on it twice at once.

All of this runs with the rights of the extension's owner, on tables of the extension; which objects a caller may work
on is asked for the caller's role.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.security_context import as_extension_owner

# A row that has failed so often is a dead letter.
MAX_ATTEMPTS = 5
# Seconds until the second attempt; each further one waits four times as long: 10 s, 40 s, 3 min, 11 min.
_FIRST_DELAY = 10
_GROWTH = 4
# Seconds for which everything waits that needs what was not there: a host, an endpoint, memory.
_PAUSE = 30
# Seconds for which a row waits that others are writing.
_MOMENT = 0.5
_LOCK_NOT_AVAILABLE = "55P03"

# Objects with work that is due, that with the oldest request first. $1: the role whose rights count.
_DUE = """
    SELECT s.kind, s.object FROM llm.all_work_source AS s JOIN pg_class AS c ON c.oid = s.source
    CROSS JOIN LATERAL (
        SELECT w.next_at FROM llm.all_work AS w
        WHERE w.kind = s.kind AND w.object = s.object AND w.claimed_by IS NULL AND NOT w.dead
        AND w.next_at <= clock_timestamp() ORDER BY w.next_at LIMIT 1
    ) AS w
    WHERE s.kind = ANY($2) AND pg_has_role($1::oid, c.relowner, 'USAGE') ORDER BY w.next_at
"""
# A request for all rows is done alone; no request is taken while somebody does one for the same row.
_CLAIM = """
    WITH due AS (
        SELECT w.id FROM llm.all_work AS w
        WHERE w.kind = $1 AND w.object = $2 AND w.claimed_by IS NULL AND NOT w.dead AND w.next_at <= clock_timestamp()
        AND (w.key IS NULL) = $3 AND NOT EXISTS (
            SELECT FROM llm.all_work AS o
            WHERE o.kind = $1 AND o.object = $2 AND o.claimed_by IS NOT NULL
            AND ($3 OR o.key IS NULL OR o.key_hash = w.key_hash)
        )
        ORDER BY w.next_at LIMIT $4 FOR UPDATE OF w SKIP LOCKED
    )
    UPDATE llm.all_work AS w SET claimed_by = pg_backend_pid(), claimed_at = clock_timestamp()
    FROM due AS d WHERE w.id = d.id RETURNING w.id, w.key::text AS key
"""
# Claims whose statement has ended: its session is gone, idle, or runs another statement. Where the server does not
# track what sessions do, only the end of the session tells.
_ABANDONED = """
    SELECT w.id FROM llm.all_work AS w LEFT JOIN LATERAL (
        SELECT a.pid FROM pg_stat_get_activity(w.claimed_by) AS a
        WHERE a.backend_start <= w.claimed_at AND (a.state = 'disabled' OR a.query_start <= w.claimed_at)
        AND a.state NOT LIKE 'idle%'
    ) AS holder ON true
    WHERE w.claimed_by IS NOT NULL AND holder.pid IS NULL FOR UPDATE OF w SKIP LOCKED
"""
# Back among those that wait, unless the row was requested again meanwhile.
_PUT_BACK = """
    WITH returned AS (DELETE FROM llm.all_work AS w WHERE w.id = ANY($1) RETURNING w.*)
    INSERT INTO llm.all_work AS w (kind, object, key, requested_at, next_at, attempts, error, dead)
    SELECT r.kind, r.object, r.key, r.requested_at,
           coalesce(
               clock_timestamp() + make_interval(secs => $3 * power($4, r.attempts) * (0.75 + random() / 2)), r.next_at
           ),
           r.attempts + $5, coalesce($2, r.error), r.attempts + $5 >= $6
    FROM returned AS r ON CONFLICT (kind, object, key_hash) WHERE claimed_by IS NULL DO NOTHING
"""
_PUT_BACK_TYPES = ("int8[]", "text", "float8", "float8", "int4", "int4")
# Requests for objects that are no longer there. The queue may be long, the objects in it are few.
_REMOVE_ORPHANS = """
    WITH RECURSIVE object AS (
        (SELECT w.kind, w.object FROM llm.all_work AS w ORDER BY w.kind, w.object LIMIT 1)
        UNION ALL
        SELECT n.kind, n.object FROM object AS o CROSS JOIN LATERAL (
            SELECT w.kind, w.object FROM llm.all_work AS w
            WHERE (w.kind, w.object) > (o.kind, o.object) ORDER BY w.kind, w.object LIMIT 1
        ) AS n
    )
    DELETE FROM llm.all_work AS w USING object AS o
    WHERE w.kind = o.kind AND w.object = o.object
    AND NOT EXISTS (SELECT FROM llm.all_work_source AS s WHERE s.kind = o.kind AND s.object = o.object)
"""
_RETRY = """
    UPDATE llm.all_work AS w SET next_at = clock_timestamp(), attempts = 0, error = NULL, dead = false
    FROM llm.all_work_source AS s JOIN pg_class AS c ON c.oid = s.source
    WHERE s.kind = w.kind AND s.object = w.object AND pg_has_role($1::oid, c.relowner, 'USAGE')
    AND ($2::oid IS NULL OR s.source = $2::oid) AND w.error IS NOT NULL AND w.claimed_by IS NULL
    RETURNING w.id
"""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that this session has claimed; `key` is the row's primary key as JSON, None for all rows."""

    id: int
    key: str | None


@as_extension_owner
def due_objects(db: Connection, role: int, kinds: Sequence[str]) -> list[tuple[str, int]]:
    """Kind and number of the objects with work that is due, as far as a role has the rights of their tables' owners."""
    return [(row["kind"], row["object"]) for row in db.rows(_DUE, ("int8", "text[]"), (role, list(kinds)))]


@as_extension_owner
def claim(db: Connection, kind: str, object_id: int, limit: int) -> list[Request]:
    """Claim requests for rows of an object, or the one for all its rows."""
    for all_rows in (True, False):
        rows = db.rows(_CLAIM, ("text", "int4", "bool", "int8"), (kind, object_id, all_rows, limit))
        if rows:
            return [Request(row["id"], row["key"]) for row in rows]
    return []


@as_extension_owner
def finish(db: Connection, requests: Sequence[Request]) -> None:
    """Delete requests that are done."""
    db.rows("DELETE FROM llm.all_work WHERE id = ANY($1)", ("int8[]",), ([request.id for request in requests],))


def fail(db: Connection, request: Request, error: str) -> None:
    """Put a request back whose row has failed, to be tried again later or not at all."""
    _put_back(db, [request.id], error, _FIRST_DELAY, 1)


def postpone(db: Connection, requests: Sequence[Request], error: str | None) -> None:
    """Put requests back that failed for want of something else than a right row; without an error, for a moment."""
    _put_back(db, [request.id for request in requests], error, _PAUSE if error is not None else _MOMENT, 0)


@as_extension_owner
def tidy(db: Connection) -> None:
    """Put requests back whose claim was abandoned, and remove those for objects that are gone."""
    # What sessions do is remembered until the transaction ends, and claims may be younger than that.
    db.rows("SELECT pg_stat_clear_snapshot()")
    abandoned = [row["id"] for row in db.rows(_ABANDONED)]
    if abandoned:
        _put_back(db, abandoned, None, None, 0)
    db.rows(_REMOVE_ORPHANS)


@as_extension_owner
def retry(db: Connection, role: int, table: int | None) -> int:
    """Let requests that failed be tried again, as far as a role has the rights for them. Returns how many."""
    return len(db.rows(_RETRY, ("int8", "int8"), (role, table)))


@as_extension_owner
def _put_back(db: Connection, ids: Sequence[int], error: str | None, delay: float | None, attempts: int) -> None:
    values = (list(ids), error, delay, _GROWTH if attempts else 1, attempts, MAX_ATTEMPTS)
    try:
        with db.savepoint():
            # A writer who has just requested the same row may take long: then the claim lapses with this statement.
            db.rows("SELECT set_config('lock_timeout', '1s', true)")
            db.rows(_PUT_BACK, _PUT_BACK_TYPES, values)
    except DatabaseError as reported:
        if reported.sqlstate != _LOCK_NOT_AVAILABLE:
            raise


@as_extension_owner
def waiting_counts(db: Connection, kind: str, number: int) -> tuple[int, int]:
    """How many requests for an object wait, or are being worked on, and how many have failed so far."""
    query = """
        SELECT count(*) FILTER (WHERE NOT w.dead) AS waiting, count(w.error) AS failed
        FROM llm.all_work AS w WHERE w.kind = $1 AND w.object = $2
    """
    row = db.rows(query, ("text", "int4"), (kind, number))[0]
    return row["waiting"], row["failed"]
