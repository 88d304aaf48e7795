"""A table as the detectors see it, and what they say of its cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

# A column with more distinct values than this share of the rows is a key.
_KEY = 0.9

Value = str | None
# Row and column, both from 0.
Cell = tuple[int, int]


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
    `pulse` is called before the work on each column, and may raise to end it.
    """

    names: Sequence[str]
    columns: Sequence[Sequence[Value]]
    marks: Mapping[Cell, Value] = field(default_factory=dict)
    history: Sequence[tuple[int, str, str]] = ()
    pulse: Callable[[], object] = lambda: None
    counts: list[Counter[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = [Counter(value for value in column if value) for column in self.columns]

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


def number(text: str) -> float | None:
    """The number that a text is, infinity and nan among them; None for any other."""
    try:
        return float(text)
    except ValueError:
        return None
