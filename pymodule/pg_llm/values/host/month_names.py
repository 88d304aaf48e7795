"""Names of months and weekdays in many languages, and the eras of Japan."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache, lru_cache

from babel import Locale

from pg_llm.values.host import locales
from pg_llm.values.host.characters import folded

_WIDTHS = ("wide", "abbreviated")
_CONTEXTS = ("format", "stand-alone")
# Abbreviations that are written and that CLDR lacks.
_OTHERS = {"sept": 9, "mrz": 3, "maerz": 3, "okt": 10, "dez": 12, "juillet": 7, "july": 7}
# A weekday's name may have several words; those of East Asia stand at the end, in brackets or not.
_BEFORE = re.compile(r"^(?P<name>[^\d,،.]{2,30}?)(?:[.,،] ?| )(?=\d|[^\W\d_]+\.? \d)")
_AFTER = re.compile(r"[,،]? (?P<name>[^\d,،]{2,30})$")
_EAST_ASIAN = re.compile(
    r" ?\(?(?:星期|礼拜|週|周|(?=[月火水木金土日]曜|.요일|[月火水木金土日]\)))"
    r"(?P<day>[一二三四五六日天月火水木金土월화수목금토일])(?:曜日?|요일)?\)?$"
)
_EAST_ASIAN_DAYS = ("一二三四五六日", "月火水木金土日", "월화수목금토일", "______天")
# First day and last day of each era; the first year of an era is its year 1.
ERAS = {
    "明治": (date(1868, 1, 25), date(1912, 7, 29)),
    "大正": (date(1912, 7, 30), date(1926, 12, 24)),
    "昭和": (date(1926, 12, 25), date(1989, 1, 7)),
    "平成": (date(1989, 1, 8), date(2019, 4, 30)),
    "令和": (date(2019, 5, 1), date(9999, 12, 31)),
}


def month(name: str, locale: str | None = None) -> int | None:
    """The month of a name in that locale's language, or in the only language's that has it; None where they differ."""
    # Hebrew writes "in" together with the month.
    key = folded(name.removeprefix("ב"))
    if locale is not None and (found := _months(locales.find(locale).language).get(key)):
        return found
    meant = _all_months().get(key, frozenset())
    return int(next(iter(meant))) if len(meant) == 1 else _OTHERS.get(key)


def split_weekday(text: str) -> tuple[str, frozenset[int] | None]:
    """A date without the weekday before or after it, and the weekdays, Monday being 0, that this may mean."""
    if match := _EAST_ASIAN.search(text):
        day = next(names.find(match["day"]) for names in _EAST_ASIAN_DAYS if match["day"] in names)
        return text[: match.start()], frozenset((day,))
    for pattern in (_BEFORE, _AFTER):
        match = pattern.search(text)
        # Mar is Tuesday in Spanish, and March in English.
        if not match or folded(match["name"]) in _all_months():
            continue
        if meant := _all_weekdays().get(folded(match["name"])):
            return text[: match.start()] + text[match.end() :], frozenset(map(int, meant))
    return text, None


@cache
def written(number: int, language: str, width: str) -> str:
    """A month's name within a date; width is wide or abbreviated."""
    return str(locales.find(language).months["format"][width][number])


@lru_cache(1000)
def languages(name: str) -> Mapping[str, tuple[int, str]]:
    """The languages that have a month of that name, in the order of LANGUAGES: its number and the name's width."""
    key = folded(name)
    found: dict[str, tuple[int, str]] = {}
    for language in locales.LANGUAGES:
        for width in _WIDTHS:
            for number, each in locales.find(language).months["format"].get(width, {}).items():
                if folded(str(each)) == key:
                    found.setdefault(language, (int(number), width))
    return found


def _names(locale: Locale, field: str) -> Iterator[tuple[str, str]]:
    table = locale.months if field == "months" else locale.days
    for context in _CONTEXTS:
        for width in _WIDTHS:
            for number, name in table.get(context, {}).get(width, {}).items():
                # Japanese and Chinese write 3月, Vietnamese tháng 3: numbers are read as numbers.
                if not any(character.isdecimal() for character in str(name)):
                    yield str(number), str(name)


@cache
def _months(language: str) -> dict[str, int]:
    return {folded(name): int(number) for number, name in _names(locales.find(language), "months")}


@cache
def _all_months() -> Mapping[str, frozenset[str]]:
    return locales.meanings(lambda locale: _names(locale, "months"))


@cache
def _all_weekdays() -> Mapping[str, frozenset[str]]:
    return locales.meanings(lambda locale: _names(locale, "days"))
