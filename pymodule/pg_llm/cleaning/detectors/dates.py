"""Dates that are written otherwise than the rest of a column; what may mean two days is left alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from pg_llm.cleaning.table import Pulse, watched

# Which of three numbers is what, nobody knows without more; years of two digits lack their century, too.
_FORMATS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%d.%m.%Y",
    "%m.%d.%Y",
    "%m/%d/%y",
    "%d/%m/%y",
    "%y/%m/%d",
    "%m-%d-%y",
    "%d-%m-%y",
    "%y-%m-%d",
    "%d.%m.%y",
    "%m.%d.%y",
    "%y.%m.%d",
    "%b %d, %Y",
    "%B %d, %Y",
    "%d %b %Y",
    "%d %B %Y",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
)
_PARTS = {"%Y": r"\d{4}", "%b": "[A-Za-z]{3}", "%B": "[A-Za-z]{3,9}"}
_PATTERNS = {
    name: re.compile(re.sub("%.", lambda part: _PARTS.get(part[0], r"\d{1,2}"), re.escape(name).replace(r"\ ", " ")))
    for name in _FORMATS
}
# A way of writing that less of the column has than this is not its own.
_DOMINANT = 0.6
_SHORTEST, _LONGEST = 6, 30
_SURE = 0.97


def is_date(value: str) -> bool:
    """Whether it is a date, in any of the usual ways."""
    return bool(readings(value))


def readings(value: str) -> dict[str, datetime]:
    """The formats that a value may be written in, and the day that it then means."""
    if not _SHORTEST <= len(value) <= _LONGEST or not value.isascii() or not any(c.isdigit() for c in value):
        return {}
    found = {}
    for name, pattern in _PATTERNS.items():
        if pattern.fullmatch(value):
            try:
                found[name] = datetime.strptime(value, name)
            except ValueError:
                continue
    return found


def odd(counts: Mapping[str, int], pulse: Pulse) -> dict[str, tuple[str, float, str]]:
    """Values that mean one day for certain, in the way that most of the column's dates are written."""
    read = {value: readings(value) for value in watched(counts, pulse)}
    usual = _usual(counts, read.items(), pulse)
    if usual is None:
        return {}
    padded = any(re.search(r"(?<!\d)0\d(?!\d)", value) for value in watched(counts, pulse) if usual in read[value])
    found = {}
    for value, its in watched(read.items(), pulse):
        days = set(its.values())
        if usual not in its and len(days) == 1 and not any("%y" in name for name in its):
            new = _written(days.pop(), usual, padded)
            if new and new != value:
                found[value] = (new, _SURE, "most others are dates written so")
    return found


def _usual(counts: Mapping[str, int], read: Iterable[tuple[str, dict[str, datetime]]], pulse: Pulse) -> str | None:
    """The one format that most of the values have; None if another explains as many."""
    written: Counter[str] = Counter()
    total = 0
    for value, its in watched(read, pulse):
        total += counts[value]
        for name in its:
            written[name] += counts[value]
    (usual, most), (_, second) = [*written.most_common(2), ("", 0), ("", 0)][:2]
    return usual if _DOMINANT * total <= most < total and second < most else None


def _written(day: datetime, name: str, padded: bool) -> str:
    if (day.hour or day.minute or day.second) and "%H" not in name:
        return ""
    text = day.strftime(name)
    # Whether the column writes 03 or 3 for March.
    return text if padded or "%Y-" in name or "%H" in name or "%Y%" in name else re.sub(r"\b0(\d)", r"\1", text)
