"""Cancel, timeout and termination act on Python code wherever it is, so that no loop has to ask for them.

PostgreSQL notes a signal and acts on it when the running code asks it to, which Python code never does by itself. While
a function runs, the kernel sends SIGVTALRM every few milliseconds of processor time. Python calls the handler between
two bytecodes, and inside the match of a regular expression too; where something is noted, it lets the server act.
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

# Processor time, so that a session that waits is not woken: whoever waits in Python code polls.
_PERIOD = 0.02
# Left alone by the handler: between the end of a block and its clean-up no exception may come.
_CLEANING = ("contextlib", __name__)

_running = 0
_held = 0


class Interrupted(BaseException):
    """The server ends what runs. No `except Exception` keeps it; `error` is what the server says."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class deferred:  # noqa: N801 - reads as a statement: with interrupts.deferred()
    """Nothing is interrupted while the block runs: short clean-up that must come to its end."""

    # Not in __enter__: between the two, an interrupt would still come.
    def __init__(self) -> None:
        global _held
        _held += 1

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _held
        _held -= 1


def interruptible(function: Callable[_P, _R], act: Callable[[], object]) -> Callable[_P, _R]:
    """The function, which is interrupted by what `act` raises; that is called only where the server has to act."""

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
        if pending.value and _running and not _held and not (frame and frame.f_globals.get("__name__") in _CLEANING):
            act()

    signal.signal(signal.SIGVTALRM, tick)
    # PostgreSQL's own system calls are started again.
    signal.siginterrupt(signal.SIGVTALRM, False)
