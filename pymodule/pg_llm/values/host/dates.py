"""The date reader: a text's readings as a date, in any order, with names of months in many languages.

A text that may be two days has two readings, and what is no complete date (`May 2021`), a range or a text with other
words in it has none. A year of two digits is 2000 to 2029 or 1950 to 1999; 30 to 49 may be either century.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Literal

from pg_llm.values.host import locales, month_names, times_of_day
from pg_llm.values.host.characters import plain

Order = Literal["DMY", "MDY", "YMD"]
ORDERS: tuple[Order, ...] = ("DMY", "MDY", "YMD")
_MAX_LENGTH = 60
# Serial numbers of days in spreadsheets that are dates from 1954 to 2064.
_EPOCH, _FIRST_SERIAL, _LAST_SERIAL = date(1899, 12, 30), 20_000, 60_000
# First year that is no two-digit year's own, in both centuries.
_LAST_OF_2000, _FIRST_OF_1900 = 29, 50
_BUDDHIST = 543

_NUMERIC = re.compile(r"(\d{1,4})( ?[-/.] ?)(\d{1,2})\2(\d{1,4})\.?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_EAST_ASIAN = re.compile(
    r"(?P<era>[^\W\d_]{2})?(?P<year>\d{1,4}|元) ?[年년] ?(?P<month>\d{1,2}) ?[月월] ?(?P<day>\d{1,2}) ?[日일号]"
)
_CHINESE_DIGITS = "〇一二三四五六七八九"
_PARTS = re.compile(r"\d+|[^\W\d_]+(?:[\u0300-\u036f\u0900-\u0dff\u0e00-\u0e7f]|[^\W\d_])*|[^\w\s]|_")
# "Year" after the date in Bulgarian.
_ERA_MARK = re.compile(r"(?<=\d) ?г\.?$")
# Vietnamese months are numbers: 4 tháng 3, 2021.
_NUMBERED_MONTH = re.compile(r"(?:ngày )?(\d{1,2}) (?:tháng|thg) (\d{1,2}),? (?:năm )?(\d{4})")
# Words and signs between the parts of a date.
_PARTICLES = frozenset("of the de del do da di d den le el al ng ngày năm г р ж թ gada m ta ค ศ ที่".split())
_ORDINALS = frozenset("st nd rd th er º ª º".split())


@dataclass(frozen=True, slots=True)
class Date:
    """A day, the time of day if the text has one, and how it is written.

    `order` is the order of its parts, `form` its writing with the parts as directives of strftime() (`%d.%m.%Y`;
    `%-d` without a zero before it), None where there is no such form; `clock` is that of the time. `language` has the
    month's name.
    """

    day: date
    time: time | None = None
    order: Order | None = None
    form: str | None = None
    language: str | None = None
    clock: str | None = None

    def isoformat(self, with_time: bool = False) -> str:
        """The day in ISO 8601, with the time of day where the text has one."""
        if with_time:
            return datetime.combine(self.day, self.time or time()).isoformat()
        return self.day.isoformat()


def read(text: str, order: Order | None = None, locale: str | None = None) -> Date | None:
    """The one day that a text is; None if it is none, or may be two. `order` decides between those."""
    found = readings(text, locale)
    if order is not None and len(found) > 1:
        found = [each for each in found if each.order == order]
    days = {(each.day, each.time) for each in found}
    return found[0] if len(days) == 1 else None


def readings(text: str, locale: str | None = None) -> list[Date]:
    """All days that a text may be, one for each order of its parts that makes a valid date."""
    if len(text) > _MAX_LENGTH:
        return []
    text = plain(text)
    if not any(map(str.isdecimal, text)) and not any(digit in text for digit in _CHINESE_DIGITS):
        return []
    parted = times_of_day.split(text)
    if parted is None:
        return []
    rest, moment = parted
    clock = None if moment is None else times_of_day.form(text[len(rest) :])
    return [replace(each, time=moment, clock=clock) for each in _days(rest, locale)]


def order_of(locale: str) -> Order | None:
    """The order of a date's parts in a locale, by CLDR; a language without a territory may have several."""
    found = locales.find(locale)
    # English is month first in one country and day first in others.
    if found.language == "en" and found.territory is None:
        return None
    pattern = str(found.date_formats["short"].pattern).lower()
    order = "".join(sorted("dmy", key=pattern.find)).upper()
    return next((each for each in ORDERS if each == order), None)


def of_serial(text: str) -> Date | None:
    """The day of a spreadsheet's serial number: 44197 is 2021-01-01."""
    match = re.fullmatch(r"(\d{5})(?:\.(\d+))?", text.strip())
    if not match or not _FIRST_SERIAL <= int(match[1]) <= _LAST_SERIAL:
        return None
    seconds = round(float(f"0.{match[2]}") * 86_400) if match[2] else 0
    moment = datetime.combine(_EPOCH, time()) + timedelta(days=int(match[1]), seconds=seconds)
    return Date(moment.date(), moment.time() if seconds else None)


def _days(text: str, locale: str | None) -> Iterator[Date]:
    text, weekdays = month_names.split_weekday(text)
    for found in _days_without_weekday(_ERA_MARK.sub("", text), locale):
        if weekdays is None or found.day.weekday() in weekdays:
            yield found if weekdays is None else replace(found, form=None)


def _days_without_weekday(text: str, locale: str | None) -> Iterator[Date]:
    if match := _NUMERIC.fullmatch(text):
        yield from _numeric(match)
    elif match := _NUMBERED_MONTH.fullmatch(text):
        if day := _day(match[3], match[2], match[1]):
            yield Date(day, order="DMY")
    elif match := _COMPACT.fullmatch(text):
        if (day := _day(match[1], match[2], match[3])) and 1900 <= day.year < 2100:
            yield Date(day, order="YMD", form="%Y%m%d")
    elif match := _EAST_ASIAN.fullmatch(_with_digits(text)):
        yield from _east_asian(match)
    else:
        yield from _with_name(text, locale)


def _numeric(match: re.Match[str]) -> Iterator[Date]:
    first, separator, second, third = match.groups()
    if len(first) > 2:
        # After a year the month comes first, in every convention.
        candidates: list[tuple[Order, str, str, str]] = [("YMD", first, second, third)]
    else:
        candidates = [("DMY", third, second, first), ("MDY", third, first, second), ("YMD", first, second, third)]
        # 03/04/30 is no day of 2003 only because 30 may be either century's.
        if _is_of_either_century(third) and any(_day("2000", *each[2:]) for each in candidates[:2]):
            return
    for order, year, month, day in candidates:
        if len(year) in (2, 4) and max(len(month), len(day)) <= 2 and (found := _day(year, month, day)):
            directives = {"Y": _year_form(year), "M": _number_form(month, "m"), "D": _number_form(day, "d")}
            form = separator.join(directives[part] for part in order) + ("." if match[0].endswith(".") else "")
            yield Date(found, order=order, form=form)


def _year_form(year: str) -> str:
    return "%Y" if len(year) == 4 else "%y"


def _number_form(digits: str, directive: str) -> str:
    return f"%{directive}" if len(digits) == 2 else f"%-{directive}"


def _east_asian(match: re.Match[str]) -> Iterator[Date]:
    era, year = match["era"], 1 if match["year"] == "元" else int(match["year"])
    if era == "民國" or era == "民国":
        year += 1911
    elif era:
        if era not in month_names.ERAS:
            return
        first, last = month_names.ERAS[era]
        year += first.year - 1
        day = _day(f"{year:04}", match["month"], match["day"])
        if day and first <= day <= last:
            yield Date(day, order="YMD")
        return
    elif year < 1000:
        return
    if day := _day(f"{year:04}", match["month"], match["day"]):
        yield Date(day, order="YMD")


def _with_digits(text: str) -> str:
    """The text with Chinese numerals as digits: 二〇二一 digit by digit, 二十五 as a number below 100."""
    if not re.search(f"[{_CHINESE_DIGITS}十]", text):
        return text
    text = re.sub(f"[{_CHINESE_DIGITS}]{{4}}", lambda m: "".join(str(_CHINESE_DIGITS.index(c)) for c in m[0]), text)

    def below_100(match: re.Match[str]) -> str:
        tens = (_CHINESE_DIGITS.index(match[1]) if match[1] else 1) if match[2] else 0
        return str(tens * 10 + (_CHINESE_DIGITS.index(match[3]) if match[3] else 0))

    return re.sub(
        f"([{_CHINESE_DIGITS}])?(十)([{_CHINESE_DIGITS}])?|([{_CHINESE_DIGITS}])",
        lambda m: below_100(m) if m[2] else str(_CHINESE_DIGITS.index(m[4])),
        text,
    )


def _with_name(text: str, locale: str | None) -> Iterator[Date]:
    """Dates whose month is a name: day month year, month day year, year month day."""
    numbers: list[str] = []
    name = None
    named_at = -1
    for part in _PARTS.findall(text):
        lower = part.lower()
        if part.isdecimal():
            numbers.append(part)
        elif part in ".,،-/'" or lower in _PARTICLES or (numbers and lower in _ORDINALS):
            continue
        elif month := month_names.month(part, locale):
            if name is not None:
                return
            name, named_at, number = part, len(numbers), month
        else:
            return
    if name is None or len(numbers) != 2 or max(map(len, numbers)) > 4 or len(numbers[0]) == len(numbers[1]) == 4:
        return
    first, second = numbers
    if len(first) == 4:
        if named_at != 1:
            return
        year, day, order = first, second, "YMD"
    else:
        if named_at == 2:
            return
        year, day, order = second, first, "DMY" if named_at == 1 else "MDY"
    if len(year) not in (2, 4) or len(day) > 2:
        return
    if len(year) == 4 and int(year) > 2400 and re.search("[\u0e00-\u0e7f]", name):
        year = str(int(year) - _BUDDHIST)
    found = _day(year, str(number), day)
    if found:
        yield _named(text, found, name, order, year, day, locale)


def _named(text: str, found: date, name: str, order: str, year: str, day: str, locale: str | None) -> Date:
    """The date with its form, if only its parts and ASCII signs are in the text."""
    known = month_names.languages(name)
    language = locale if locale in known else next(iter(known), None)
    if language is None or len(re.findall(r"[^\W\d_]+", text)) != 1:
        return Date(found, order=order)  # type: ignore[arg-type]
    parts = {"D": _number_form(day, "d"), "M": "%B" if known[language][1] == "wide" else "%b", "Y": _year_form(year)}
    remaining = iter(order)
    form = re.sub(r"\d+|[^\W\d_]+", lambda match: parts[next(remaining)], text)
    return Date(found, order=order, form=form, language=language)  # type: ignore[arg-type]


def _is_of_either_century(year: str) -> bool:
    return len(year) == 2 and _LAST_OF_2000 < int(year) < _FIRST_OF_1900


def _day(year: str, month: str, day: str) -> date | None:
    number = int(year)
    if len(year) == 2:
        if _is_of_either_century(year):
            return None
        number += 2000 if number <= _LAST_OF_2000 else 1900
    elif number < 1000:
        return None
    try:
        return date(number, int(month), int(day))
    except ValueError:
        return None


def write(value: Date, form: str, language: str | None = None, clock: str | None = None) -> str | None:
    """The day in a form of `Date.form`, and the time of day, which both or neither must have, in one of `Date.clock`.

    None if that would lose a part of it, or needs another language's names.
    """
    if (value.time is None) != (clock is None) or (("%B" in form or "%b" in form) and language is None):
        return None
    after = times_of_day.write(value.time, clock) if value.time is not None and clock is not None else ""
    if after is None:
        return None
    day = value.day
    parts = {
        "%Y": f"{day.year:04}", "%y": f"{day.year % 100:02}", "%m": f"{day.month:02}", "%-m": str(day.month),
        "%d": f"{day.day:02}", "%-d": str(day.day),
    }  # fmt: skip
    if language is not None:
        parts |= {"%B": month_names.written(day.month, language, "wide")}
        parts |= {"%b": month_names.written(day.month, language, "abbreviated").rstrip(".")}
    return re.sub("%-?[YymdBb]", lambda match: parts[match[0]], form) + after
