"""A time limit for one of several queries within the caller's statement."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from pg_llm.database.connection import CANCELLED, Connection, DatabaseError
from pg_llm.interrupts import Interrupted


class TimedOut(Exception):
    """The block exceeded its time limit."""


@contextlib.contextmanager
def time_limit(db: Connection, seconds: float) -> Iterator[None]:
    """Run the block with a time limit, in a subtransaction that is always rolled back. Raises TimedOut.

    Cancellation by others and the session's own timeouts are not caught.
    """
    ends = time.monotonic() + seconds
    try:
        with db.savepoint():
            with db.cancel_after(seconds):
                yield
            raise _RollBack
    except _RollBack:
        pass
    except (DatabaseError, Interrupted) as error:
        if not _is_cancel(error) or time.monotonic() < ends:
            raise
        raise TimedOut from error
    if time.monotonic() >= ends:
        _consume_late_cancel(db)


class _RollBack(Exception):
    """Raised to roll the subtransaction back."""


def _consume_late_cancel(db: Connection) -> None:
    """Consume a cancel signal that arrived just after the block, so that it cannot cancel what follows."""
    try:
        with db.savepoint():
            db.poll()
    except Interrupted as error:
        if not _is_cancel(error):
            raise


def _is_cancel(error: BaseException) -> bool:
    reported = error.error if isinstance(error, Interrupted) else error
    return isinstance(reported, DatabaseError) and reported.sqlstate == CANCELLED
