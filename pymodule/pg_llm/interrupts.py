"""Cancel, timeout and termination interrupt Python code anywhere, so that no loop has to poll for them.

PostgreSQL records a signal and acts on it at CHECK_FOR_INTERRUPTS(), which Python code never reaches by itself. While
a function runs, the kernel sends SIGVTALRM every few milliseconds of processor time. Python calls the handler between
two bytecodes and during the match of a regular expression; if an interrupt is pending, it lets the server act.
"""

from __future__ import annotations

import ctypes
import functools
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

# Seconds of processor time, so that a waiting session is not woken: code that waits polls.
_PERIOD = 0.02
# Modules that the handler does not interrupt: no exception may come between the end of a block and its clean-up.
_UNINTERRUPTED = ("contextlib", __name__)

_running = 0
_deferrals = 0


class Interrupted(BaseException):
    """The server ends the query. No `except Exception` catches it; `error` is the server's error."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class deferred:  # noqa: N801 - reads as a statement: with interrupts.deferred()
    """Defer interrupts while the block runs: for short clean-up that must complete."""

    # Not in __enter__: an interrupt could come between the two.
    def __init__(self) -> None:
        global _deferrals
        _deferrals += 1

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _deferrals
        _deferrals -= 1


def interruptible(function: Callable[_P, _R], act: Callable[[], object]) -> Callable[_P, _R]:
    """The function, interrupted by what `act` raises; `act` is called only if an interrupt is pending."""

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        global _running
        _running += 1
        try:
            if _running == 1:
                _install(act)
                signal.setitimer(signal.ITIMER_VIRTUAL, _PERIOD, _PERIOD)
            return function(*args, **kwargs)
        finally:
            _running -= 1
            if not _running:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    return call


@functools.cache
def _install(act: Callable[[], object]) -> None:
    pending = ctypes.c_int.in_dll(ctypes.CDLL(None), "InterruptPending")

    def tick(number: int, frame: FrameType | None) -> None:
        if (
            pending.value
            and _running
            and not _deferrals
            and not (frame and frame.f_globals.get("__name__") in _UNINTERRUPTED)
        ):
            act()

    signal.signal(signal.SIGVTALRM, tick)
    # System calls of PostgreSQL are restarted after the signal.
    signal.siginterrupt(signal.SIGVTALRM, False)
