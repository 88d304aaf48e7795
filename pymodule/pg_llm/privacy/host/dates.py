"""Days as people write them: read, moved, and written in the same form."""

from __future__ import annotations

import datetime
import re

KINDS = ("date", "date_of_birth")
_FORMS = (
    (re.compile(r"(?P<y>\d{4})(?P<s>[-/.])(?P<m>\d{1,2})(?P=s)(?P<d>\d{1,2})"), "{y}{s}{m}{s}{d}"),
    (re.compile(r"(?P<d>\d{1,2})(?P<s>[./-])(?P<m>\d{1,2})(?P=s)(?P<y>\d{4})"), "{d}{s}{m}{s}{y}"),
    (re.compile(r"(?P<y>\d{4})(?P<s>)年(?P<m>\d{1,2})月(?P<d>\d{1,2})日"), "{y}年{m}月{d}日"),
)
_YEAR = re.compile(r"(?<!\d)(?:1[89]|20)\d{2}(?!\d)")


def shift(value: str, days: int) -> str | None:
    """The day so many days later, in the form that it is written in; None where it is no day in figures.

    Which of two figures is the month is told where one is above twelve, and else taken as day before month; the two
    being exchanged would still be the same for each value.
    """
    for pattern, form in _FORMS:
        match = pattern.fullmatch(value)
        if not match:
            continue
        month, day = match["m"], match["d"]
        is_american = match["s"] == "/" and pattern is _FORMS[1][0] and int(day) <= 12 < int(month)
        first, second = (day, month) if is_american else (month, day)
        try:
            moved = datetime.date(int(match["y"]), int(first), int(second)) + datetime.timedelta(days)
        except (ValueError, OverflowError):
            return None
        width = 2 if len(month) == 2 and len(day) == 2 else 1
        new_month, new_day = f"{moved.month:0{width}}", f"{moved.day:0{width}}"
        if is_american:
            new_month, new_day = new_day, new_month
        return form.format(y=f"{moved.year:04}", m=new_month, d=new_day, s=match["s"])
    return None


def year(value: str) -> str | None:
    """The year that a day is written with."""
    found = _YEAR.search(value)
    return found[0] if found else None
