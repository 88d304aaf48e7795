"""Iteration over large columns that can be interrupted: `poll` is called at intervals, and may raise.

One call of the standard library cannot be interrupted, so long inputs are handed to it in chunks.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

_T = TypeVar("_T")
Poll = Callable[[], object]
_CHUNK = 10_000
# Items between two polls.
_ITEMS = 32


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
