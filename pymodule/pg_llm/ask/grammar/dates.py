"""Temporal expressions normalised to ISO 8601: March 5, 2021; from May to July 2020; 2023年第一季度.

A time is a year, a month or a day (2023, 2023-03, 2023-03-05), a span its first and last part (2023-01/2023-06).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence

from pg_llm.ask.grammar import lexicon
from pg_llm.ask.grammar.tokenizer import Token
from pg_llm.ask.mention import Mention

_YEAR = re.compile(r"(?:19|20)\d\d")
_DAY = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?")
_PART = re.compile(r"([qh])([1-4])")
# The number of months in each part of a year.
_MONTHS_OF = {"quarter": 3, "half": 6, "month": 1, "q": 3, "h": 6}
_ORDINALS = lexicon.ORDINALS | {"first": 1, "1st": 1, "last": -1, "final": -1}
_EDGE_WORDS = {"start": 0, "beginning": 0, "end": -1, "close": -1}
_BEFORE, _AFTER = {"before", "preceding", "prior"}, {"after", "following"}
# Words that join the ends of a span, and the words that open a span with the joiners that then count.
_SPAN_JOINERS = {"to", "through", "until", "till", "thru", "-", "\u2013", "\u2014", "~", "到", "至"}
_SPAN_STARTS = {"between": _SPAN_JOINERS | {"and"}, "from": _SPAN_JOINERS, "从": _SPAN_JOINERS}
# Month names that are common words too: a capital letter alone does not make them a month.
_AMBIGUOUS_MONTHS = {"may"}
_BEFORE_MONTHS = {"in", "of", "during", "since", "and", "or", "after", "before", "until", "to", "from", "between"}


def time_mentions(tokens: Sequence[Token]) -> Iterable[tuple[Mention, float]]:
    """Mentions of times, each with a rank that is compared with other mentions of the same tokens."""
    index = 0
    while index < len(tokens):
        time = _time_span(tokens, index) or time_at(tokens, index)
        if time is None:
            time = _yearless_month(tokens, index)
            if time is not None:
                yield Mention("month", index, time[1], time[0]), 12
            index = time[1] if time is not None else index + 1
            continue
        iso, end = time
        number = float(iso) if _YEAR.fullmatch(iso) else 0.0
        kind = "year" if all(_YEAR.fullmatch(part) for part in iso.split("/")) else _kind(iso)
        chinese = any(token.chinese for token in tokens[index:end])
        rank = 60 if kind == "date" or chinese else 12 if end == index + 1 else 5
        yield Mention(kind, index, end, iso, number=number), rank + (10 * (end - index) if rank in (5, 60) else 0)
        index = end


def day_range(iso: str) -> tuple[datetime.date, datetime.date]:
    """The first day of a time and the first day after it. Raises ValueError if there is no such day."""
    first, _, last = iso.partition("/")
    if last:
        return day_range(first)[0], day_range(last)[1]
    parts = [int(part) for part in first.split("-")]
    if len(parts) == 3:
        day = datetime.date(parts[0], parts[1], parts[2])
        return day, day + datetime.timedelta(days=1)
    if len(parts) == 2:
        month = datetime.date(parts[0], parts[1], 1)
        return month, _add(month, 1, "month")
    return datetime.date(parts[0], 1, 1), datetime.date(parts[0] + 1, 1, 1)


def _kind(iso: str) -> str:
    return "date" if "/" not in iso and iso.count("-") == 2 else "period"


def _time_span(tokens: Sequence[Token], index: int) -> tuple[str, int] | None:
    """A span of two times; the year or month may be given only once."""
    word = tokens[index].text.lower()
    start = index + 1 if word in _SPAN_STARTS else index
    joiners = _SPAN_STARTS.get(word, _SPAN_JOINERS)
    while start > index and start < len(tokens) and tokens[start].text.lower() in ("the", "year", "years"):
        start += 1
    for first, position in _span_starts(tokens, start):
        if position >= len(tokens) or tokens[position].text.lower() not in joiners:
            continue
        second = time_at(tokens, _skip_articles(tokens, position + 1))
        if second is None and isinstance(first, tuple) and all(first):
            # The second day has the month of the first: March 27 to 31, 2023.
            second = _month_day(tokens, position + 1, first[0])
        if second is None:
            continue
        begin = first if isinstance(first, str) else _with_year_of(first, second[0])
        if begin is not None and _ordered(begin, second[0]):
            return f"{begin.partition('/')[0]}/{second[0].rpartition('/')[2]}", second[1]
    return None


def _span_starts(tokens: Sequence[Token], start: int) -> Iterator[tuple[str | tuple[int, int], int]]:
    """Readings of the begin of a span: a full time, a month with or without a day, or a day."""
    whole = time_at(tokens, start)
    if whole is not None:
        yield whole
    if start < len(tokens):
        month = _month_at(tokens, start)
        day = _day_at(tokens, start + 1) if month else _day_at(tokens, start)
        if month:
            if day:
                yield (month, day), start + 2
            yield (month, 0), start + 1
        elif day:
            month_behind = _month_at(tokens, start + 1)
            yield (month_behind, day), start + (2 if month_behind else 1)


def _with_year_of(first: tuple[int, int], last: str) -> str | None:
    """The begin of a span with the year, or month, that only its end has."""
    month, day = first
    parts = last.rpartition("/")[2].split("-")
    if len(parts) < 2:
        return None
    year, first_month = int(parts[0]), month or int(parts[1])
    year -= first_month > int(parts[1])
    return f"{year}-{first_month:02}-{day:02}" if day else f"{year}-{first_month:02}"


def _ordered(first: str, last: str) -> bool:
    try:
        return day_range(first)[0] < day_range(last)[1]
    except ValueError:
        return False


def time_at(tokens: Sequence[Token], index: int) -> tuple[str, int] | None:
    """The time with a year that begins at this place, in ISO 8601, and the place after it."""
    if not 0 <= index < len(tokens):
        return None
    for read in (_edge_day, _part_of_time, _days_around, _chinese, _western_date):
        time = read(tokens, index)
        if time is not None:
            return time if _is_valid(time[0]) else None
    return None


def _is_valid(iso: str) -> bool:
    try:
        return bool(day_range(iso))
    except (ValueError, OverflowError):
        return False


def _edge_day(tokens: Sequence[Token], index: int) -> tuple[str, int] | None:
    """The first or last day of a time: the start of 2020, the end of May 2021."""
    if tokens[index].text.lower() not in _EDGE_WORDS or _word_at(tokens, index + 1) != "of":
        return None
    whole = time_at(tokens, _skip_articles(tokens, index + 2))
    if whole is None:
        return None
    begin, end = day_range(whole[0])
    day = begin if _EDGE_WORDS[tokens[index].text.lower()] == 0 else end - datetime.timedelta(days=1)
    return day.isoformat(), whole[1]


def _part_of_time(tokens: Sequence[Token], index: int) -> tuple[str, int] | None:
    """A part of a time: the first quarter of 2023, the last 10 days of May 2020, Q1 2023."""
    short = _PART.fullmatch(tokens[index].text.lower())
    if short:
        position = index + 2 if _word_at(tokens, index + 1) in ("of", ",") else index + 1
        year = _year_at(tokens, position)
        return (_nth_part(f"{year}", int(short[2]), 1, short[1]), position + 1) if year else None
    ordinal = _ORDINALS.get(tokens[index].text.lower())
    if ordinal is None:
        return None
    count = _count_at(tokens, index + 1)
    unit = lexicon.TIME_UNITS.get(
        _stem_at(tokens, index + (2 if count else 1)), _stem_at(tokens, index + (2 if count else 1))
    )
    position = index + (3 if count else 2)
    if unit not in (*_MONTHS_OF, "week", "day") or _word_at(tokens, position) not in ("of", "in"):
        return None
    if unit == "week" and not count and ordinal not in (1, -1):
        # Ambiguous: weeks may be counted from the first day or from the first Monday.
        return None
    whole = time_at(tokens, _skip_articles(tokens, position + 1))
    return (_nth_part(whole[0], ordinal, count or 1, unit), whole[1]) if whole is not None else None


def _nth_part(iso: str, ordinal: int, count: int, unit: str) -> str:
    """The n-th part of a time, or with ordinal -1 the last."""
    begin, end = day_range(iso)
    if ordinal < 0:
        return _iso_span(_add(end, -count, unit), end)
    first = _add(begin, (ordinal - 1) * count, unit)
    return _iso_span(first, _add(first, count, unit))


def _days_around(tokens: Sequence[Token], index: int) -> tuple[str, int] | None:
    """Days before or after a time: the 30 days before April 1, 2023."""
    count = _count_at(tokens, index)
    unit = lexicon.TIME_UNITS.get(_stem_at(tokens, index + 1))
    before = _word_at(tokens, index - 1)
    side = _word_at(tokens, index + 2)
    if not count or unit is None or unit == "hour" or side not in _BEFORE | _AFTER:
        return None
    if before not in ("the", "last", "past", "previous", "within", "final", "next", "first"):
        return None
    center = time_at(tokens, _skip_articles(tokens, index + (4 if _word_at(tokens, index + 3) == "to" else 3)))
    if center is None:
        return None
    begin, end = day_range(center[0])
    return (
        _iso_span(_add(begin, -count, unit), begin) if side in _BEFORE else _iso_span(end, _add(end, count, unit))
    ), center[1]


def _iso_span(begin: datetime.date, end: datetime.date) -> str:
    return f"{begin.isoformat()}/{(end - datetime.timedelta(days=1)).isoformat()}"


def _add(day: datetime.date, count: int, unit: str) -> datetime.date:
    if unit in ("day", "week"):
        return day + datetime.timedelta(days=count * (7 if unit == "week" else 1))
    months = day.year * 12 + day.month - 1 + count * (12 if unit == "year" else _MONTHS_OF[unit])
    last = (datetime.date(months // 12 + months % 12 // 11, (months + 1) % 12 + 1, 1) - datetime.timedelta(days=1)).day
    return datetime.date(months // 12, months % 12 + 1, min(day.day, last))


def _chinese(tokens: Sequence[Token], index: int) -> tuple[str, int] | None:
    """Chinese times: 2023年, 2023年3月, 2023年3月5日, 2023年3月到5月, 2023年上半年, 2023年第一季度."""
    year = _year_at(tokens, index)
    if not year or _word_at(tokens, index + 1) not in ("年", "年份"):
        return None
    following = _word_at(tokens, index + 2)
    if following in lexicon.CHINESE_YEAR_PARTS:
        ordinal, unit = lexicon.CHINESE_YEAR_PARTS[following]
        return _nth_part(year, ordinal, 1, unit), index + 3
    if following.isdigit() and _word_at(tokens, index + 3) in ("月", "月份"):
        if _word_at(tokens, index + 4).isdigit() and _word_at(tokens, index + 5) == "日":
            return f"{year}-{int(following):02}-{int(_word_at(tokens, index + 4)):02}", index + 6
        if (
            _word_at(tokens, index + 4) in _SPAN_JOINERS
            and _word_at(tokens, index + 5).isdigit()
            and _word_at(tokens, index + 6) in ("月", "月份")
        ):
            return f"{year}-{int(following):02}/{year}-{int(_word_at(tokens, index + 5)):02}", index + 7
        return f"{year}-{int(following):02}", index + 4
    return year, index + 2


def _western_date(tokens: Sequence[Token], index: int) -> tuple[str, int] | None:
    """Western times: 2023, 2023-03-05, March 2023, March 5, 2023, 5th of March 2023, the 1990s."""
    token = tokens[index]
    if token.kind == "date":
        year, *rest = re.split("[-/]", token.text)
        return "-".join([year, *(f"{int(part):02}" for part in rest)]), index + 1
    if re.fullmatch(r"(?:19|20)\d0s", token.text):
        return f"{token.text[:4]}/{token.text[:3]}9", index + 1
    if _year_at(tokens, index):
        part = _PART.fullmatch(_word_at(tokens, index + 1))
        if part:
            return _nth_part(token.text, int(part[2]), 1, part[1]), index + 2
        return token.text, index + 1
    month = _month_at(tokens, index)
    if month:
        return _month_day(tokens, index + 1, month) or _with_year(tokens, index + 1, month, 0)
    day = _day_at(tokens, index)
    position = index + (2 if _word_at(tokens, index + 1) == "of" else 1)
    month = _month_at(tokens, position) if day else 0
    return _with_year(tokens, position + 1, month, day) if month else None


def _month_day(tokens: Sequence[Token], index: int, month: int) -> tuple[str, int] | None:
    day = _day_at(tokens, index)
    return _with_year(tokens, index + 1, month, day) if day else None


def _with_year(tokens: Sequence[Token], index: int, month: int, day: int) -> tuple[str, int] | None:
    position = index + 1 if _word_at(tokens, index) in (",", "of", ".") else index
    year = _year_at(tokens, position)
    if not year:
        return None
    return (f"{year}-{month:02}-{day:02}" if day else f"{year}-{month:02}"), position + 1


def _yearless_month(tokens: Sequence[Token], index: int) -> tuple[str, int] | None:
    """A month of no particular year."""
    month = _month_at(tokens, index)
    token = tokens[index]
    if _word_at(tokens, index + 1) in ("月", "月份") and 1 <= _day_at(tokens, index) <= 12:
        return token.text, index + 2
    if not month or not token.is_capitalized:
        return None
    if token.text.lower() in _AMBIGUOUS_MONTHS and _word_at(tokens, index - 1) not in _BEFORE_MONTHS:
        return None
    return str(month), index + 1


def _month_at(tokens: Sequence[Token], index: int) -> int:
    token = tokens[index] if 0 <= index < len(tokens) else None
    return lexicon.MONTHS.get(token.stem, 0) if token is not None and token.kind == "word" else 0


def _year_at(tokens: Sequence[Token], index: int) -> str:
    word = _word_at(tokens, index)
    return word if _YEAR.fullmatch(word) else ""


def _day_at(tokens: Sequence[Token], index: int) -> int:
    match = _DAY.fullmatch(_word_at(tokens, index))
    return int(match[1]) if match and 1 <= int(match[1]) <= 31 else 0


def _count_at(tokens: Sequence[Token], index: int) -> int:
    word = _word_at(tokens, index)
    return int(word) if re.fullmatch(r"\d{1,3}", word) else int(lexicon.NUMBER_WORDS.get(word, 0))


def _skip_articles(tokens: Sequence[Token], index: int) -> int:
    while _word_at(tokens, index) in ("the", "year", "calendar"):
        index += 1
    return index


def _word_at(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].text.lower() if 0 <= index < len(tokens) else ""


def _stem_at(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].stem if 0 <= index < len(tokens) else ""
