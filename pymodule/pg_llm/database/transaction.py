"""Transactions of the procedures that commit as they go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

from pg_llm.database import search_path
from pg_llm.database.connection import Connection, DatabaseError

Commit = Callable[[], None]
_INVALID_TRANSACTION_TERMINATION = "2D000"
# How values are written: keys and texts must be the same whatever a session is set to.
_OUTPUT = {"extra_float_digits": "1", "datestyle": "ISO", "intervalstyle": "postgres", "bytea_output": "hex"}


@contextlib.contextmanager
def pinned(db: Connection) -> Iterator[Commit]:
    """Pin the search path and how values are written, and give a function that commits where the procedure may.

    Inside somebody else's transaction block it may not: then everything happens in that transaction. PostgreSQL forbids
    a procedure that commits to carry SET search_path itself.
    """
    settings = {"search_path": search_path.PINNED, **_OUTPUT}
    before = {name: db.setting(name) or "" for name in settings}
    may_commit = _commit(db)

    def commit() -> None:
        if may_commit:
            db.commit()
            _set_local(db, settings)

    _set_local(db, settings)
    yield commit
    # No `finally` needed: after an error, the rollback restores the settings.
    _set_local(db, before)


@contextlib.contextmanager
def plain_output(db: Connection) -> Iterator[None]:
    """Pin how values are written while the block runs, so that their texts can be read back under any setting."""
    before = {name: db.setting(name) or "" for name in _OUTPUT}
    _set_local(db, _OUTPUT)
    yield
    # No `finally` needed: after an error, the rollback restores the settings.
    _set_local(db, before)


def _set_local(db: Connection, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        db.rows(f"SELECT pg_catalog.set_config('{name}', $1, true)", ("text",), (value,))


def _commit(db: Connection) -> bool:
    try:
        db.commit()
    except DatabaseError as error:
        if error.sqlstate != _INVALID_TRANSACTION_TERMINATION:
            raise
        return False
    return True
