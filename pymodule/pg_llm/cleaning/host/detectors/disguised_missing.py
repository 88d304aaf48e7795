"""Disguised missing values (Pearson 2006): words and signs that stand for NULL."""

from __future__ import annotations

from collections.abc import Iterator

from pg_llm.cleaning.host.table import Column, Finding, Repair, Table, parse_number

DETECTOR = "missing"
_SIGNS = frozenset("n/a n.a. #n/a - -- --- ? ?? .".split())
# Among words these may also be a name, a code or an answer.
_WORDS = frozenset("na none null nil nan unknown unk undefined missing tbd tba".split()) | frozenset(
    "not available|not applicable|not known|no data".split("|")
)
# Among numbers these may mean zero.
_ZEROS = frozenset("none nil - -- ---".split())
# If more of a column's rows hold one of these, it is an answer.
_MAX_SHARE = 0.3
_MAX_LENGTH = 20
_SURE, _LIKELY, _SUSPICIOUS = 0.97, 0.9, 0.4


def detect(table: Table) -> Iterator[Finding]:
    """Such values in columns that also have really missing ones, or whose other values are all numbers."""
    for position, column in enumerate(table.columns):
        yield from table.findings(position, _repairs(column), DETECTOR)


def _repairs(column: Column) -> dict[str, Repair]:
    disguises = {
        value: word
        for value in column.counts
        if len(value) <= _MAX_LENGTH and (word := value.strip().casefold()) in _SIGNS | _WORDS
    }
    occurrences = sum(column.counts[value] for value in disguises)
    if not disguises or occurrences > _MAX_SHARE * len(column.codes):
        return {}
    numeric = all(parse_number(value) is not None for value in column.counts if value not in disguises)
    if not numeric and column.filled == len(column.codes):
        return {}
    return {
        value: Repair(column.missing, _confidence(word, numeric), f"{value!r} means that there is no value")
        for value, word in disguises.items()
    }


def _confidence(word: str, numeric: bool) -> float:
    if numeric:
        return _LIKELY if word in _ZEROS else _SURE
    return _LIKELY if word in _SIGNS else _SUSPICIOUS
