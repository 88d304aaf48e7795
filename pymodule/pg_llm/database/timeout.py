"""Time limits for one of several queries within the caller's statement."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from pg_llm.database.connection import CANCELLED, Connection, DatabaseError
from pg_llm.interrupts import Interrupted

_R = TypeVar("_R")
# The session's own limit where that is shorter, in milliseconds.
_LIMIT_LOCKS = """
    SELECT set_config('lock_timeout', least(nullif(s.setting::int4, 0), $1)::text, true)
    FROM pg_settings AS s WHERE s.name = 'lock_timeout'
"""


def with_lock_limit(db: Connection, seconds: float, work: Callable[[], _R]) -> _R:
    """Run `work`, which waits so long at most for each lock (SQLSTATE 55P03), with the rights that it would have."""

    def limited() -> _R:
        db.rows(_LIMIT_LOCKS, ("int4",), (round(1000 * seconds),))
        return work()

    # What is set is put back with the role.
    return db.run_as(db.current_role(), limited)


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
