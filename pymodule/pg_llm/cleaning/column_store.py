"""A table in memory, column by column, as the error detectors read it, and the findings they report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pg_llm.cleaning.interruptible import Poll, chunks, interruptible, throttled

_T = TypeVar("_T")
# A column with more distinct values than this share of the rows is a key.
_KEY_SHARE = 0.9
# A column of quantities may hold at most this share of other values.
_MAX_OTHERS = 0.2
# Longer texts are no numbers, dates or words, and testing each of their characters takes time.
_MAX_LENGTH = 200

Value = str | None
# Row and column, both from 0.
Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Finding:
    """A cell that looks wrong; `new` is its repair, unless `confidence` is None: then no repair is known.

    `determinant` is the column (and its value in this row) that the repair follows from.
    """

    cell: Cell
    new: Value
    confidence: float | None
    detector: str
    reason: str
    determinant: tuple[int, str] | None = None


@dataclass(slots=True)
class ColumnStore:
    """Columns of texts; the empty text counts as missing, as NULL does.

    `marks` are cells whose true value is known, `corrections` earlier repairs as (column, old, new). `poll` is called
    a few times a second during all work, and may raise to end it.
    """

    names: Sequence[str]
    columns: Sequence[Sequence[Value]]
    marks: Mapping[Cell, Value] = field(default_factory=dict)
    corrections: Sequence[tuple[int, str, str]] = ()
    poll: Poll = lambda: None
    # For each column how often each value occurs, and whether it holds quantities.
    counts: list[Counter[str]] = field(init=False)
    quantities: list[bool] = field(init=False)

    def __post_init__(self) -> None:
        self.poll = throttled(self.poll)
        self.counts = [self._count_values(column) for column in self.columns]
        self.quantities = [self._are_quantities(counts) for counts in self.counts]

    @property
    def row_count(self) -> int:
        """The number of rows."""
        return len(self.columns[0]) if self.columns else 0

    def is_key(self, column: int) -> bool:
        """Whether nearly every row has a value of its own: such a column determines all others trivially."""
        return len(self.counts[column]) > _KEY_SHARE * self.row_count

    def filled_count(self, column: int) -> int:
        """The number of cells of a column that are not missing."""
        return self.counts[column].total()

    def interruptible(self, items: Iterable[_T]) -> Iterator[_T]:
        """The same items, with a poll every few of them."""
        return interruptible(items, self.poll)

    def _count_values(self, column: Sequence[Value]) -> Counter[str]:
        counts: Counter[str] = Counter()
        for chunk in chunks(column):
            self.poll()
            counts.update(value for value in chunk if value)
        return counts

    def _are_quantities(self, counts: Counter[str]) -> bool:
        others = sum(count for value, count in self.interruptible(counts.items()) if not is_quantity(value))
        return bool(counts) and others <= _MAX_OTHERS * counts.total()


def is_quantity(value: str) -> bool:
    """Whether it is a number, a date or a code of digits, so that its spelling tells nothing."""
    if len(value) > _MAX_LENGTH:
        return False
    return any(c.isdigit() for c in value) and not any(c.isalpha() for c in value)


def parse_number(text: str) -> float | None:
    """The number that a text is, infinity and nan included; None for other texts and for long ones."""
    if len(text) > _MAX_LENGTH:
        return None
    try:
        return float(text)
    except ValueError:
        return None
