"""Value standardization: dates, phone numbers, codes, numbers and case in one form each; ambiguous values have none."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from itertools import product
from typing import Any

from pg_llm.cleaning import forms

Convert = Callable[[str], str | None]

# Longer texts are no dates, numbers, addresses or names.
_MAX_LENGTH = 300
_ANY_LENGTH = ("damage", "lower case", "upper case", "title case")


def converter(instruction: str) -> Convert:
    """The conversion to the form that an instruction names; it gives None for a value that it cannot convert."""
    form = forms.find(instruction)
    assert form is not None
    convert = _CONVERTERS[form](instruction)
    if form in _ANY_LENGTH:
        return convert
    return lambda text: convert(text) if len(text) <= _MAX_LENGTH else None


def _date(instruction: str) -> Convert:
    with_time = re.search(r"(?i)time", instruction)
    day_first = frozenset((True, False))
    if re.search(r"(?i)day.?first|dd.?mm", instruction):
        day_first = frozenset((True,))
    elif re.search(r"(?i)month.?first|mm.?dd", instruction):
        day_first = frozenset((False,))

    def convert(text: str) -> str | None:
        day = _parse_date(text, day_first)
        if day is None:
            return None
        return day.isoformat() if with_time else day.date().isoformat()

    return convert


def _parse_date(text: str, day_first: frozenset[bool]) -> datetime | None:
    """The one moment that the text can mean; None if it is ambiguous or incomplete."""
    from dateutil import parser

    # After a year the month comes first, in every convention.
    if match := re.match(r"(\d{4})\s*[-年/.]\s*(\d{1,2})\s*[-月/.]\s*(\d{1,2})(?!\d)(?:\s*日)?", text):
        if int(match[2]) > 12:
            return None
        text = f"{match[1]}-{int(match[2]):02}-{int(match[3]):02}{text[match.end() :]}"
        day_first = frozenset((False,))
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    # A year of two digits has no century and may be any of three numbers; digits without separators have no parts.
    if not re.search(r"\d{3}", text) or text.isdecimal():
        return None
    moments = set()
    for day, year in product(day_first, (False, True)):
        # The parser fills what is missing from a default: with two of them an incomplete date gives two moments.
        for default in (datetime(2000, 1, 1), datetime(2001, 2, 2)):
            try:
                moments.add(parser.parse(text, default=default, dayfirst=day, yearfirst=year))
            except (ValueError, OverflowError):
                return None
    return moments.pop() if len(moments) == 1 else None


def _phone(instruction: str) -> Convert:
    import phonenumbers

    region = _country_code(instruction)

    def convert(text: str) -> str | None:
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            return None
        if not phonenumbers.is_valid_number(number):
            return None
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

    return convert


def _country_code(instruction: str) -> str | None:
    """The one country that the instruction names, by code or English name."""
    import pycountry

    codes = {word for word in re.findall(r"\b[A-Z]{2}\b", instruction) if pycountry.countries.get(alpha_2=word)}
    folded = instruction.casefold()
    codes |= {
        country.alpha_2
        for country in pycountry.countries
        if re.search(rf"\b{re.escape(country.name.casefold())}\b", folded)
    }
    return codes.pop() if len(codes) == 1 else None


def _iso_lookup(kind: str, field: str) -> Callable[[str], Convert]:
    def make(instruction: str) -> Convert:
        import pycountry

        table: Any = getattr(pycountry, kind)
        attribute = (
            "alpha_3" if field == "alpha_2" and re.search(r"(?i)alpha.?3|three|3.?letter", instruction) else field
        )

        def convert(text: str) -> str | None:
            try:
                return getattr(table.lookup(text), attribute, None)
            except LookupError:
                return None

        return convert

    return make


def _state(instruction: str) -> Convert:
    codes = _subdivision_codes(_country_code(instruction) or "US")
    return lambda text: codes.get(text.casefold().rstrip("."))


@cache
def _subdivision_codes(country: str) -> dict[str, str]:
    """The ISO 3166-2 codes of a country's subdivisions by folded name and code."""
    import pycountry

    codes: dict[str, str] = {}
    for subdivision in pycountry.subdivisions.get(country_code=country) or ():
        code = subdivision.code.partition("-")[2]
        codes[subdivision.name.casefold()] = codes[code.casefold()] = code
    return codes


def _without_unit(_: str) -> Convert:
    def convert(text: str) -> str | None:
        match = re.fullmatch(r"[$€£¥]?\s*([+-]?\d[\d.,]*\d|[+-]?\d)\s*[^\d\s][^\d]*", text) or re.fullmatch(
            r"[$€£¥]\s*([+-]?\d[\d.,]*\d|[+-]?\d)", text
        )
        return match and match[1]

    return convert


def _number(_: str) -> Convert:
    strip = _without_unit("")

    def convert(text: str) -> str | None:
        bare = (strip(text) or text).replace(" ", "").replace("'", "")
        if re.fullmatch(r"[+-]?\d+(\.\d+)?", bare):
            # 1.234 means more than a thousand in some countries, and little more than one in others.
            return None if re.fullmatch(r"[+-]?[1-9]\d{0,2}\.\d{3}", bare) and "," in text else bare
        if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+\.\d+", bare) or re.fullmatch(r"[+-]?\d{1,3}(,\d{3}){2,}", bare):
            return bare.replace(",", "")
        if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+,\d+", bare) or re.fullmatch(r"[+-]?\d{1,3}(\.\d{3}){2,}", bare):
            return bare.replace(".", "").replace(",", ".")
        if re.fullmatch(r"[+-]?\d+,(\d{1,2}|\d{4,})", bare):
            return bare.replace(",", ".")
        return None

    return convert


_TRUE = frozenset("true t yes y on 1 是 对".split())
_FALSE = frozenset("false f no n off 0 否 不".split())


def _boolean(_: str) -> Convert:
    return lambda text: "true" if text.casefold() in _TRUE else "false" if text.casefold() in _FALSE else None


def _email(_: str) -> Convert:
    def convert(text: str) -> str | None:
        match = re.fullmatch(r"(?:mailto:)?<?([^@\s<>]++)@([^@\s<>][^@\s<>.]*+\.[^@\s<>]++)>?", text)
        return match and f"{match[1]}@{match[2].lower()}"

    return convert


def _case(change: Callable[[str], str]) -> Callable[[str], Convert]:
    return lambda _: change


def _title(text: str) -> str:
    return " ".join(word[:1].upper() + word[1:].lower() for word in text.split(" "))


_CONVERTERS: dict[str, Callable[[str], Convert]] = {
    "damage": lambda _: lambda text: text,
    "date": _date,
    "phone": _phone,
    "state": _state,
    "country name": _iso_lookup("countries", "name"),
    "country": _iso_lookup("countries", "alpha_2"),
    "currency": _iso_lookup("currencies", "alpha_3"),
    "language": _iso_lookup("languages", "alpha_2"),
    "unit": _without_unit,
    "number": _number,
    "boolean": _boolean,
    "email": _email,
    "lower case": _case(str.lower),
    "upper case": _case(str.upper),
    "title case": _case(_title),
}
