"""Workers: sessions that have announced themselves, so that writers tell them of new work and users see them."""

from __future__ import annotations

from pg_llm.database.connection import Connection
from pg_llm.database.security_context import as_extension_owner

# Those of sessions that are gone make room.
_REMOVE_ENDED = """
    DELETE FROM llm.all_worker AS w WHERE w.pid IN (
        SELECT k.pid FROM llm.all_worker AS k WHERE NOT EXISTS (
            SELECT FROM pg_stat_get_activity(k.pid) AS a WHERE a.backend_start <= k.since
        ) FOR UPDATE OF k SKIP LOCKED
    )
"""
_ANNOUNCE = """
    INSERT INTO llm.all_worker (pid, role) VALUES (pg_backend_pid(), $1::oid)
    ON CONFLICT (pid) DO UPDATE SET role = excluded.role
"""
_RECORD = """
    UPDATE llm.all_worker SET rows = rows + $1, failures = failures + $2, seconds = seconds + $3
    WHERE pid = pg_backend_pid()
"""


def announce(db: Connection) -> None:
    """Make the session a worker, which does the work of the caller's role."""
    _insert(db, db.current_role())


@as_extension_owner
def record(db: Connection, done: int, failed: int, seconds: float) -> None:
    """Add to what the session has done, if it is a worker: rows, failed attempts, time."""
    db.rows(_RECORD, ("int8", "int8", "float8"), (done, failed, seconds))


@as_extension_owner
def _insert(db: Connection, role: int) -> None:
    db.rows("SELECT pg_stat_clear_snapshot()")
    db.rows(_REMOVE_ENDED)
    db.rows(_ANNOUNCE, ("int8",), (role,))
