"""Names of months and weekdays in many languages, and the eras of Japan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache, lru_cache

from babel import Locale

from pg_llm.cleaning.host.types import locales
from pg_llm.cleaning.host.types.characters import folded

_WIDTHS = ("wide", "abbreviated")
_CONTEXTS = ("format", "stand-alone")
# Abbreviations that are written and that CLDR lacks.
_OTHERS = {"sept": 9, "mrz": 3, "maerz": 3, "okt": 10, "dez": 12, "juillet": 7, "july": 7}
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
    key = folded(name)
    if locale is not None and (found := _months(locales.find(locale).language).get(key)):
        return found
    meant = _all_months().get(key, frozenset())
    return int(next(iter(meant))) if len(meant) == 1 else _OTHERS.get(key)


def weekday(name: str) -> frozenset[int]:
    """The weekdays, Monday being 0, that a name means in some language."""
    return frozenset(int(each) for each in _all_weekdays().get(folded(name), ()))


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
