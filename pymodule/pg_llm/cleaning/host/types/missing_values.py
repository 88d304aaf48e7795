"""Disguised missing values of a column: which words and signs mean that there is no value, by what the column holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from statistics import median

from pg_llm.cleaning.host.types import missing
from pg_llm.cleaning.host.types.column_type import ColumnType, Counts, ValueRepair

_STEP = "words and signs for missing values become NULL"
# Types whose values are no words, so that a word among them is none.
_WORDLESS = frozenset(
    "integer decimal money percent quantity date timestamp time phone email url ip uuid mac iban isbn ean card".split()
)
# Names of people and places, codes and answers: Null is a surname, NA is Namibia, none is an answer.
_SHARED = frozenset("na null none nil nan".split())
# A sign may mean zero among numbers.
_SURE, _LIKELY, _UNSURE = 0.97, 0.9, 0.8
# If more of a column's cells hold a word that may mean something else, it is an answer.
_MAX_SHARE = 0.5


def repairs(counts: Counts, column: ColumnType) -> Iterator[ValueRepair]:
    """Values that stand for a missing one, to become NULL."""
    kinds = {value: kind for value in counts if len(value) <= 40 and (kind := missing.kind(value))}
    doubtful = sum(counts[value] for value, kind in kinds.items() if kind != "sure")
    if doubtful > _MAX_SHARE * sum(counts.values()):
        kinds = {value: kind for value, kind in kinds.items() if kind == "sure"}
    if column.name == "category":
        usual = median([count for value, count in counts.items() if value not in kinds] or [0])
        kinds = {value: kind for value, kind in kinds.items() if kind != "word" or not _recurs(counts[value], usual)}
    others = [value for value in counts if value not in kinds and re.search(r"[^\W\d_]", value)]
    for value, kind in kinds.items():
        confidence = _confidence(value, kind, column, others)
        if confidence is not None:
            yield ValueRepair(value, None, confidence, "missing", _STEP, f"{value!r} means that there is no value")


def _confidence(value: str, kind: str, column: ColumnType, others: list[str]) -> float | None:
    if kind == "sure":
        return _SURE
    if column.name in _WORDLESS:
        return _LIKELY if kind == "sign" and column.name not in ("date", "timestamp") else _SURE
    if kind == "sign":
        return _LIKELY
    if column.name == "code" and re.fullmatch(column.pattern or "", value):
        return None
    if value.strip().casefold() not in _SHARED:
        # A category of its own, where few others are.
        return _UNSURE if column.name == "category" else _LIKELY
    return _LIKELY if _is_written_by_a_program(value.strip(), others) else None


def _recurs(count: int, usual: float) -> bool:
    """Whether a word occurs like a column's values do: then it is one of its own, a name or an answer."""
    return count > 1 and count >= usual


def _is_written_by_a_program(value: str, others: list[str]) -> bool:
    """Whether `null`, `NULL`, `NaN` or `nan` stands among words that have a capital and then small letters."""
    capitalized = sum(word[:1].isupper() and not word.isupper() for word in others)
    return value in ("null", "NULL", "nan", "NaN", "none") and capitalized >= 0.9 * max(1, len(others))
