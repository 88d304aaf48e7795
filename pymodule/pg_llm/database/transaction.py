"""Transactions of the procedures that commit as they go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import plpy

from pg_llm.database import session

Commit = Callable[[], None]


@contextlib.contextmanager
def pinned() -> Iterator[Commit]:
    """Pin the search path, and give a function that commits where the procedure may.

    Inside somebody else's transaction block it may not: then everything happens in that transaction. PostgreSQL forbids
    a procedure that commits to carry SET search_path itself.
    """
    before = session.rows("SELECT pg_catalog.current_setting('search_path') AS path")[0]["path"]
    may_commit = _commit()

    def commit() -> None:
        if may_commit:
            plpy.commit()
            session.set_path(session.PINNED)

    session.set_path(session.PINNED)
    yield commit
    # Not after an error: the transaction that ends takes the setting along.
    session.set_path(before)


def _commit() -> bool:
    try:
        plpy.commit()
    except plpy.SPIError as error:
        if error.sqlstate != "2D000":
            raise
        return False
    return True
