"""The event loop of engines that work elsewhere, in a thread of its own."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

_R = TypeVar("_R")
_starting = threading.Lock()
_running: list[asyncio.AbstractEventLoop] = []


def start(work: Coroutine[Any, Any, _R]) -> Future[_R]:
    """Run a coroutine in the loop's thread; cancelling the future cancels it."""
    return asyncio.run_coroutine_threadsafe(work, _loop())


def _loop() -> asyncio.AbstractEventLoop:
    with _starting:
        if not _running:
            loop = asyncio.new_event_loop()
            # In a backend signals are for PostgreSQL's own thread.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            try:
                threading.Thread(target=loop.run_forever, name="event_loop", daemon=True).start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            _running.append(loop)
        return _running[0]
