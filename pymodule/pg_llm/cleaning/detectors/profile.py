"""What a column holds, in a few words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from pg_llm.cleaning.detectors import dates
from pg_llm.cleaning.detectors.value_patterns import shape
from pg_llm.cleaning.table import Pulse, watched

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
# Longer ones are texts; some patterns take long to see that.
_LONGEST = 100


def kind(counts: Counter[str], pulse: Pulse = lambda: None) -> str | None:
    """What at least 95 % of the values look like; None for an empty column."""
    total = counts.total()
    if not total:
        return None
    kinds: dict[str, Callable[[str], object]] = {name: pattern.fullmatch for name, pattern in _KINDS.items()} | {
        "date": dates.is_date
    }
    for name, fits in kinds.items():
        share = sum(count for value, count in watched(counts.items(), pulse) if len(value) <= _LONGEST and fits(value))
        if share >= _LEAST_SHARE * total:
            return name
    if len(counts) <= max(2, _FEW * total):
        return "category"
    length = sum(len(value) * count for value, count in watched(counts.items(), pulse))
    return "text" if length > _LONG * total else "name"


def patterns(counts: Counter[str], pulse: Pulse = lambda: None) -> dict[str, int]:
    """The most frequent patterns and how many cells have them: 9 stands for digits, a for letters."""
    found: Counter[str] = Counter()
    for value, count in watched(counts.items(), pulse):
        found["".join(shape(value[:_LONGEST]))] += count
    return dict(found.most_common(_MOST_PATTERNS))
