"""A table in memory, each column dictionary-encoded, and the findings on it that come back from its analysis."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count

from pg_llm.database.connection import Row

Value = str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """Cells of a column that look wrong alike; `new` is their repair, unless `confidence` is None: then none is known.

    `determinant` is the column (and its value in these rows) that the repair follows from.
    """

    column: int
    rows: Sequence[int]
    new: Value
    confidence: float | None
    detector: str
    reason: str
    determinant: tuple[int, str] | None = None


class EncodedColumn:
    """`codes` has for each row 0 for NULL, else the place of its value in `values` from 1."""

    def __init__(self, name: str, values: Iterable[Value] = ()) -> None:
        self.name = name
        self.codes = array("i")
        self._codes: defaultdict[Value, int] = defaultdict(count(1).__next__)
        self._codes[None] = 0
        self.extend(values)

    def extend(self, values: Iterable[Value]) -> None:
        """Append rows."""
        codes = self._codes
        self.codes.extend([codes[value] for value in values])

    @property
    def values(self) -> list[str]:
        """The distinct values, by their codes."""
        return [value for value in self._codes if value is not None]

    def value(self, row: int) -> Value:
        """The value of a row."""
        return self._by_code[self.codes[row]]

    @cached_property
    def _by_code(self) -> list[Value]:
        return list(self._codes)

    def rows_with(self, values: Iterable[str]) -> Iterator[tuple[int, str]]:
        """The rows that hold one of the values, and which."""
        wanted = {self._codes[value]: value for value in values}
        return ((row, wanted[code]) for row, code in enumerate(self.codes) if code in wanted)

    def decoded(self) -> list[Value]:
        """The value of each row."""
        return [self._by_code[code] for code in self.codes]


@dataclass(slots=True)
class EncodedTable:
    """Columns of one table; `keys` are the rows' keys as JSON."""

    columns: Sequence[EncodedColumn]
    keys: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, names: Sequence[str], batches: Iterable[Sequence[Row]]) -> EncodedTable:
        """The rows of batches whose keys are in `k` and whose columns are in `c0`, `c1` …."""
        table = cls([EncodedColumn(name) for name in names])
        fields = [f"c{number}" for number in range(len(names))]
        for rows in batches:
            table.keys.extend([row["k"] for row in rows])
            for field_, column in zip(fields, table.columns, strict=True):
                column.extend([row[field_] for row in rows])
        return table

    @property
    def row_count(self) -> int:
        """The number of rows."""
        return len(self.keys)
