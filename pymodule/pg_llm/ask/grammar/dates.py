"""Times that a question names: March 5, 2021, from May to July 2020, the first half of 2023, 2023年第一季度.

A time is written as ISO 8601 does (2023, 2023-03, 2023-03-05), a span of them as first and last (2023-01/2023-06).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence

from pg_llm.ask.grammar import lexicon
from pg_llm.ask.grammar.tokens import Token
from pg_llm.ask.mention import Mention

_YEAR = re.compile(r"(?:19|20)\d\d")
_DAY = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?")
_PART = re.compile(r"([qh])([1-4])")
# Months of a part of the year that is counted.
_MONTHS_OF = {"quarter": 3, "half": 6, "month": 1, "q": 3, "h": 6}
_ORDINALS = lexicon.ORDINALS | {"first": 1, "1st": 1, "last": -1, "final": -1}
_EDGES = {"start": 0, "beginning": 0, "end": -1, "close": -1}
_BEFORE, _AFTER = {"before", "preceding", "prior"}, {"after", "following"}
# What joins the ends of a span; and does where it was begun.
_TO = {"to", "through", "until", "till", "thru", "-", "\u2013", "\u2014", "~", "到", "至"}
_BEGUN = {"between": _TO | {"and"}, "from": _TO, "从": _TO}
# A month's name that is a word as well needs more beside it than a capital.
_AS_WORD = {"may"}
_BEFORE_MONTHS = {"in", "of", "during", "since", "and", "or", "after", "before", "until", "to", "from", "between"}


def dates(cut: Sequence[Token]) -> Iterable[tuple[Mention, float]]:
    """Mentions of times, each with a rank among all mentions that may stand there: behind a value as long."""
    place = 0
    while place < len(cut):
        found = _span_of_times(cut, place) or time_at(cut, place)
        if found is None:
            found = _month(cut, place)
            if found is not None:
                yield Mention("month", place, found[1], found[0]), 12
            place = found[1] if found is not None else place + 1
            continue
        said, end = found
        number = float(said) if _YEAR.fullmatch(said) else 0.0
        kind = "year" if all(_YEAR.fullmatch(each) for each in said.split("/")) else _kind(said)
        chinese = any(token.chinese for token in cut[place:end])
        rank = 60 if kind == "date" or chinese else 12 if end == place + 1 else 5
        yield Mention(kind, place, end, said, number=number), rank + (10 * (end - place) if rank in (5, 60) else 0)
        place = end


def days(said: str) -> tuple[datetime.date, datetime.date]:
    """The first day of a time and the first behind it. Raises ValueError where there is no such day."""
    first, _, last = said.partition("/")
    if last:
        return days(first)[0], days(last)[1]
    parts = [int(part) for part in first.split("-")]
    if len(parts) == 3:
        day = datetime.date(parts[0], parts[1], parts[2])
        return day, day + datetime.timedelta(days=1)
    if len(parts) == 2:
        month = datetime.date(parts[0], parts[1], 1)
        return month, _later(month, 1, "month")
    return datetime.date(parts[0], 1, 1), datetime.date(parts[0] + 1, 1, 1)


def _kind(said: str) -> str:
    return "date" if "/" not in said and said.count("-") == 2 else "period"


def _span_of_times(cut: Sequence[Token], place: int) -> tuple[str, int] | None:
    """From one time to another, which may say the year, or the month, of both."""
    word = cut[place].text.lower()
    start = place + 1 if word in _BEGUN else place
    joiners = _BEGUN.get(word, _TO)
    while start > place and start < len(cut) and cut[start].text.lower() in ("the", "year", "years"):
        start += 1
    for first, at in _firsts(cut, start):
        if at >= len(cut) or cut[at].text.lower() not in joiners:
            continue
        second = time_at(cut, _past_articles(cut, at + 1))
        if second is None and isinstance(first, tuple) and all(first):
            # March 27 to 31, 2023
            second = _dated(cut, at + 1, first[0])
        if second is None:
            continue
        said = first if isinstance(first, str) else _completed(first, second[0])
        if said is not None and _ordered(said, second[0]):
            return f"{said.partition('/')[0]}/{second[0].rpartition('/')[2]}", second[1]
    return None


def _firsts(cut: Sequence[Token], start: int) -> Iterator[tuple[str | tuple[int, int], int]]:
    """The times that may stand at a place: with a year, a month with or without a day, a day."""
    whole = time_at(cut, start)
    if whole is not None:
        yield whole
    if start < len(cut):
        month = _named_month(cut, start)
        day = _day(cut, start + 1) if month else _day(cut, start)
        if month:
            if day:
                yield (month, day), start + 2
            yield (month, 0), start + 1
        elif day:
            of = _named_month(cut, start + 1)
            yield (of, day), start + (2 if of else 1)


def _completed(first: tuple[int, int], last: str) -> str | None:
    """A time without its year, before one that has it."""
    month, day = first
    parts = last.rpartition("/")[2].split("-")
    if len(parts) < 2:
        return None
    year, of = int(parts[0]), month or int(parts[1])
    year -= of > int(parts[1])
    return f"{year}-{of:02}-{day:02}" if day else f"{year}-{of:02}"


def _ordered(first: str, last: str) -> bool:
    try:
        return days(first)[0] < days(last)[1]
    except ValueError:
        return False


def time_at(cut: Sequence[Token], place: int) -> tuple[str, int] | None:
    """The time with its year that begins at a place, as ISO writes it, and where it ends."""
    if not 0 <= place < len(cut):
        return None
    for read in (_edge, _part, _beside, _chinese, _written):
        found = read(cut, place)
        if found is not None:
            return found if _exists(found[0]) else None
    return None


def _exists(said: str) -> bool:
    try:
        return bool(days(said))
    except (ValueError, OverflowError):
        return False


def _edge(cut: Sequence[Token], place: int) -> tuple[str, int] | None:
    """The start of 2020, the end of May 2021: a day."""
    if cut[place].text.lower() not in _EDGES or _word(cut, place + 1) != "of":
        return None
    of = time_at(cut, _past_articles(cut, place + 2))
    if of is None:
        return None
    begin, end = days(of[0])
    day = begin if _EDGES[cut[place].text.lower()] == 0 else end - datetime.timedelta(days=1)
    return day.isoformat(), of[1]


def _part(cut: Sequence[Token], place: int) -> tuple[str, int] | None:
    """The first quarter of 2023, the last 10 days of May 2020, Q1 2023."""
    short = _PART.fullmatch(cut[place].text.lower())
    if short:
        at = place + 2 if _word(cut, place + 1) in ("of", ",") else place + 1
        year = _year(cut, at)
        return (_counted(f"{year}", int(short[2]), 1, short[1]), at + 1) if year else None
    ordinal = _ORDINALS.get(cut[place].text.lower())
    if ordinal is None:
        return None
    count = _number(cut, place + 1)
    unit = lexicon.UNITS.get(_stem(cut, place + (2 if count else 1)), _stem(cut, place + (2 if count else 1)))
    at = place + (3 if count else 2)
    if unit not in (*_MONTHS_OF, "week", "day") or _word(cut, at) not in ("of", "in"):
        return None
    if unit == "week" and not count and ordinal not in (1, -1):
        # Whether weeks are counted from the first day or from the first Monday is not said.
        return None
    of = time_at(cut, _past_articles(cut, at + 1))
    return (_counted(of[0], ordinal, count or 1, unit), of[1]) if of is not None else None


def _counted(of: str, ordinal: int, count: int, unit: str) -> str:
    """The n-th part of a time, its last one for -1."""
    begin, end = days(of)
    if ordinal < 0:
        return _between(_later(end, -count, unit), end)
    first = _later(begin, (ordinal - 1) * count, unit)
    return _between(first, _later(first, count, unit))


def _beside(cut: Sequence[Token], place: int) -> tuple[str, int] | None:
    """The 30 days before April 1, 2023."""
    count = _number(cut, place)
    unit = lexicon.UNITS.get(_stem(cut, place + 1))
    before = _word(cut, place - 1)
    side = _word(cut, place + 2)
    if not count or unit is None or unit == "hour" or side not in _BEFORE | _AFTER:
        return None
    if before not in ("the", "last", "past", "previous", "within", "final", "next", "first"):
        return None
    of = time_at(cut, _past_articles(cut, place + (4 if _word(cut, place + 3) == "to" else 3)))
    if of is None:
        return None
    begin, end = days(of[0])
    return (
        _between(_later(begin, -count, unit), begin) if side in _BEFORE else _between(end, _later(end, count, unit))
    ), of[1]


def _between(begin: datetime.date, end: datetime.date) -> str:
    return f"{begin.isoformat()}/{(end - datetime.timedelta(days=1)).isoformat()}"


def _later(day: datetime.date, count: int, unit: str) -> datetime.date:
    if unit in ("day", "week"):
        return day + datetime.timedelta(days=count * (7 if unit == "week" else 1))
    months = day.year * 12 + day.month - 1 + count * (12 if unit == "year" else _MONTHS_OF[unit])
    last = (datetime.date(months // 12 + months % 12 // 11, (months + 1) % 12 + 1, 1) - datetime.timedelta(days=1)).day
    return datetime.date(months // 12, months % 12 + 1, min(day.day, last))


def _chinese(cut: Sequence[Token], place: int) -> tuple[str, int] | None:
    """2023年, 2023年3月, 2023年3月5日, 2023年3月到5月, 2023年上半年, 2023年第一季度."""
    year = _year(cut, place)
    if not year or _word(cut, place + 1) not in ("年", "年份"):
        return None
    following = _word(cut, place + 2)
    if following in lexicon.CHINESE_PARTS:
        ordinal, unit = lexicon.CHINESE_PARTS[following]
        return _counted(year, ordinal, 1, unit), place + 3
    if following.isdigit() and _word(cut, place + 3) in ("月", "月份"):
        if _word(cut, place + 4).isdigit() and _word(cut, place + 5) == "日":
            return f"{year}-{int(following):02}-{int(_word(cut, place + 4)):02}", place + 6
        if _word(cut, place + 4) in _TO and _word(cut, place + 5).isdigit() and _word(cut, place + 6) in ("月", "月份"):
            return f"{year}-{int(following):02}/{year}-{int(_word(cut, place + 5)):02}", place + 7
        return f"{year}-{int(following):02}", place + 4
    return year, place + 2


def _written(cut: Sequence[Token], place: int) -> tuple[str, int] | None:
    """2023, 2023-03-05, March 2023, March 5, 2023, 5th of March 2023, the 1990s."""
    token = cut[place]
    if token.kind == "date":
        year, *rest = re.split("[-/]", token.text)
        return "-".join([year, *(f"{int(part):02}" for part in rest)]), place + 1
    if re.fullmatch(r"(?:19|20)\d0s", token.text):
        return f"{token.text[:4]}/{token.text[:3]}9", place + 1
    if _year(cut, place):
        part = _PART.fullmatch(_word(cut, place + 1))
        if part:
            return _counted(token.text, int(part[2]), 1, part[1]), place + 2
        return token.text, place + 1
    month = _named_month(cut, place)
    if month:
        return _dated(cut, place + 1, month) or _with_year(cut, place + 1, month, 0)
    day = _day(cut, place)
    at = place + (2 if _word(cut, place + 1) == "of" else 1)
    month = _named_month(cut, at) if day else 0
    return _with_year(cut, at + 1, month, day) if month else None


def _dated(cut: Sequence[Token], place: int, month: int) -> tuple[str, int] | None:
    day = _day(cut, place)
    return _with_year(cut, place + 1, month, day) if day else None


def _with_year(cut: Sequence[Token], place: int, month: int, day: int) -> tuple[str, int] | None:
    at = place + 1 if _word(cut, place) in (",", "of", ".") else place
    year = _year(cut, at)
    if not year:
        return None
    return (f"{year}-{month:02}-{day:02}" if day else f"{year}-{month:02}"), at + 1


def _month(cut: Sequence[Token], place: int) -> tuple[str, int] | None:
    """A month of any year."""
    month = _named_month(cut, place)
    token = cut[place]
    if _word(cut, place + 1) in ("月", "月份") and 1 <= _day(cut, place) <= 12:
        return token.text, place + 2
    if not month or not token.capital:
        return None
    if token.text.lower() in _AS_WORD and _word(cut, place - 1) not in _BEFORE_MONTHS:
        return None
    return str(month), place + 1


def _named_month(cut: Sequence[Token], place: int) -> int:
    token = cut[place] if 0 <= place < len(cut) else None
    return lexicon.MONTHS.get(token.stem, 0) if token is not None and token.kind == "word" else 0


def _year(cut: Sequence[Token], place: int) -> str:
    word = _word(cut, place)
    return word if _YEAR.fullmatch(word) else ""


def _day(cut: Sequence[Token], place: int) -> int:
    found = _DAY.fullmatch(_word(cut, place))
    return int(found[1]) if found and 1 <= int(found[1]) <= 31 else 0


def _number(cut: Sequence[Token], place: int) -> int:
    word = _word(cut, place)
    return int(word) if re.fullmatch(r"\d{1,3}", word) else int(lexicon.NUMBERS.get(word, 0))


def _past_articles(cut: Sequence[Token], place: int) -> int:
    while _word(cut, place) in ("the", "year", "calendar"):
        place += 1
    return place


def _word(cut: Sequence[Token], place: int) -> str:
    return cut[place].text.lower() if 0 <= place < len(cut) else ""


def _stem(cut: Sequence[Token], place: int) -> str:
    return cut[place].stem if 0 <= place < len(cut) else ""
