"""Missing values that are written as if they were some."""

from __future__ import annotations

from collections.abc import Iterator

from pg_llm.cleaning.table import Opinion, Table, number

DETECTOR = "missing"
_SIGNS = frozenset(("n/a", "n.a.", "#n/a", "-", "--", "---", "?", "??", "."))
# What a name, a code or an answer can be, too, where values are words.
_WORDS = frozenset(
    (
        "na",
        "none",
        "null",
        "nil",
        "nan",
        "unknown",
        "unk",
        "undefined",
        "missing",
        "tbd",
        "tba",
        "not available",
        "not applicable",
        "not known",
        "no data",
    )
)
# Among numbers these may be the number zero.
_ZEROS = frozenset(("none", "nil", "-", "--", "---"))
# In a column where more say so it is an answer.
_MOST = 0.3
_LONGEST = 20
_SURE, _LIKELY, _SUSPICIOUS = 0.97, 0.9, 0.4


def opinions(table: Table) -> Iterator[Opinion]:
    """Such words, where the column has really missing values too or where all else are numbers."""
    for column, counts in enumerate(table.counts):
        words = {
            value: its
            for value in table.watched(counts)
            if len(value) <= _LONGEST and (its := value.strip().casefold()) in _SIGNS | _WORDS
        }
        said = sum(counts[value] for value in words)
        if not words or said > _MOST * table.rows:
            continue
        numbers = all(number(value) is not None for value in table.watched(counts) if value not in words)
        if numbers or counts.total() < table.rows:
            missing = next((value for value in table.watched(table.columns[column]) if not value), None)
            for row, value in enumerate(table.watched(table.columns[column])):
                if value in words:
                    sure = _sure(words[value], numbers)
                    yield Opinion((row, column), missing, sure, DETECTOR, f"{value!r} means that there is no value")


def _sure(word: str, numbers: bool) -> float:
    if numbers:
        return _LIKELY if word in _ZEROS else _SURE
    return _LIKELY if word in _SIGNS else _SUSPICIOUS
