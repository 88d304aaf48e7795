"""Iteration over large columns that can be interrupted: `poll` is called at intervals, and may raise.

One call of the standard library cannot be interrupted, so long inputs are handed to it in chunks.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from heapq import merge
from itertools import islice
from time import monotonic
from typing import TypeVar

_T = TypeVar("_T")
Poll = Callable[[], object]
_CHUNK = 10_000
# Items, and seconds, between two polls.
_ITEMS = 32
_SECONDS = 0.02


def chunks(items: Iterable[_T], size: int = _CHUNK) -> Iterator[list[_T]]:
    """The items in lists of at most `size`."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def interruptible(items: Iterable[_T], poll: Poll) -> Iterator[_T]:
    """The same items, with a poll every few of them."""
    for number, item in enumerate(items):
        if number % _ITEMS == _ITEMS - 1:
            poll()
        yield item


def throttled(poll: Poll) -> Poll:
    """A poll that skips calls which follow the last one too soon."""
    last = 0.0

    def throttled_poll() -> None:
        nonlocal last
        if monotonic() >= last + _SECONDS:
            poll()
            last = monotonic()

    return throttled_poll


def sort_interruptibly(numbers: Iterable[float], poll: Poll) -> Iterator[float]:
    """The numbers in ascending order, by merge sort of chunks: one call of sorted() could not be interrupted."""
    runs = []
    for chunk in chunks(numbers):
        poll()
        runs.append(sorted(chunk))
    return interruptible(merge(*runs), poll)


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """Switch off garbage collection: one collection visits all objects of a large table, and cannot be interrupted."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
