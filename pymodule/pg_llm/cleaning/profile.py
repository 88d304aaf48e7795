"""What a column holds, in a few words."""

from __future__ import annotations

import re
from collections import Counter

from pg_llm.cleaning import formats

_MOST_PATTERNS = 5
_LEAST_SHARE = 0.95
_KINDS = {
    "integer": re.compile(r"[+-]?\d+"),
    "number": re.compile(r"[+-]?(\d++\.?\d*+|\.\d++)([eE][+-]?\d+)?"),
    "boolean": re.compile(r"(?i)true|false|yes|no|t|f|y|n"),
    "email": re.compile(r"[^@\s]++@[^@\s][^@\s.]*+\.[^@\s]++"),
    "url": re.compile(r"https?://\S+"),
    "time": re.compile(r"\d{1,2}:\d{2}(:\d{2})?(\s?[aApP]\.?[mM]\.?)?"),
}
_FEW = 0.1
_LONG = 40


def kind(counts: Counter[str]) -> str | None:
    """What at least 95 % of the values look like; None for an empty column."""
    total = counts.total()
    if not total:
        return None
    for name, pattern in _KINDS.items():
        if sum(count for value, count in counts.items() if pattern.fullmatch(value)) >= _LEAST_SHARE * total:
            return name
    if sum(count for value, count in counts.items() if formats.is_date(value)) >= _LEAST_SHARE * total:
        return "date"
    if len(counts) <= max(2, _FEW * total):
        return "category"
    return "text" if sum(len(value) * count for value, count in counts.items()) > _LONG * total else "name"


def patterns(counts: Counter[str]) -> dict[str, int]:
    """The most frequent patterns and how many cells have them: 9 stands for digits, a for letters."""
    found: Counter[str] = Counter()
    for value, count in counts.items():
        found["".join(formats.shape(value[:100]))] += count
    return dict(found.most_common(_MOST_PATTERNS))
