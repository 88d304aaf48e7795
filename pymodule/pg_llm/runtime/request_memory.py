"""Memory limit of the host: large requests are admitted only if they fit, and freed memory goes back to the system."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
from collections.abc import Iterator

from pg_llm.errors import MemoryLimitExceeded

# Bytes of texts from which a request counts as large; smaller requests are always admitted.
LARGE = 1 << 19
# Memory of a request per byte of its texts, and a constant: texts as Python objects, windows, results.
_FACTOR, _CONSTANT = 12, 32 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Memory:
    """The process's size against its limit. All methods run in the event loop's thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._large: dict[asyncio.Task[None], int] = {}
        self._cancelled: set[asyncio.Task[None]] = set()
        self._library = ctypes.CDLL(None)

    def size(self) -> int:
        """The resident set size in bytes."""
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE

    def check(self, texts: int) -> None:
        """Raise MemoryLimitExceeded if texts of so many bytes do not fit beside the large requests that are running."""
        if texts < LARGE:
            return
        needed = sum(self._large.values()) + _needed(texts)
        if self.size() + needed > self._limit:
            self.give_back()
            if self.size() + needed > self._limit:
                raise self._exceeded(f"a text of {texts >> 10} kB has no room")

    @contextlib.contextmanager
    def reserved(self, texts: int) -> Iterator[None]:
        """Count the texts of the running task. Raises MemoryLimitExceeded if the task was cancelled for its size."""
        if texts < LARGE:
            yield
            return
        task = asyncio.current_task()
        assert task is not None
        self._large[task] = _needed(texts)
        try:
            yield
        except asyncio.CancelledError:
            if task not in self._cancelled:
                raise
            task.uncancel()
            raise self._exceeded("reading a long text took more than there is") from None
        finally:
            del self._large[task]
            self._cancelled.discard(task)
            self.give_back()

    def relieve(self) -> None:
        """Cancel the largest request if the host exceeds its limit."""
        if self.size() <= self._limit or not self._large:
            return
        self.give_back()
        candidates = self._large.keys() - self._cancelled
        if self.size() > self._limit and candidates:
            largest = max(candidates, key=lambda task: self._large[task])
            self._cancelled.add(largest)
            largest.cancel()

    def give_back(self) -> None:
        """Return freed memory that the C library keeps to the system."""
        with contextlib.suppress(AttributeError):
            # malloc_trim is glibc's own.
            self._library.malloc_trim(0)

    def _exceeded(self, what: str) -> MemoryLimitExceeded:
        return MemoryLimitExceeded(
            f"{what}: the model host may take {self._limit >> 20} MB, and takes {self.size() >> 20} MB",
            hint="Send shorter texts, wait for those of other sessions, or raise llm.host_memory_limit in"
            " postgresql.conf and restart the model host.",
        )


def _needed(texts: int) -> int:
    return _FACTOR * texts + _CONSTANT
