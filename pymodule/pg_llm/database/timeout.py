"""Time limits for one of several queries within the caller's statement."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from pg_llm.database.connection import CANCELLED, Connection, DatabaseError
from pg_llm.interrupts import Interrupted

_R = TypeVar("_R")
# SQLSTATE of a lock that was not to be had in time.
LOCK_NOT_AVAILABLE = "55P03"
# The session's own limit where that is shorter, in milliseconds.
_LIMIT_LOCKS = """
    SELECT set_config('lock_timeout', least(nullif(s.setting::int4, 0), $1)::text, true)
    FROM pg_settings AS s WHERE s.name = 'lock_timeout'
"""


def with_lock_limit(db: Connection, seconds: float, work: Callable[[], _R]) -> _R:
    """Run `work`, which waits so long at most for each lock (LOCK_NOT_AVAILABLE), with its rights as they are."""

    def limited() -> _R:
        db.rows(_LIMIT_LOCKS, ("int4",), (round(1000 * seconds),))
        return work()

    # What is set is put back with the role.
    return db.run_as(db.current_role(), limited)


class TimedOut(Exception):
    """The block exceeded its time limit."""


def with_time_limit(db: Connection, seconds: float, work: Callable[[], _R]) -> _R:
    """Run `work` in a subtransaction, which is rolled back if it takes longer. Raises TimedOut, as `time_limit` does.

    Code that catches a cancel goes on until the session is ended: none of others should run in it.
    """
    ends = time.monotonic() + seconds
    try:
        with db.savepoint(), db.cancel_after(seconds):
            result = work()
    except (DatabaseError, Interrupted) as error:
        if not _is_timeout(error, ends):
            raise
        raise TimedOut from error
    if time.monotonic() >= ends:
        _consume_late_cancel(db)
    return result


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
        if not _is_timeout(error, ends):
            raise
        raise TimedOut from error
    if time.monotonic() >= ends:
        _consume_late_cancel(db)


def _is_timeout(error: BaseException, ends: float) -> bool:
    return _is_cancel(error) and time.monotonic() >= ends


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
