"""Dates in another format than the dominant one of their column; a date with two readings is left alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

# Day and month may come in either order, and a year of two digits lacks its century.
_FORMATS = (
    *"""
    %Y-%m-%d %Y/%m/%d %Y.%m.%d %Y%m%d
    %m/%d/%Y %d/%m/%Y %m-%d-%Y %d-%m-%Y %d.%m.%Y %m.%d.%Y
    %m/%d/%y %d/%m/%y %y/%m/%d %m-%d-%y %d-%m-%y %y-%m-%d %d.%m.%y %m.%d.%y %y.%m.%d
    """.split(),
    *"%b %d, %Y|%B %d, %Y|%d %b %Y|%d %B %Y|%Y-%m-%dT%H:%M:%S|%Y-%m-%d %H:%M:%S".split("|"),
)
_PARTS = {"%Y": r"\d{4}", "%b": "[A-Za-z]{3}", "%B": "[A-Za-z]{3,9}"}
_PATTERNS = {
    name: re.compile(re.sub("%.", lambda part: _PARTS.get(part[0], r"\d{1,2}"), re.escape(name).replace(r"\ ", " ")))
    for name in _FORMATS
}
# The dominant format has at least this share of a column.
_MIN_DOMINANT_SHARE = 0.6
_MIN_LENGTH, _MAX_LENGTH = 6, 30
_CONFIDENCE = 0.97


def is_date(value: str) -> bool:
    """Whether it is a date in any of the usual formats."""
    return bool(readings(value))


def readings(value: str) -> dict[str, datetime]:
    """The formats that a value fits, each with the day that it then means."""
    if not _MIN_LENGTH <= len(value) <= _MAX_LENGTH or not value.isascii() or not any(c.isdigit() for c in value):
        return {}
    days = {}
    for name, pattern in _PATTERNS.items():
        if pattern.fullmatch(value):
            try:
                days[name] = datetime.strptime(value, name)
            except ValueError:
                continue
    return days


def repairs(counts: Mapping[str, int]) -> dict[str, tuple[str, float, str]]:
    """Unambiguous dates in a minority format, each with the dominant format's form, confidence and reason."""
    readings_of = {value: readings(value) for value in counts}
    dominant = _dominant_format(counts, readings_of.items())
    if dominant is None:
        return {}
    padded = any(re.search(r"(?<!\d)0\d(?!\d)", value) for value in counts if dominant in readings_of[value])
    repaired = {}
    for value, formats in readings_of.items():
        days = set(formats.values())
        if dominant not in formats and len(days) == 1 and not any("%y" in name for name in formats):
            new = _format(days.pop(), dominant, padded)
            if new and new != value:
                repaired[value] = (new, _CONFIDENCE, "most others are dates written so")
    return repaired


def _dominant_format(counts: Mapping[str, int], readings_of: Iterable[tuple[str, dict[str, datetime]]]) -> str | None:
    """The one format that most of the values fit; None if another one fits as many, or it fits all."""
    frequency: Counter[str] = Counter()
    total = 0
    for value, formats in readings_of:
        total += counts[value]
        for name in formats:
            frequency[name] += counts[value]
    (dominant, most), (_, second) = [*frequency.most_common(2), ("", 0), ("", 0)][:2]
    return dominant if _MIN_DOMINANT_SHARE * total <= most < total and second < most else None


def _format(day: datetime, name: str, padded: bool) -> str:
    """The day in a format; the empty text if that would lose the time of day."""
    if (day.hour or day.minute or day.second) and "%H" not in name:
        return ""
    text = day.strftime(name)
    # strftime() pads; a column may write 3 for March.
    return text if padded or "%Y-" in name or "%H" in name or "%Y%" in name else re.sub(r"\b0(\d)", r"\1", text)
