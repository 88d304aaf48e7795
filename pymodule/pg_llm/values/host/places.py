"""Countries, languages and states by code or by name in many languages; a name of two countries has no code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from babel import Locale

from pg_llm.values.host import locales
from pg_llm.values.host.characters import folded, plain

# What people write and neither ISO 3166 nor CLDR has.
_OTHER_NAMES = {
    "uk": "GB", "great britain": "GB", "britain": "GB", "united kingdom of great britain": "GB", "usa": "US",
    "us": "US", "united states of america": "US", "the states": "US", "holland": "NL", "burma": "MM", "swaziland": "SZ",
    "east timor": "TL", "cape verde": "CV", "ivory coast": "CI", "dr congo": "CD", "drc": "CD",
    "congo kinshasa": "CD", "congo brazzaville": "CG", "republic of the congo": "CG",
    "democratic republic of the congo": "CD", "czech republic": "CZ", "turkey": "TR", "russia": "RU", "uae": "AE",
    "south korea": "KR", "north korea": "KP", "republic of korea": "KR", "roc": "TW", "prc": "CN", "vatican": "VA",
    "macau": "MO", "hong kong": "HK", "palestine": "PS", "brd": "DE", "schweiz": "CH",
}  # fmt: skip
# Names of two countries, or of a country and something larger.
_SHARED_NAMES = frozenset("congo|kongo|korea|america|amerika|micronesia|virgin islands|saint martin".split("|"))


def country(text: str) -> str | None:
    """The ISO 3166 code of a country's name in some language, or of its code of two or three letters."""
    import pycountry

    text = plain(text)
    if len(text) > 80:
        return None
    if re.fullmatch("[A-Za-z]{2,3}", text):
        code = text.upper()
        found = pycountry.countries.get(alpha_2=code) if len(code) == 2 else pycountry.countries.get(alpha_3=code)
        if found:
            return str(found.alpha_2)
    name = re.sub(r"^the ", "", folded(text))
    if name in _OTHER_NAMES:
        return _OTHER_NAMES[name]
    if name in _SHARED_NAMES:
        return None
    meant = _countries().get(name, frozenset())
    return next(iter(meant)) if len(meant) == 1 else None


def country_form(code: str, field: str) -> str | None:
    """The country's `name`, `alpha_2` or `alpha_3`."""
    import pycountry

    found: str | None = getattr(pycountry.countries.get(alpha_2=code), field, None)
    return found


@cache
def _countries() -> Mapping[str, frozenset[str]]:
    import pycountry

    codes = {found.alpha_2 for found in pycountry.countries}

    def names(locale: Locale) -> Iterator[tuple[str, str]]:
        yield from ((code, name) for code, name in locale.territories.items() if code in codes)
        if locale.language == "en":
            for found in pycountry.countries:
                for field in ("name", "official_name", "common_name"):
                    if name := getattr(found, field, None):
                        yield found.alpha_2, name
                        # "Iran, Islamic Republic of" is said the other way round.
                        head, comma, tail = name.partition(", ")
                        if comma:
                            yield found.alpha_2, f"{tail} {head}"

    return locales.meanings(names)


def language(text: str) -> str | None:
    """The ISO 639 code, of two letters where it has one, of a language's code or name in some language."""
    import pycountry

    text = plain(text)
    if re.fullmatch("[A-Za-z]{2,3}", text):
        code = text.lower()
        found = pycountry.languages.get(alpha_2=code) if len(code) == 2 else pycountry.languages.get(alpha_3=code)
        return None if found is None else str(getattr(found, "alpha_2", code))
    meant = _languages().get(folded(text), frozenset())
    return next(iter(meant)) if len(meant) == 1 else None


@cache
def _languages() -> Mapping[str, frozenset[str]]:
    """Codes by name: of the languages with a code of two letters in many languages, of all others in English."""
    import pycountry

    codes = {found.alpha_2 for found in pycountry.languages if hasattr(found, "alpha_2")}
    found = dict(locales.meanings(lambda locale: ((c, name) for c, name in locale.languages.items() if c in codes)))
    for each in pycountry.languages:
        found.setdefault(folded(each.name), frozenset((getattr(each, "alpha_2", each.alpha_3),)))
    return found


def in_words(text: str) -> str | None:
    """The one country that an instruction names by code, by name, or as a locale's territory."""
    if match := re.fullmatch(r"[a-z]{2,3}[_-]([A-Z]{2})(?:\..*)?", text):
        return country(match[1])
    codes = {country(word) for word in re.findall(r"\b[A-Z]{2,3}\b", text)} - {None}
    words = re.findall(r"[^\W\d_]+(?:['.][^\W\d_]+)*", text)
    for length in (4, 3, 2, 1):
        if codes:
            break
        for start in range(len(words) - length + 1):
            part = " ".join(words[start : start + length])
            # "no", "in" and "us" are words.
            if len(part) > 3 and (code := country(part)):
                codes.add(code)
    return codes.pop() if len(codes) == 1 else None


def language_in_words(text: str) -> str | None:
    """The one language that an instruction names, other than in a code."""
    found = {language(word) for word in re.findall(r"[^\W\d_]{5,}", text)} - {None}
    return found.pop() if len(found) == 1 else None


@cache
def states(country_code: str) -> Mapping[str, str]:
    """The ISO 3166-2 codes of a country's subdivisions, without the country's, by folded name and code."""
    import pycountry

    codes: dict[str, str] = {}
    for subdivision in pycountry.subdivisions.get(country_code=country_code) or ():
        code = subdivision.code.partition("-")[2]
        codes[folded(subdivision.name)] = codes[folded(code)] = code
    return codes
