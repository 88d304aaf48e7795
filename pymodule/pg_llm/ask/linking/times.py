"""Temporal expressions: months, quarters, days and spans of them, and times relative to today, as half-open periods."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

Day = datetime.date
_MONTHS = "january february march april may june july august september october november december".split()
_MONTH = "|".join(f"{name}|{name[:3]}\\.?" if name != "may" else name for name in _MONTHS) + "|sept"
_TO = r"(?:to|through|until|and|-|\u2013)"
_UNITS = {"day": 0, "week": 0, "month": 1, "quarter": 3, "year": 12}
_CHINESE_UNITS = {
    "天": "day",
    "日": "day",
    "周": "week",
    "星期": "week",
    "月": "month",
    "季度": "quarter",
    "年": "year",
}
_NUMBERS = {
    word: n for n, word in enumerate("one two three four five six seven eight nine ten eleven twelve".split(), 1)
}
_ORDINALS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4}
_HAN = {"一": 1, "二": 2, "三": 3, "四": 4, "上": 1, "下": 2}


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `begin` to before `end` (None is open) that the characters from `start` to `stop` name."""

    begin: Day | None
    end: Day | None
    start: int
    stop: int
    relative: bool = False
    # Whether both of its ends are said.
    closed: bool = False


def find_periods(question: str, today: Day) -> list[Period]:
    """The periods that a question names, in order; spans and directions (since, before) are part of them."""
    found: list[Period] = []
    position = 0
    for match in _EXPRESSION.finditer(question):
        if match.start() < position:
            continue
        try:
            period = _read(match, today)
        except (ValueError, OverflowError):
            continue
        if period is not None:
            found.append(period)
            position = match.end()
    return list(_joined(question, found))


def add_months(day: Day, count: int) -> Day:
    """The first of the month that lies so many months after the day's month."""
    months = day.year * 12 + day.month - 1 + count
    return Day(months // 12, months % 12 + 1, 1)


_EXPRESSION = re.compile(
    rf"""(?<![\w.])(?:
      (?P<iso>(?:19|20)\d\d[-/]\d{{1,2}}[-/]\d{{1,2}})
    | (?P<month_day>(?:{_MONTH})\s+\d{{1,2}}(?:st|nd|rd|th)?,?\s+(?:19|20)\d\d)
    | (?P<day_month>\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?(?:{_MONTH}),?\s+(?:19|20)\d\d)
    | (?P<month_year>(?:{_MONTH})(?:\s+of)?,?\s+(?:19|20)\d\d)
    | (?P<iso_month>(?:19|20)\d\d-(?:0[1-9]|1[0-2])(?!\d|-))
    | (?P<quarter>q[1-4]\s*(?:of|/)?\s*(?:19|20)\d\d|(?:19|20)\d\d\s*q[1-4])
    | (?P<nth>(?:the\s+)?(?:first|second|third|fourth|1st|2nd|3rd|4th)\s+(?:quarter|half)\s+of\s+(?:19|20)\d\d)
    | (?P<ago>(?:the\s+)?(?:last|past|previous)\s+(?:\d+|{"|".join(_NUMBERS)})\s+(?:day|week|month|quarter|year)s)
    | (?P<this>(?:this|last|previous|the\s+current|current|the\s+last|the\s+previous)\s+(?:week|month|quarter|year))
    | (?P<days>(?:{_MONTH})\s+\d{{1,2}}(?:st|nd|rd|th)?\s*{_TO}\s*
        (?:{_MONTH})\s+\d{{1,2}}(?:st|nd|rd|th)?,?\s+(?:19|20)\d\d)
    | (?P<months>(?:{_MONTH})\s*{_TO}\s*(?:{_MONTH}),?\s+(?:19|20)\d\d)
    | (?P<today>today|yesterday)
    | (?P<year>(?:the\s+year\s+)?(?:19|20)\d\d)
    )(?![\w-])
    | (?P<han>(?:19|20)\d\d年(?:份)?(?:(?:第?[一二三四]季度|[上下]半年)|\d{{1,2}}月(?:份)?(?:\d{{1,2}}[日号])?)?)
    | (?P<han_this>今年|去年|前年|本月|这个月|上个?月|本季度|上个?季度|本周|这周|上周|今天|昨天|本年度|上一年)
    | (?P<han_ago>(?:最近|过去|近)(?:\d+|[一二三四五六七八九十两])(?:个)?(?:天|日|周|月|季度|年))""",
    re.X | re.I,
)


def _read(match: re.Match[str], today: Day) -> Period | None:
    kind = str(match.lastgroup)
    begin, end = _READERS[kind](match[0].lower(), today)
    relative = kind in ("ago", "this", "today", "han_this", "han_ago")
    return Period(begin, end, match.start(), match.end(), relative, kind in ("days", "months"))


def _month_number(text: str) -> int:
    name = next(word for word in re.findall("[a-z]+", text) if word not in ("st", "nd", "rd", "th", "of"))
    return next(n for n, month in enumerate(_MONTHS, 1) if month.startswith(name[:3]))


def _iso(text: str, today: Day) -> tuple[Day, Day]:
    day = Day(*map(int, re.split("[-/]", text)))
    return day, day + datetime.timedelta(days=1)


def _named_day(text: str, today: Day) -> tuple[Day, Day]:
    day, year = re.findall(r"\d+", text)
    date = Day(int(year), _month_number(text), int(day))
    return date, date + datetime.timedelta(days=1)


def _month(text: str, today: Day) -> tuple[Day, Day]:
    first = Day(int(text[-4:]), _month_number(text), 1)
    return first, add_months(first, 1)


def _iso_month(text: str, today: Day) -> tuple[Day, Day]:
    first = Day(int(text[:4]), int(text[5:]), 1)
    return first, add_months(first, 1)


def _part(year: int, number: int, months: int) -> tuple[Day, Day]:
    first = add_months(Day(year, 1, 1), (number - 1) * months)
    if first.year != year:
        raise ValueError(number)
    return first, add_months(first, months)


def _days(text: str, today: Day) -> tuple[Day, Day]:
    """Days of which only the last has its year."""
    first, last = re.split(rf"(?<!\s)\s*+{_TO}\s*+(?=[a-z])", text, maxsplit=1)
    end = _named_day(last, today)[1]
    return _named_day(f"{first} {last[-4:]}", today)[0], end


def _months(text: str, today: Day) -> tuple[Day, Day]:
    """Months of which only the last has its year."""
    first, last = re.split(rf"(?<!\s)\s*+{_TO}\s*+(?=[a-z])", text, maxsplit=1)
    return _month(f"{first} {last[-4:]}", today)[0], _month(last, today)[1]


def _quarter(text: str, today: Day) -> tuple[Day, Day]:
    year = re.findall(r"\d{4}", text)[0]
    number = re.findall(r"q([1-4])", text)[0]
    return _part(int(year), int(number), 3)


def _nth(text: str, today: Day) -> tuple[Day, Day]:
    number = next(_ORDINALS[word] for word in text.split() if word in _ORDINALS)
    return _part(int(text[-4:]), number, 3 if "quarter" in text else 6)


def _year(text: str, today: Day) -> tuple[Day, Day]:
    year = int(text[-4:])
    return Day(year, 1, 1), Day(year + 1, 1, 1)


def _ago(text: str, today: Day) -> tuple[Day, Day]:
    number, unit = text.split()[-2:]
    return _past(int(number) if number.isdigit() else _NUMBERS[number], unit.rstrip("s"), today)


def _past(count: int, unit: str, today: Day) -> tuple[Day, Day]:
    """From so long ago up to today, both days included, as current_date - interval '30 days' has it."""
    tomorrow = today + datetime.timedelta(days=1)
    if not _UNITS[unit]:
        return today - datetime.timedelta(days=count * (7 if unit == "week" else 1)), tomorrow
    first = add_months(today, -count * _UNITS[unit])
    last = add_months(first, 1) - datetime.timedelta(days=1)
    return first.replace(day=min(today.day, last.day)), tomorrow


def _this(text: str, today: Day) -> tuple[Day, Day]:
    return _unit_around(text.split()[-1], today, -1 if re.search("last|previous", text) else 0)


def _unit_around(unit: str, today: Day, shift: int) -> tuple[Day, Day]:
    """The week, month, quarter or year of today, or one before."""
    if unit == "day":
        day = today + datetime.timedelta(days=shift)
        return day, day + datetime.timedelta(days=1)
    if unit == "week":
        monday = today - datetime.timedelta(days=today.weekday() - 7 * shift)
        return monday, monday + datetime.timedelta(days=7)
    months = _UNITS[unit]
    first = Day(today.year, (today.month - 1) // months * months + 1, 1)
    begin = add_months(first, shift * months)
    return begin, add_months(begin, months)


def _day(text: str, today: Day) -> tuple[Day, Day]:
    return _unit_around("day", today, -1 if text == "yesterday" else 0)


def _han(text: str, today: Day) -> tuple[Day, Day]:
    year = int(text[:4])
    part = re.search("([一二三四])季度|([上下])半年", text)
    if part:
        return _part(year, _HAN[part[1] or part[2]], 3 if part[1] else 6)
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    if len(numbers) == 3:
        day = Day(*numbers)
        return day, day + datetime.timedelta(days=1)
    return _part(year, numbers[1], 1) if len(numbers) == 2 else (Day(year, 1, 1), Day(year + 1, 1, 1))


def _han_this(text: str, today: Day) -> tuple[Day, Day]:
    unit = next(
        unit for word, unit in reversed(_CHINESE_UNITS.items()) if word in text or (word == "天" and "天" in text)
    )
    shift = -2 if text[0] == "前" else -1 if text[0] in "去上昨" else 0
    return _unit_around(unit, today, shift)


def _han_ago(text: str, today: Day) -> tuple[Day, Day]:
    number = re.findall(r"\d+|[一二三四五六七八九十两]", text)[0]
    count = int(number) if number.isdigit() else 2 if number == "两" else "一二三四五六七八九十".index(number) + 1
    unit = next(unit for word, unit in _CHINESE_UNITS.items() if text.endswith(word))
    return _past(count, unit, today)


_READERS: dict[str, Callable[[str, Day], tuple[Day, Day]]] = {
    "iso": _iso,
    "month_day": _named_day,
    "day_month": _named_day,
    "month_year": _month,
    "iso_month": _iso_month,
    "quarter": _quarter,
    "nth": _nth,
    "ago": _ago,
    "this": _this,
    "today": _day,
    "days": _days,
    "months": _months,
    "year": _year,
    "han": _han,
    "han_this": _han_this,
    "han_ago": _han_ago,
}
_SPAN = re.compile(r"\s*(?:and|to|until|till|through|-|\u2013|到|至)\s*(?:the\s+)?(?:end\s+of\s+)?", re.I)
_OPENING = re.compile(r"\b(?:between|from)\s+(?:the\s+)?$|[从在]$", re.I)
_AHEAD = {
    "since": re.compile(
        r"(?:\b(?:since|starting (?:in|from|on)|on or after|from)\s+(?:the\s+)?(?:(?:start|beginning)\s+of\s+)?|自)$",
        re.I,
    ),
    "after": re.compile(r"\b(?:after|later than)\s+(?:the\s+)?$", re.I),
    "before": re.compile(r"\b(?:before|prior to|earlier than)\s+(?:the\s+)?$", re.I),
    "until": re.compile(r"\b(?:until|till|through|up to|by the end of)\s+(?:the\s+)?$", re.I),
}
_BEHIND = re.compile(
    r"\s*(?:(?P<since>or later|onwards?|and later|以来|起)|(?P<after>之后|以后)|(?P<before>之前|以前))", re.I
)


def _joined(question: str, found: list[Period]) -> Iterator[Period]:
    """Two periods with `to` or, after `between`, `and` between them are one; words of direction open one side."""
    index = 0
    while index < len(found):
        period = found[index]
        opening = _OPENING.search(question, 0, period.start)
        following = found[index + 1] if index + 1 < len(found) else None
        middle = question[period.stop : following.start] if following else ""
        joiner = _SPAN.fullmatch(middle)
        if following and joiner and (opening or "and" not in middle.lower()):
            assert following.begin is not None
            start = opening.start() if opening else period.start
            yield Period(period.begin, following.end, start, following.stop, period.relative)
            index += 2
            continue
        yield _directed(question, period)
        index += 1


def _directed(question: str, period: Period) -> Period:
    """The period with the words of direction before or behind it; one with both ends said has none."""
    opening = _OPENING.search(question, 0, period.start)
    if period.closed:
        return replace(period, start=opening.start() if opening else period.start)
    begin, end = period.begin, period.end
    behind = _BEHIND.match(question, period.stop)
    sides: dict[str, tuple[Day | None, Day | None]] = {
        "since": (begin, None),
        "after": (end, None),
        "before": (None, begin),
        "until": (None, end),
    }
    for way, pattern in _AHEAD.items():
        match = pattern.search(question, 0, period.start)
        if match:
            again = behind is not None and behind.lastgroup == way
            stop = behind.end() if behind is not None and again else period.stop
            return replace(period, begin=sides[way][0], end=sides[way][1], start=match.start(), stop=stop)
    if behind is not None:
        first, last = sides[str(behind.lastgroup)]
        return replace(period, begin=first, end=last, stop=behind.end())
    return period
