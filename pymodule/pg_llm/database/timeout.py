"""An end to one query of many: `statement_timeout` counts from the client's statement and cannot be set inside it.

The kernel sends this backend the signal that pg_cancel_backend() sends, once the time is over; no thread, no process.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import time
from collections.abc import Iterator

import plpy

from pg_llm import interrupts
from pg_llm.database import session
from pg_llm.errors import Error
from pg_llm.interrupts import Interrupted

_CLOCK_MONOTONIC = 1
_SIGEV_SIGNAL = 0
_CANCELLED = "57014"


class OutOfTime(Exception):
    """The block took longer than it may."""


class _SigEvent(ctypes.Structure):
    # The kernel's struct sigevent has 64 bytes on every 64-bit machine.
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * 48),
    )


class _TimerSpec(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_long) for name in ("interval_s", "interval_ns", "value_s", "value_ns"))


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Run the block in a subtransaction of its own that is always rolled back. Raises OutOfTime.

    A cancel by anybody else, and the session's own timeouts, go through.
    """
    ends = time.monotonic() + seconds
    try:
        with plpy.subtransaction():
            with _timer(seconds):
                yield
            raise _Over
    except _Over:
        pass
    except (plpy.SPIError, Interrupted) as error:
        if not _is_cancel(error) or time.monotonic() < ends:
            raise
        raise OutOfTime from error
    if time.monotonic() >= ends:
        _take_late_signal()


class _Over(Exception):
    """Ends a subtransaction so that nothing of it stays."""


@contextlib.contextmanager
def _timer(seconds: float) -> Iterator[None]:
    library = ctypes.CDLL(None, use_errno=True)
    timer = ctypes.c_void_p()
    event = _SigEvent(None, signal.SIGINT, _SIGEV_SIGNAL, b"")
    if library.timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)):
        raise Error(f"timer_create failed: errno {ctypes.get_errno()}")
    try:
        whole = int(seconds)
        when = _TimerSpec(0, 0, whole, max(1, int((seconds - whole) * 1e9)))
        if library.timer_settime(timer, 0, ctypes.byref(when), None):
            raise Error(f"timer_settime failed: errno {ctypes.get_errno()}")
        yield
    finally:
        with interrupts.held():
            library.timer_delete(timer)


def _take_late_signal() -> None:
    """A signal that came when the block had just ended must not cancel what follows."""
    try:
        with plpy.subtransaction():
            session.poll()
    except Interrupted as error:
        if not _is_cancel(error):
            raise


def _is_cancel(error: BaseException) -> bool:
    said = error.error if isinstance(error, Interrupted) else error
    return isinstance(said, plpy.SPIError) and said.sqlstate == _CANCELLED
