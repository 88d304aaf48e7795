"""A table as the detectors see it, and what they say of its cells."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from time import monotonic
from typing import TypeVar

_T = TypeVar("_T")
# A column with more distinct values than this share of the rows is a key.
_KEY = 0.9
# Of the values of a column of quantities at most this share are something else.
_OTHERS = 0.2
# What one call of the standard library is given at once: it cannot be ended in between.
_PART = 10_000
# Items and seconds between two calls of the pulse.
_BEAT = 32
_PAUSE = 0.02
# Longer texts are no numbers, dates or words, and looking at each of their characters takes time.
_LONGEST = 200

Value = str | None
# Row and column, both from 0.
Cell = tuple[int, int]
Pulse = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Opinion:
    """That a cell is wrong; `new` is what it should hold, unless `confidence` is None: then nobody knows.

    `given` is the other column, and its value, from which `new` follows.
    """

    cell: Cell
    new: Value
    confidence: float | None
    detector: str
    reason: str
    given: tuple[int, str] | None = None


@dataclass(slots=True)
class Table:
    """Columns of texts; the empty text counts as missing, as NULL does.

    `marks` are cells whose truth is known, `history` what was corrected before: column, old and new value.
    `pulse` is called some times a second during all work, and may raise to end it.
    """

    names: Sequence[str]
    columns: Sequence[Sequence[Value]]
    marks: Mapping[Cell, Value] = field(default_factory=dict)
    history: Sequence[tuple[int, str, str]] = ()
    pulse: Pulse = lambda: None
    counts: list[Counter[str]] = field(init=False)
    quantities: list[bool] = field(init=False)

    def __post_init__(self) -> None:
        self.pulse = paused(self.pulse)
        self.counts = [self._counted(column) for column in self.columns]
        self.quantities = [self._are_quantities(counts) for counts in self.counts]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.columns[0]) if self.columns else 0

    def is_key(self, column: int) -> bool:
        """Whether nearly every row has a value of its own: such a column determines everything and shows nothing."""
        return len(self.counts[column]) > _KEY * self.rows

    def filled(self, column: int) -> int:
        """How many cells of a column hold something."""
        return self.counts[column].total()

    def watched(self, items: Iterable[_T]) -> Iterator[_T]:
        """The same items, with a pulse now and then."""
        return watched(items, self.pulse)

    def _counted(self, column: Sequence[Value]) -> Counter[str]:
        counts: Counter[str] = Counter()
        for part in parts(column):
            self.pulse()
            counts.update(value for value in part if value)
        return counts

    def _are_quantities(self, counts: Counter[str]) -> bool:
        others = sum(count for value, count in self.watched(counts.items()) if not is_quantity(value))
        return bool(counts) and others <= _OTHERS * counts.total()


def parts(items: Iterable[_T], size: int = _PART) -> Iterator[list[_T]]:
    """The items in lists of at most that many."""
    each = iter(items)
    while part := list(islice(each, size)):
        yield part


def watched(items: Iterable[_T], pulse: Pulse) -> Iterator[_T]:
    """The same items, with a pulse now and then."""
    for number, item in enumerate(items):
        if number % _BEAT == _BEAT - 1:
            pulse()
        yield item


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection: each one would visit all objects of a large table, and cannot be ended."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def paused(pulse: Pulse) -> Pulse:
    """The pulse, but not more often than is worth it."""
    last = 0.0

    def rarely() -> None:
        nonlocal last
        if monotonic() >= last + _PAUSE:
            pulse()
            last = monotonic()

    return rarely


def ordered(numbers: Iterable[float], pulse: Pulse) -> Iterator[float]:
    """The numbers from the smallest on; sorting all at once could not be ended."""
    runs = []
    for part in parts(numbers):
        pulse()
        runs.append(sorted(part))
    return watched(merge(*runs), pulse)


def is_quantity(value: str) -> bool:
    """Whether it is a number, a date or a code of digits: nothing is known of it by its spelling."""
    if len(value) > _LONGEST:
        return False
    return any(c.isdigit() for c in value) and not any(c.isalpha() for c in value)


def number(text: str) -> float | None:
    """The number that a text is, infinity and nan among them; None for any other and for long ones."""
    if len(text) > _LONGEST:
        return None
    try:
        return float(text)
    except ValueError:
        return None
