"""One form for values that come in many: dates, phone numbers, codes, numbers, case. Unsure means no answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from itertools import product
from typing import Any

from pg_llm.cleaning import forms

Convert = Callable[[str], str | None]

# A longer text is no date, number, address or name of anything.
_LONGEST = 300
_ANY_LENGTH = ("damage", "lower case", "upper case", "title case")


def to(instruction: str) -> Convert:
    """What brings a value into the form that the instruction names."""
    form = forms.named(instruction)
    assert form is not None
    convert = _MAKERS[form](instruction)
    if form in _ANY_LENGTH:
        return convert
    return lambda text: convert(text) if len(text) <= _LONGEST else None


def _date(instruction: str) -> Convert:
    timed = re.search(r"(?i)time", instruction)
    # Which of two numbers is the day, if the instruction says so.
    day_first = (
        {True}
        if re.search(r"(?i)day.?first|dd.?mm", instruction)
        else ({False} if re.search(r"(?i)month.?first|mm.?dd", instruction) else {True, False})
    )

    def convert(text: str) -> str | None:
        day = _read_date(text, frozenset(day_first))
        if day is None:
            return None
        return day.isoformat() if timed else day.date().isoformat()

    return convert


def _read_date(text: str, day_first: frozenset[bool]) -> datetime | None:
    """The one moment that the text may mean; None if there are several, or a part is missing."""
    from dateutil import parser

    # After a year comes the month, whatever is said of the day.
    if found := re.match(r"(\d{4})\s*[-年/.]\s*(\d{1,2})\s*[-月/.]\s*(\d{1,2})(?!\d)(?:\s*日)?", text):
        if int(found[2]) > 12:
            return None
        text = f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}{text[found.end() :]}"
        day_first = frozenset((False,))
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    # A year of two digits has no century, and may be any of three numbers; of digits alone any part may be anything.
    if not re.search(r"\d{3}", text) or text.isdecimal():
        return None
    moments = set()
    for day, year in product(day_first, (False, True)):
        # What the text does not say comes from the default: two defaults tell what that is.
        for default in (datetime(2000, 1, 1), datetime(2001, 2, 2)):
            try:
                moments.add(parser.parse(text, default=default, dayfirst=day, yearfirst=year))
            except (ValueError, OverflowError):
                return None
    return moments.pop() if len(moments) == 1 else None


def _phone(instruction: str) -> Convert:
    import phonenumbers

    region = _country_in(instruction)

    def convert(text: str) -> str | None:
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            return None
        if not phonenumbers.is_valid_number(number):
            return None
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

    return convert


def _country_in(instruction: str) -> str | None:
    import pycountry

    found = {word for word in re.findall(r"\b[A-Z]{2}\b", instruction) if pycountry.countries.get(alpha_2=word)}
    folded = instruction.casefold()
    found |= {
        country.alpha_2
        for country in pycountry.countries
        if re.search(rf"\b{re.escape(country.name.casefold())}\b", folded)
    }
    return found.pop() if len(found) == 1 else None


def _looked_up(kind: str, field: str) -> Callable[[str], Convert]:
    def make(instruction: str) -> Convert:
        import pycountry

        table: Any = getattr(pycountry, kind)
        its = "alpha_3" if field == "alpha_2" and re.search(r"(?i)alpha.?3|three|3.?letter", instruction) else field

        def convert(text: str) -> str | None:
            try:
                return getattr(table.lookup(text), its, None)
            except LookupError:
                return None

        return convert

    return make


def _state(instruction: str) -> Convert:
    parts = _parts_of(_country_in(instruction) or "US")
    return lambda text: parts.get(text.casefold().rstrip("."))


@cache
def _parts_of(country: str) -> dict[str, str]:
    import pycountry

    found: dict[str, str] = {}
    for part in pycountry.subdivisions.get(country_code=country) or ():
        code = part.code.partition("-")[2]
        found[part.name.casefold()] = found[code.casefold()] = code
    return found


def _without_unit(_: str) -> Convert:
    def convert(text: str) -> str | None:
        found = re.fullmatch(r"[$€£¥]?\s*([+-]?\d[\d.,]*\d|[+-]?\d)\s*[^\d\s][^\d]*", text) or re.fullmatch(
            r"[$€£¥]\s*([+-]?\d[\d.,]*\d|[+-]?\d)", text
        )
        return found and found[1]

    return convert


def _number(_: str) -> Convert:
    strip = _without_unit("")

    def convert(text: str) -> str | None:
        bare = (strip(text) or text).replace(" ", "").replace("'", "")
        if re.fullmatch(r"[+-]?\d+(\.\d+)?", bare):
            # 1.234 may be a thousand in one country and one in another.
            return None if re.fullmatch(r"[+-]?[1-9]\d{0,2}\.\d{3}", bare) and "," in text else bare
        if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+\.\d+", bare) or re.fullmatch(r"[+-]?\d{1,3}(,\d{3}){2,}", bare):
            return bare.replace(",", "")
        if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+,\d+", bare) or re.fullmatch(r"[+-]?\d{1,3}(\.\d{3}){2,}", bare):
            return bare.replace(".", "").replace(",", ".")
        if re.fullmatch(r"[+-]?\d+,(\d{1,2}|\d{4,})", bare):
            return bare.replace(",", ".")
        return None

    return convert


_TRUE = frozenset(("true", "t", "yes", "y", "on", "1", "是", "对"))
_FALSE = frozenset(("false", "f", "no", "n", "off", "0", "否", "不"))


def _boolean(_: str) -> Convert:
    return lambda text: "true" if text.casefold() in _TRUE else "false" if text.casefold() in _FALSE else None


def _email(_: str) -> Convert:
    def convert(text: str) -> str | None:
        found = re.fullmatch(r"(?:mailto:)?<?([^@\s<>]++)@([^@\s<>][^@\s<>.]*+\.[^@\s<>]++)>?", text)
        return found and f"{found[1]}@{found[2].lower()}"

    return convert


def _case(change: Callable[[str], str]) -> Callable[[str], Convert]:
    return lambda _: change


def _title(text: str) -> str:
    return " ".join(word[:1].upper() + word[1:].lower() for word in text.split(" "))


_MAKERS: dict[str, Callable[[str], Convert]] = {
    "damage": lambda _: lambda text: text,
    "date": _date,
    "phone": _phone,
    "state": _state,
    "country name": _looked_up("countries", "name"),
    "country": _looked_up("countries", "alpha_2"),
    "currency": _looked_up("currencies", "alpha_3"),
    "language": _looked_up("languages", "alpha_2"),
    "unit": _without_unit,
    "number": _number,
    "boolean": _boolean,
    "email": _email,
    "lower case": _case(str.lower),
    "upper case": _case(str.upper),
    "title case": _case(_title),
}
