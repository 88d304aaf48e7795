"""Missing values that are written as if they were some."""

from __future__ import annotations

from collections.abc import Iterator

from pg_llm.cleaning.table import Opinion, Table, number

DETECTOR = "missing"
_WORDS = frozenset(
    ("n/a", "na", "n.a.", "#n/a", "none", "null", "nil", "nan", "unknown", "unk", "undefined", "missing", "tbd", "tba",
     "-", "--", "---", "?", "??", ".", "not available", "not applicable", "not known", "no data")
)  # fmt: skip
# In a column where more say so it is an answer.
_MOST = 0.3


def opinions(table: Table) -> Iterator[Opinion]:
    """Such words, where the column has really missing values too or where all else are numbers."""
    for column, counts in enumerate(table.counts):
        words = {value for value in counts if value.strip().casefold() in _WORDS}
        said = sum(counts[value] for value in words)
        if not words or said > _MOST * table.rows:
            continue
        numbers = all(number(value) is not None for value in counts if value not in words)
        if numbers or counts.total() < table.rows:
            missing = next((value for value in table.columns[column] if not value), None)
            for row, value in enumerate(table.columns[column]):
                if value in words:
                    yield Opinion((row, column), missing, 0.9, DETECTOR, f"{value!r} means that there is no value")
