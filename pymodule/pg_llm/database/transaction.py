"""Transactions of the procedures that commit as they go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from pg_llm.database import search_path
from pg_llm.database.connection import Connection, DatabaseError

Commit = Callable[[], None]
_INVALID_TRANSACTION_TERMINATION = "2D000"


@contextlib.contextmanager
def pinned(db: Connection) -> Iterator[Commit]:
    """Pin the search path, and give a function that commits where the procedure may.

    Inside somebody else's transaction block it may not: then everything happens in that transaction. PostgreSQL forbids
    a procedure that commits to carry SET search_path itself.
    """
    before = db.setting("search_path") or ""
    may_commit = _commit(db)

    def commit() -> None:
        if may_commit:
            db.commit()
            search_path.set_local(db, search_path.PINNED)

    search_path.set_local(db, search_path.PINNED)
    yield commit
    # No `finally` needed: after an error, the rollback restores the setting.
    search_path.set_local(db, before)


def _commit(db: Connection) -> bool:
    try:
        db.commit()
    except DatabaseError as error:
        if error.sqlstate != _INVALID_TRANSACTION_TERMINATION:
            raise
        return False
    return True
