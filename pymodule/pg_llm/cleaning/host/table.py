"""A table as the detectors read it: each column dictionary-encoded, and the findings that they report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count

import numpy as np
from numpy.typing import NDArray

# A column with more distinct values than this share of the rows is a key.
_KEY_SHARE = 0.9
# A column of quantities may hold at most this share of other values.
_MAX_OTHERS = 0.2
# Longer texts are no numbers, dates or words, and testing each of their characters takes time.
_MAX_LENGTH = 200

Value = str | None
# Row and column, both from 0.
Cell = tuple[int, int]
Rows = NDArray[np.int64]
Codes = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Step:
    """The transformation of a column that a repair belongs to, in words.

    `condition` and `expression` are the same in SQL on the column {c}, empty where it has no SQL.
    """

    description: str
    condition: str = ""
    expression: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Cells of a column that look wrong alike; `new` is their repair, unless `confidence` is None: then none is known.

    `determinant` is the column (and its value in these rows) that the repair follows from.
    """

    column: int
    rows: Rows
    new: Value
    confidence: float | None
    detector: str
    reason: str
    determinant: tuple[int, str] | None = None
    step: Step | None = None

    def on(self, rows: Rows) -> Finding:
        """The same of other rows."""
        return replace(self, rows=rows)


@dataclass(frozen=True, slots=True)
class Repair:
    """What a value should be; `confidence` None: it is wrong, but nothing better is known."""

    new: Value
    confidence: float | None
    reason: str
    step: Step | None = None


class Column:
    """One column: `codes` has for each row 0 where it is missing (NULL or empty), else the place in `values` from 1.

    `missing` is how the column writes a missing value.
    """

    def __init__(self, name: str, values: Sequence[str], codes: Codes) -> None:
        self.name = name
        self.values = values
        empty = next((code for code, value in enumerate(values, 1) if not value), None)
        absent = codes[(codes == 0) | (codes == empty)] if empty else codes[:0]
        self.missing: Value = "" if len(absent) and absent[0] else None
        # As `codes`, with NULL and the empty text told apart.
        self.kinds = codes
        self.codes: Codes = np.where(codes == empty, 0, codes).astype(np.int32) if empty else codes
        self.occurrences = np.bincount(self.codes, minlength=len(values) + 1)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How often each filled value occurs."""
        counts = zip(self.values, self.occurrences[1:].tolist(), strict=True)
        return {value: count for value, count in counts if count}

    @cached_property
    def code_of(self) -> dict[str, int]:
        """The code of each value."""
        return {value: code for code, value in enumerate(self.values, 1)}

    @property
    def filled(self) -> int:
        """The number of rows that are not missing."""
        return len(self.codes) - int(self.occurrences[0])

    @property
    def distinct(self) -> int:
        """The number of values."""
        return int(np.count_nonzero(self.occurrences[1:]))

    @property
    def is_key(self) -> bool:
        """Whether nearly every row has a value of its own: such a column determines all others trivially."""
        return self.distinct > _KEY_SHARE * len(self.codes)

    @cached_property
    def quantities(self) -> bool:
        """Whether nearly all values are numbers, dates or codes of digits."""
        others = sum(count for value, count in self.counts.items() if not is_quantity(value))
        return self.filled > 0 and others <= _MAX_OTHERS * self.filled

    @cached_property
    def _by_code(self) -> tuple[Rows, Rows]:
        order = np.argsort(self.codes, kind="stable")
        return order, np.concatenate(([0], np.cumsum(self.occurrences)))

    def rows_with(self, value: str) -> Rows:
        """The rows that hold a value, in order."""
        order, starts = self._by_code
        code = self.code_of[value]
        return order[starts[code] : starts[code + 1]]

    def value(self, row: int) -> str:
        """The value of a row, empty where it is missing."""
        code = self.codes[row]
        return self.values[code - 1] if code else ""

    def original(self, row: int) -> Value:
        """What the row holds, NULL and the empty text told apart."""
        code = self.kinds[row]
        return self.values[code - 1] if code else None


@dataclass(slots=True)
class Table:
    """Columns of one table; `marks` are cells whose true value is known, `corrections` earlier (column, old, new).

    `decisions` say of new values of cells whether they were accepted, or refused.
    """

    columns: Sequence[Column]
    marks: Mapping[Cell, Value] = field(default_factory=dict)
    corrections: Sequence[tuple[int, str, str]] = ()
    decisions: Mapping[tuple[Cell, Value], bool] = field(default_factory=dict)

    @property
    def row_count(self) -> int:
        """The number of rows."""
        return len(self.columns[0].codes) if self.columns else 0

    def findings(self, column: int, repairs: Mapping[str, Repair], detector: str) -> list[Finding]:
        """A finding for each value of a column that has a repair."""
        return [
            Finding(
                column,
                self.columns[column].rows_with(value),
                each.new,
                each.confidence,
                detector,
                each.reason,
                step=each.step,
            )
            for value, each in repairs.items()
        ]


def encode(values: Iterable[Value]) -> tuple[list[str], Codes]:
    """The distinct values of a column and the code of each row; 0 stands for NULL."""
    codes: defaultdict[Value, int] = defaultdict(count(1).__next__)
    codes[None] = 0
    encoded = np.fromiter((codes[value] for value in values), dtype=np.int32)
    del codes[None]
    return [value for value in codes if value is not None], encoded


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
