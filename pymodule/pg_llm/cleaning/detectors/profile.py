"""Column profiling: the semantic type of a column's values, and their most frequent patterns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from pg_llm.cleaning.detectors import dates
from pg_llm.cleaning.detectors.value_patterns import shape
from pg_llm.cleaning.interruptible import Poll, interruptible

_MAX_PATTERNS = 5
_MIN_SHARE = 0.95
_TYPES = {
    "integer": re.compile(r"[+-]?\d+"),
    "number": re.compile(r"[+-]?(\d++\.?\d*+|\.\d++)([eE][+-]?\d+)?"),
    "boolean": re.compile(r"(?i)true|false|yes|no|t|f|y|n"),
    "email": re.compile(r"[^@\s]++@[^@\s][^@\s.]*+\.[^@\s]++"),
    "url": re.compile(r"https?://\S+"),
    "time": re.compile(r"\d{1,2}:\d{2}(:\d{2})?(\s?[aApP]\.?[mM]\.?)?"),
}
# A category has at most this share of distinct values; values longer than this on average are texts.
_MAX_CATEGORY_SHARE = 0.1
_MIN_TEXT_LENGTH = 40
# Longer values are texts; some patterns take long to reject them.
_MAX_LENGTH = 100


def semantic_type(counts: Counter[str], poll: Poll = lambda: None) -> str | None:
    """The type that at least 95 % of the values fit; None for an empty column."""
    total = counts.total()
    if not total:
        return None
    types: dict[str, Callable[[str], object]] = {name: pattern.fullmatch for name, pattern in _TYPES.items()} | {
        "date": dates.is_date
    }
    for name, fits in types.items():
        fitting = sum(
            count for value, count in interruptible(counts.items(), poll) if len(value) <= _MAX_LENGTH and fits(value)
        )
        if fitting >= _MIN_SHARE * total:
            return name
    if len(counts) <= max(2, _MAX_CATEGORY_SHARE * total):
        return "category"
    length = sum(len(value) * count for value, count in interruptible(counts.items(), poll))
    return "text" if length > _MIN_TEXT_LENGTH * total else "name"


def patterns(counts: Counter[str], poll: Poll = lambda: None) -> dict[str, int]:
    """The most frequent patterns and how many cells have them: 9 stands for digits, a for letters."""
    frequency: Counter[str] = Counter()
    for value, count in interruptible(counts.items(), poll):
        frequency["".join(shape(value[:_MAX_LENGTH]))] += count
    return dict(frequency.most_common(_MAX_PATTERNS))
