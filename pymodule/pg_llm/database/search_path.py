"""The search path: pinned while our own statements run, so that nothing that a caller made is found by name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pg_llm.database.connection import Connection

PINNED = "pg_catalog, pg_temp"


@contextlib.contextmanager
def pinned(db: Connection) -> Iterator[None]:
    """Pin the search path while the block runs, in functions that begin with the caller's own."""
    before = db.setting("search_path") or ""
    if before == PINNED:
        yield
        return
    set_local(db, PINNED)
    yield
    # No `finally` needed: after an error, the rollback restores the setting.
    set_local(db, before)


def set_local(db: Connection, path: str) -> None:
    """Set the search path until the transaction ends."""
    db.rows("SELECT pg_catalog.set_config('search_path', $1, true)", ("text",), (path,))
