"""A time limit for one query of many, inside the caller's statement."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.interrupts import Interrupted

_CANCELLED = "57014"


class OutOfTime(Exception):
    """The block took longer than it may."""


@contextlib.contextmanager
def time_limit(db: Connection, seconds: float) -> Iterator[None]:
    """Run the block in a subtransaction of its own that is always rolled back. Raises OutOfTime.

    A cancel by anybody else, and the session's own timeouts, go through.
    """
    ends = time.monotonic() + seconds
    try:
        with db.savepoint():
            with db.cancel_after(seconds):
                yield
            raise _Over
    except _Over:
        pass
    except (DatabaseError, Interrupted) as error:
        if not _is_cancel(error) or time.monotonic() < ends:
            raise
        raise OutOfTime from error
    if time.monotonic() >= ends:
        _take_late_signal(db)


class _Over(Exception):
    """Ends a subtransaction so that nothing of it stays."""


def _take_late_signal(db: Connection) -> None:
    """A signal that came when the block had just ended must not cancel what follows."""
    try:
        with db.savepoint():
            db.poll()
    except Interrupted as error:
        if not _is_cancel(error):
            raise


def _is_cancel(error: BaseException) -> bool:
    reported = error.error if isinstance(error, Interrupted) else error
    return isinstance(reported, DatabaseError) and reported.sqlstate == _CANCELLED
