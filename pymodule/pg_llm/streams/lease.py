"""Leases on partitions with fencing tokens (Kleppmann 2016): several workers share a stream, and none writes after it.

A lease holds for some seconds after it was last renewed, and no longer than its session lives. Whoever takes it over
raises the token, which a writing transaction compares under the row's lock: a worker that was thought dead, and comes
back, is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm.database.connection import Connection, Row
from pg_llm.database.security_context import as_extension_owner
from pg_llm.errors import ConcurrentChange

# Seconds that a lease holds when its worker says nothing, and that a worker counts when it does not.
SECONDS = 10.0
_SEEN = """
    INSERT INTO llm.stream_consumer AS c (stream, pid, seen_at) VALUES ($1, pg_backend_pid(), clock_timestamp())
    ON CONFLICT (stream, pid) DO UPDATE SET seen_at = excluded.seen_at
"""
_FORGET_GONE = """
    DELETE FROM llm.stream_consumer AS c WHERE (c.stream, c.pid) IN (
        SELECT g.stream, g.pid FROM llm.stream_consumer AS g WHERE g.stream = $1 AND (
            g.seen_at < clock_timestamp() - make_interval(secs => $2)
            OR NOT EXISTS (SELECT FROM pg_stat_get_activity(g.pid) AS a WHERE a.backend_start <= g.seen_at)
        ) FOR UPDATE OF g SKIP LOCKED
    )
"""
_LEAVE = "DELETE FROM llm.stream_consumer AS c WHERE c.stream = $1 AND c.pid = pg_backend_pid()"
# A partition that is added to a topic that is read already, or comes with a topic that begins to match a pattern, is
# read from its beginning, whatever `start` says: what it has came after that.
_ADD = r"""
    INSERT INTO llm.stream_offset AS o (stream, partition, seek_to)
    SELECT $1, p.name, CASE WHEN EXISTS (
        SELECT FROM llm.stream_offset AS b JOIN llm.all_stream AS s ON s.id = b.stream
        WHERE b.stream = $1 AND (
            s.source ->> 'pattern' IS NOT NULL
            OR regexp_replace(b.partition, '/\d+$', '') = regexp_replace(p.name, '/\d+$', '')
        )
    ) THEN to_timestamp(0) END
    FROM unnest($2) AS p (name) ON CONFLICT (stream, partition) DO NOTHING
"""
# Held by this session, and not by an earlier one whose process had the same number.
_MINE = """
    o.holder = pg_backend_pid() AND o.held_since >= (
        SELECT a.backend_start FROM pg_stat_get_activity(pg_backend_pid()) AS a
    )
"""
_RENEW = f"""
    UPDATE llm.stream_offset AS o SET lease_until = clock_timestamp() + make_interval(secs => $2)
    WHERE o.stream = $1 AND {_MINE} RETURNING o.partition
"""
_RELEASE = f"""
    UPDATE llm.stream_offset AS o SET holder = NULL, lease_until = NULL
    WHERE o.stream = $1 AND {_MINE} AND o.partition = ANY($2)
"""
# One that is being written is locked, and its holder alive.
_TAKE = """
    WITH free AS (
        SELECT o.partition FROM llm.stream_offset AS o
        WHERE o.stream = $1 AND o.partition = ANY($2) AND (
            o.holder IS NULL OR o.lease_until < clock_timestamp()
            OR NOT EXISTS (SELECT FROM pg_stat_get_activity(o.holder) AS a WHERE a.backend_start <= o.held_since)
        )
        ORDER BY o.partition LIMIT $3 FOR UPDATE OF o SKIP LOCKED
    )
    UPDATE llm.stream_offset AS o SET holder = pg_backend_pid(), token = o.token + 1, held_since = clock_timestamp(),
        lease_until = clock_timestamp() + make_interval(secs => $4)
    FROM free AS f WHERE o.stream = $1 AND o.partition = f.partition RETURNING o.partition
"""
_HELD = f"""
    SELECT o.partition, o.position, o.seek_to, o.token FROM llm.stream_offset AS o
    WHERE o.stream = $1 AND {_MINE} AND o.partition = ANY($2) ORDER BY o.partition
"""
_SHARE = """
    SELECT greatest(1, ceil(cardinality($2)::float8 / greatest(count(*), 1)))::int8 AS share
    FROM llm.stream_consumer AS c WHERE c.stream = $1
"""
_POSITION = f"""
    UPDATE llm.stream_offset AS o SET position = $4, seek_to = NULL, error = NULL
    WHERE o.stream = $1 AND o.partition = $2 AND o.token = $3 AND {_MINE} RETURNING o.token
"""
_FENCE = """
    SELECT o.partition, o.token, o.position, o.seek_to FROM llm.stream_offset AS o
    WHERE o.stream = $1 AND o.partition = ANY($2) ORDER BY o.partition FOR UPDATE OF o
"""
_SEEK = """
    UPDATE llm.stream_offset AS o SET position = $3, seek_to = $4::timestamptz, token = o.token + 1, holder = NULL,
        lease_until = NULL, error = NULL
    WHERE o.stream = $1 AND ($2 IS NULL OR o.partition = $2) RETURNING o.partition
"""
_LONGEST_NAME = 300


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker says of a partition that it writes for: its token, the first record's offset, the one after all."""

    partition: str
    token: int
    start: int
    end: int
    last: int | None


@as_extension_owner
def take(db: Connection, stream: int, partitions: Sequence[str]) -> list[Row]:
    """Renew the session's leases, give up those beyond its fair share, and take free ones up to it."""
    names = [name[:_LONGEST_NAME] for name in partitions]
    db.rows("SELECT pg_stat_clear_snapshot()")
    db.rows(_SEEN, ("int4",), (stream,))
    db.rows(_FORGET_GONE, ("int4", "float8"), (stream, SECONDS))
    db.rows(_ADD, ("int4", "text[]"), (stream, names))
    share = int(db.rows(_SHARE, ("int4", "text[]"), (stream, names))[0]["share"])
    mine = sorted(row["partition"] for row in db.rows(_RENEW, ("int4", "float8"), (stream, SECONDS)))
    here = [name for name in mine if name in names]
    if surplus := [name for name in mine if name not in here[:share]]:
        db.rows(_RELEASE, ("int4", "text[]"), (stream, surplus))
    if (wanted := share - len(here)) > 0:
        db.rows(_TAKE, ("int4", "text[]", "int8", "float8"), (stream, names, wanted, SECONDS))
    return db.rows(_HELD, ("int4", "text[]"), (stream, names))


@as_extension_owner
def leave(db: Connection, stream: int) -> None:
    """Give up all leases of the session on a stream."""
    names = [row["partition"] for row in db.rows(_RENEW, ("int4", "float8"), (stream, SECONDS))]
    db.rows(_RELEASE, ("int4", "text[]"), (stream, names))
    db.rows(_LEAVE, ("int4",), (stream,))


@as_extension_owner
def set_position(db: Connection, stream: int, partition: str, token: int, position: int) -> bool:
    """Set where a partition is read from; False if another holds it by now."""
    values = (stream, partition, token, position)
    return bool(db.rows(_POSITION, ("int4", "text", "int8", "int8"), values))


@as_extension_owner
def seek(db: Connection, stream: int, partition: str | None, position: int | None, at: str | None) -> int:
    """Let partitions go on elsewhere; whoever reads them loses them. Returns how many."""
    return len(db.rows(_SEEK, ("int4", "text", "int8", "text"), (stream, partition, position, at)))


@as_extension_owner
def check_token(db: Connection, stream: int, partition: str, token: int) -> None:
    """Lock a partition until the transaction ends. Raises ConcurrentChange unless its token is as it was given."""
    rows = db.rows(_FENCE, ("int4", "text[]"), (stream, [partition]))
    if not rows or rows[0]["token"] != token:
        raise _lost(partition)


@as_extension_owner
def fence(db: Connection, stream: int, claims: Sequence[Claim]) -> None:
    """Lock the partitions until the transaction ends. Raises ConcurrentChange unless all are as they were claimed."""
    rows = db.rows(_FENCE, ("int4", "text[]"), (stream, [claim.partition for claim in claims]))
    found: dict[Any, Row] = {row["partition"]: row for row in rows}
    for claim in claims:
        row = found.get(claim.partition)
        if row is None or (row["token"], row["position"], row["seek_to"]) != (claim.token, claim.start, None):
            raise _lost(claim.partition)


def _lost(partition: str) -> ConcurrentChange:
    return ConcurrentChange(
        f'the partition "{partition}" is read by another session by now, or from elsewhere',
        hint="Take the lease again and go on from the offset that it gives.",
    )
