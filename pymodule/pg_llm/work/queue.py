"""The queue of work: requests are claimed, so that nobody else takes them, and deleted once the work is done.

    waiting -> claimed -> gone, or delayed (-> claimed again), or dead

A claim is one short transaction of its own, since a writer who asks for the same row once more waits for it. It holds
as long as the statement that made it runs: nothing has to be cleared up after a cancel, a crash or a power cut. A row
that is claimed can be requested again, and the table's unique key sees to it that nobody works on it twice at once.
Rows over which an attempt was lost, with its session or the model host, are tried alone from then on: so the row that
is to blame shows, and the others are done.

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
_FIRST_DELAY = 10.0
_GROWTH = 4.0
_UNIQUE_VIOLATION, _LOCK_NOT_AVAILABLE = "23505", "55P03"
_SHORT_PATIENCE = "SELECT set_config('lock_timeout', '200ms', true)"

# Objects with work that is due, that with the oldest request first. $1: the role whose rights count.
_DUE = """
    SELECT s.kind, s.id AS object FROM llm.companion_table AS s JOIN pg_class AS c ON c.oid = s.source
    CROSS JOIN LATERAL (
        SELECT w.next_at FROM llm.all_work AS w
        WHERE w.kind = s.kind AND w.object = s.id AND w.state = ANY ('{waiting,delayed}')
        AND w.next_at <= clock_timestamp() ORDER BY w.next_at LIMIT 1
    ) AS w
    WHERE s.kind = ANY($2) AND pg_has_role($1::oid, c.relowner, 'USAGE') ORDER BY w.next_at
"""
# A request for all rows ($3) is done alone, and one over which an attempt was lost ($5); none is taken while somebody
# does one for the same row, and none again that failed before the row was requested anew.
_CLAIM = """
    WITH due AS (
        SELECT w.id, w.key_hash FROM llm.all_work AS w
        WHERE w.kind = $1 AND w.object = $2 AND w.state = ANY ('{waiting,delayed}') AND w.next_at <= clock_timestamp()
        AND (w.key IS NULL) = $3 AND (w.losses > 0) = $5 AND NOT EXISTS (
            SELECT FROM llm.all_work AS o WHERE o.kind = $1 AND o.object = $2 AND o.key_hash = w.key_hash
            AND (o.state = 'claimed' OR o.state = 'waiting' AND w.state = 'delayed')
        )
        ORDER BY w.next_at LIMIT $4 FOR UPDATE OF w SKIP LOCKED
    ), outdated AS (
        DELETE FROM llm.all_work AS w USING due AS d
        WHERE w.kind = $1 AND w.object = $2 AND w.key_hash = d.key_hash AND w.state = ANY ('{delayed,dead}')
        AND w.id <> d.id
    )
    UPDATE llm.all_work AS w SET state = 'claimed', claimed_by = pg_backend_pid(), claimed_at = clock_timestamp()
    FROM due AS d WHERE w.id = d.id RETURNING w.id, w.key::text AS key
"""
_CLAIM_TYPES = ("text", "int4", "bool", "int8", "bool")
# Claims whose statement has ended: its session is gone, idle, or runs another statement. Where the server does not
# track what sessions do, only the end of the session tells. They are tried alone at once. Rows that are lost alone wait
# longer each time, so that others get their turn; they are not given up, as a session ends for many reasons.
_RELEASE_ABANDONED = """
    WITH abandoned AS (
        SELECT w.id, w.kind, w.object, w.key_hash FROM llm.all_work AS w LEFT JOIN LATERAL (
            SELECT a.pid FROM pg_stat_get_activity(w.claimed_by) AS a
            WHERE a.backend_start <= w.claimed_at AND (a.state = 'disabled' OR a.query_start <= w.claimed_at)
            AND a.state NOT LIKE 'idle%'
        ) AS holder ON true
        WHERE w.state = 'claimed' AND holder.pid IS NULL FOR UPDATE OF w SKIP LOCKED
    ), doubled AS (
        -- Only a dump that somebody has made up holds such.
        DELETE FROM llm.all_work AS w USING abandoned AS a
        WHERE w.kind = a.kind AND w.object = a.object AND w.key_hash = a.key_hash AND w.state = 'delayed'
        RETURNING w.id
    )
    UPDATE llm.all_work AS w SET state = 'delayed', claimed_by = NULL, claimed_at = NULL,
        losses = least(w.losses + 1, $1),
        next_at = clock_timestamp() + make_interval(
            secs => CASE WHEN w.losses = 0 THEN 0 ELSE $2 * power($3, least(w.losses, $1 - 1) - 1) END
        )
    FROM abandoned AS a WHERE w.id = a.id AND (SELECT count(*) FROM doubled) IS NOT NULL
"""
_RELEASE = """
    UPDATE llm.all_work AS w SET claimed_by = NULL, claimed_at = NULL, attempts = least(w.attempts + $2, $4),
        error = coalesce($3, w.error), state = CASE WHEN w.attempts + $2 >= $4 THEN 'dead' ELSE 'delayed' END,
        next_at = clock_timestamp() + make_interval(secs => $5 * power($6, w.attempts) * (0.75 + random() / 2))
    WHERE w.id = ANY($1)
"""
_SINGLE_OUT = """
    UPDATE llm.all_work AS w SET state = 'delayed', claimed_by = NULL, claimed_at = NULL, error = $2,
        losses = w.losses + 1, next_at = clock_timestamp() + make_interval(secs => $3 * (0.75 + random() / 2))
    WHERE w.id = ANY($1)
"""
_RELEASE_TYPES = ("int8[]", "int4", "text", "int4", "float8", "float8")
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
    DELETE FROM llm.all_work AS d WHERE d.id IN (
        SELECT w.id FROM object AS o JOIN llm.all_work AS w ON w.kind = o.kind AND w.object = o.object
        WHERE NOT EXISTS (SELECT FROM llm.companion_table AS s WHERE s.kind = o.kind AND s.id = o.object)
        FOR UPDATE OF w SKIP LOCKED
    )
"""
_RETRY = """
    UPDATE llm.all_work AS w SET state = 'delayed', next_at = clock_timestamp(), attempts = 0, error = NULL
    FROM llm.companion_table AS s JOIN pg_class AS c ON c.oid = s.source
    WHERE s.kind = w.kind AND s.id = w.object AND pg_has_role($1::oid, c.relowner, 'USAGE')
    AND ($2::oid IS NULL OR s.source = $2::oid) AND w.error IS NOT NULL AND (w.state = 'delayed' OR w.state = 'dead'
        AND NOT EXISTS (SELECT FROM llm.all_work AS o WHERE o.kind = w.kind AND o.object = w.object
                        AND o.key_hash = w.key_hash AND o.state = 'delayed'))
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
    """Claim requests for rows of an object, or one alone: for all its rows, or over which an attempt was lost."""
    for all_rows, is_lost in ((True, True), (True, False), (False, True), (False, False)):
        try:
            with db.savepoint():
                # What is set is put back with the role.
                db.rows(_SHORT_PATIENCE)
                rows = db.rows(_CLAIM, _CLAIM_TYPES, (kind, object_id, all_rows, 1 if is_lost else limit, is_lost))
        except DatabaseError as error:
            # Somebody else has claimed an earlier request for one of these rows just now, or keeps one locked.
            if error.sqlstate not in (_UNIQUE_VIOLATION, _LOCK_NOT_AVAILABLE):
                raise
            rows = []
        if rows:
            return [Request(row["id"], row["key"]) for row in rows]
    return []


@as_extension_owner
def finish(db: Connection, requests: Sequence[Request]) -> None:
    """Delete requests that are done."""
    db.rows("DELETE FROM llm.all_work WHERE id = ANY($1)", ("int8[]",), ([request.id for request in requests],))


def fail(db: Connection, request: Request, error: str) -> None:
    """Give up a claim as the row has failed, to be tried again later, or not at all."""
    _release(db, [request], 1, error, _FIRST_DELAY, _GROWTH)


@as_extension_owner
def single_out(db: Connection, requests: Sequence[Request], error: str) -> None:
    """Give up claims over which the model host died: each is tried alone after a while."""
    ids = [request.id for request in requests]
    db.rows(_SINGLE_OUT, ("int8[]", "text", "float8"), (ids, error, _FIRST_DELAY))


def delay(db: Connection, requests: Sequence[Request], seconds: float, error: str | None) -> None:
    """Give up claims for a while, for a reason that is not in the rows."""
    _release(db, requests, 0, error, seconds, 1.0)


@as_extension_owner
def tidy(db: Connection) -> None:
    """Release claims that were abandoned, and remove requests for objects that are gone."""
    # What sessions do is remembered until the transaction ends, and claims may be younger than that.
    db.rows("SELECT pg_stat_clear_snapshot()")
    db.rows(_RELEASE_ABANDONED, ("int4", "float8", "float8"), (MAX_ATTEMPTS, _FIRST_DELAY, _GROWTH))
    db.rows(_REMOVE_ORPHANS)


@as_extension_owner
def retry(db: Connection, role: int, table: int | None) -> int:
    """Let requests that failed be tried again, as far as a role has the rights for them. Returns how many."""
    return len(db.rows(_RETRY, ("int8", "int8"), (role, table)))


@as_extension_owner
def _release(
    db: Connection, requests: Sequence[Request], attempts: int, error: str | None, seconds: float, growth: float
) -> None:
    ids = [request.id for request in requests]
    db.rows(_RELEASE, _RELEASE_TYPES, (ids, attempts, error, MAX_ATTEMPTS, seconds, growth))


@as_extension_owner
def waiting_counts(db: Connection, kind: str, number: int) -> tuple[int, int]:
    """How many requests for an object wait, or are being worked on, and how many have failed so far."""
    query = """
        SELECT count(*) FILTER (WHERE w.state <> 'dead') AS waiting, count(w.error) AS failed
        FROM llm.all_work AS w WHERE w.kind = $1 AND w.object = $2
    """
    row = db.rows(query, ("text", "int4"), (kind, number))[0]
    return row["waiting"], row["failed"]
