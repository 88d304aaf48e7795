"""How large the host may become: large texts are refused where there is no room, and what is free is given back."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
from collections.abc import Iterator

from pg_llm.errors import MemoryLimitExceeded

# Bytes of texts from which a request is a large one: smaller ones are always served.
LARGE = 1 << 19
# What a request takes for each byte of its texts, and beside that: the texts as Python holds them, windows, results.
_GROWTH, _AROUND = 12, 32 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Memory:
    """The process's size against its limit. Everything happens in the event loop's thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._large: dict[asyncio.Task[None], int] = {}
        self._ended: set[asyncio.Task[None]] = set()
        self._library = ctypes.CDLL(None)

    def size(self) -> int:
        """Bytes of memory that the process holds."""
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE

    def check(self, texts: int) -> None:
        """Raise MemoryLimitExceeded where texts of so many bytes have no room beside those that are being read."""
        if texts < LARGE:
            return
        needed = sum(self._large.values()) + _needed(texts)
        if self.size() + needed > self._limit:
            self.give_back()
            if self.size() + needed > self._limit:
                raise self._exceeded(f"a text of {texts >> 10} kB has no room")

    @contextlib.contextmanager
    def taken(self, texts: int) -> Iterator[None]:
        """Count the texts of the running task. Raises MemoryLimitExceeded if the block had to be ended."""
        if texts < LARGE:
            yield
            return
        task = asyncio.current_task()
        assert task is not None
        self._large[task] = _needed(texts)
        try:
            yield
        except asyncio.CancelledError:
            if task not in self._ended:
                raise
            task.uncancel()
            raise self._exceeded("reading a long text took more than there is") from None
        finally:
            del self._large[task]
            self._ended.discard(task)
            self.give_back()

    def relieve(self) -> None:
        """End the largest request where the host has become too large."""
        if self.size() <= self._limit or not self._large:
            return
        self.give_back()
        waiting = self._large.keys() - self._ended
        if self.size() > self._limit and waiting:
            largest = max(waiting, key=lambda task: self._large[task])
            self._ended.add(largest)
            largest.cancel()

    def give_back(self) -> None:
        """Return to the system what the C library keeps of freed memory."""
        with contextlib.suppress(AttributeError):
            # glibc's own.
            self._library.malloc_trim(0)

    def _exceeded(self, what: str) -> MemoryLimitExceeded:
        return MemoryLimitExceeded(
            f"{what}: the model host may take {self._limit >> 20} MB, and takes {self.size() >> 20} MB",
            hint="Send shorter texts, wait for those of other sessions, or raise llm.host_memory_limit in"
            " postgresql.conf and restart the model host.",
        )


def _needed(texts: int) -> int:
    return _GROWTH * texts + _AROUND
