"""The order of labels on an axis: that of the query, of the calendar, of numbers in the labels, or by value."""

from __future__ import annotations

import calendar
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pg_llm.charts.aggregation import OTHERS_PREFIX, Points
from pg_llm.charts.chart_data import NULL

_DAYS = "一二三四五六日"
# Names of days and months, each list in its order; to_char() writes those of English.
_CALENDARS = (
    *(
        [name.lower() for name in names if name]
        for names in (calendar.day_name, calendar.day_abbr, calendar.month_name, calendar.month_abbr)
    ),
    *([prefix + day for day in _DAYS] for prefix in ("周", "星期")),
    [f"{month}月" for month in (*"一二三四五六七八九十", "十一", "十二")],
)
# Years, quarters, months, weeks, days and times of day as texts, and ranges of numbers.
_DATE_PARTS = re.compile(r"[\d\s:/.\-\u2013qwh年月日号时点分周季度第]+")
_SHORT_NUMBER = re.compile(r"-?\d{1,4}(\.\d+)?")
_YEAR_DIGITS = 4


def positions(points: Points, ordered: bool) -> list[Any]:
    """The positions of bars, a remainder last: as they are where the query orders them, as `natural` does, by value."""
    given = points.positions if ordered else natural(points.positions)
    return by_value(points) if given is None else _rest_last(given)


def natural(labels: Sequence[Any]) -> list[Any] | None:
    """The labels in an order of their own: short numbers, days, months, parts of dates; None where they have none."""
    others = [label for label in labels if label == NULL or _is_rest(label)]
    known = [label for label in labels if label not in others]
    folded = [str(label).strip().lower() for label in known]
    keys: list[tuple[float, ...] | None] = [_numbers(text) for text in folded]
    for names in _CALENDARS:
        if set(folded) <= set(names):
            keys = [(names.index(name),) for name in folded]
    if not known or None in keys or len({len(key or ()) for key in keys}) > 1:
        return None
    return [label for _, label in sorted(zip(keys, known, strict=True), key=lambda pair: pair[0] or ())] + others


def by_value(points: Points) -> list[Any]:
    """The positions by descending sum, a remainder last."""
    sums: dict[Any, float] = defaultdict(float)
    for point in points.points:
        sums[point.x] += point.value
    return _rest_last(sorted(sums, key=lambda position: -sums[position]))


def _rest_last(labels: Sequence[Any]) -> list[Any]:
    return sorted(labels, key=_is_rest)


def _is_rest(label: Any) -> bool:
    return str(label).startswith(OTHERS_PREFIX)


def _numbers(text: str) -> tuple[float, ...] | None:
    """The numbers in a label that has little else, the year first; None for other labels."""
    if _SHORT_NUMBER.fullmatch(text):
        return (float(text),)
    runs = re.findall(r"\d+", text)
    if not runs or not _DATE_PARTS.fullmatch(text) or any(len(run) > _YEAR_DIGITS for run in runs):
        return None
    # Whether the day or the month comes first cannot be known.
    if len(runs) > 2 and len(runs[0]) < _YEAR_DIGITS and ":" not in text:
        return None
    return tuple(int(run) for run in sorted(runs, key=lambda run: len(run) != _YEAR_DIGITS))
