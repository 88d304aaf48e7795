"""Numbers, dates, months and years in a question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pg_llm.asking import lexicon
from pg_llm.asking.mention import Mention
from pg_llm.asking.tokens import Token

_SCALE = {
    "k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "billion": 1e9, "百": 100, "千": 1e3, "万": 1e4, "亿": 1e8,
}  # fmt: skip


def numbers(cut: Sequence[Token]) -> Iterable[tuple[Mention, float]]:
    """Mentions of numbers and times, each with a rank among all mentions that may stand there."""
    for place, token in enumerate(cut):
        following = cut[place + 1] if place + 1 < len(cut) else None
        before = cut[place - 1].text.lower() if place else ""
        if token.kind == "date":
            yield Mention("date", place, place + 1, token.text.replace("/", "-")), 60
        elif token.kind == "number":
            yield from _number(cut, place, following)
        elif token.stem in lexicon.NUMBERS and not token.chinese:
            number = float(lexicon.NUMBERS[token.stem])
            if token.stem in ("one",) and before in ("the", "which", "only", "this"):
                continue
            yield Mention("number", place, place + 1, token.text, number=number), 12
        elif token.chinese and token.text[0] in lexicon.CHINESE_DIGITS and len(token.text) == 1:
            yield Mention("number", place, place + 1, token.text, number=lexicon.CHINESE_DIGITS[token.text]), 9
        elif (
            token.stem in lexicon.MONTHS
            and token.capital
            and (token.text != "May" or before in ("in", "of", "during", "since", "and", "after", "before"))
        ):
            month = lexicon.MONTHS[token.stem]
            after = cut[place + 1 : place + 3]
            year = next(
                (each for each in after if each.kind == "number" and re.fullmatch(r"(19|20)\d\d", each.text)), None
            )
            if year is None:
                yield Mention("month", place, place + 1, str(month)), 12
            else:
                end = cut.index(year) + 1
                yield Mention("period", place, end, f"{year.text}-{month:02}"), 10 * (end - place) + 15


def _number(cut: Sequence[Token], place: int, following: Token | None) -> Iterable[tuple[Mention, float]]:
    text = cut[place].text.strip("$€£¥").replace(",", "")
    percent = text.endswith("%")
    number = float(text.rstrip("%"))
    end = place + 1
    if following is not None and following.text.lower() in _SCALE and not percent:
        number, end = number * _SCALE[following.text.lower()], end + 1
    elif following is not None and following.text in ("年", "年份") and re.fullmatch(r"(19|20)\d\d", text):
        month = cut[place + 2] if place + 3 < len(cut) else None
        if month is not None and month.kind == "number" and cut[place + 3].text in ("月", "月份"):
            yield Mention("period", place, place + 4, f"{text}-{int(month.text):02}"), 70
            return
        yield Mention("year", place, end + 1, text, number=number), 60
        return
    if re.fullmatch(r"(19|20)\d\d", text) and end == place + 1:
        yield Mention("year", place, end, text, number=number), 12
        return
    yield Mention("number", place, end, text, number=number), 12 * (end - place)
