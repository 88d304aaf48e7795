"""Value standardization: each form that an instruction names as a conversion; ambiguous values have none."""

from __future__ import annotations

import re
from collections.abc import Callable

from pg_llm.cleaning import forms
from pg_llm.cleaning.host import markup
from pg_llm.cleaning.host.types import missing
from pg_llm.values.host import (
    addresses,
    booleans,
    contacts,
    currencies,
    dates,
    letter_case,
    numbers,
    personal_names,
    phones,
    places,
    units,
)
from pg_llm.values.host.characters import folded

Convert = Callable[[str], str | None]

# Longer texts are no dates, numbers, addresses or names.
_MAX_LENGTH = 300
_ANY_LENGTH = ("damage", "plain text", "spaces", "lower case", "upper case", "title case")


def converter(instruction: str, locale: str | None = None) -> Convert:
    """The conversion to the form that an instruction names; it gives None for a value that it cannot convert.

    `locale` says how numbers and dates are written, and whose phone numbers lack a country code.
    """
    form = forms.find(instruction)
    assert form is not None
    convert = _CONVERTERS[form](instruction, locale)
    if form in _ANY_LENGTH:
        return convert
    return lambda text: convert(text) if len(text) <= _MAX_LENGTH else None


def _date(instruction: str, locale: str | None) -> Convert:
    with_time = bool(re.search(r"(?i)time", instruction))
    order: dates.Order | None = None
    if re.search(r"(?i)day.?first|dd.?mm", instruction):
        order = "DMY"
    elif re.search(r"(?i)month.?first|mm.?dd", instruction):
        order = "MDY"
    elif locale is not None:
        order = dates.order_of(locale)

    def convert(text: str) -> str | None:
        day = dates.read(text, order, locale) or dates.of_serial(text)
        return None if day is None else day.isoformat(with_time)

    return convert


def _phone(instruction: str, locale: str | None) -> Convert:
    region = places.in_words(instruction) or (places.in_words(locale) if locale else None)
    return lambda text: phones.parse(text, region)


def _state(instruction: str, _: str | None) -> Convert:
    codes = places.states(places.in_words(instruction) or "US")
    return lambda text: codes.get(folded(text))


def _country(instruction: str, _: str | None) -> Convert:
    field = "alpha_3" if re.search(r"(?i)alpha.?3|three|3.?letter", instruction) else "alpha_2"
    return _country_as(field)


def _country_as(field: str) -> Convert:
    def convert(text: str) -> str | None:
        code = places.country(text)
        return None if code is None else places.country_form(code, field)

    return convert


def _without_unit(_: str, __: str | None) -> Convert:
    def convert(text: str) -> str | None:
        match = re.match(r"(?P<before>[$€£¥]|[^\W\d_]{1,4}(?=\s))?\s*+(?P<amount>[+-]?(?:\d[\d.,]*\d|\d))", text)
        rest = text[match.end() :].lstrip() if match else ""
        # Signs after it make a part of something else of the number: 5'11", 7-Eleven, 10:30.
        if match is None or (rest and re.search(r"\d|^[.,:;()'\"#/+-]", rest)) or not (rest or match["before"]):
            return None
        # Before a number stands as often what is counted by it: room 12.
        if (before := match["before"] or "").isalpha() and (rest or not _is_unit(before)):
            return None
        return match["amount"] if not _is_name(rest) else None

    return convert


def _is_name(words: str) -> bool:
    """Whether several words after a number are a name rather than a unit: 24 Hour Fitness."""
    first, *others = words.split() or [""]
    return bool(others) and first[:1].isupper() and not _is_unit(first)


def _is_unit(word: str) -> bool:
    return units.find(word) is not None or currencies.code(word) is not None


def _unit_alone(_: str, __: str | None) -> Convert:
    def convert(text: str) -> str | None:
        if amount := re.match(r"[+-]?\d[\d., ']*+", text):
            unit = re.fullmatch(r"(?:[^\W\d]|[%°‰€$£])\S*", text[amount.end() :])
            return unit and unit[0]
        match = re.fullmatch(r"([^\W\d_]++|[€$£%])\s*+[+-]?\d[\d., ']*+", text)
        return match and match[1]

    return convert


def _quantity(instruction: str, locale: str | None) -> Convert:
    wanted = units.find(re.split(r"\s", instruction.strip())[-1])
    if wanted is None:
        return _number(instruction, locale)

    def convert(text: str) -> str | None:
        number = numbers.parse(text, locale)
        unit = number and number.unit and units.find(number.unit)
        if not number or not unit or (value := units.convert(number.value, unit, wanted)) is None:
            return None
        return format(value, "f")

    return convert


def _number(instruction: str, locale: str | None) -> Convert:
    locale = locale or places.language_in_words(instruction)

    def convert(text: str) -> str | None:
        number = numbers.parse(text, locale)
        return None if number is None else number.text

    return convert


def _boolean(instruction: str, _: str | None) -> Convert:
    yes, no = ("yes", "no") if re.search(r"(?i)\byes\b", instruction) else ("true", "false")
    names = {True: yes, False: no, None: None}
    return lambda text: names[booleans.parse(text)]


def _missing(_: str, __: str | None) -> Convert:
    return lambda text: "" if missing.stands_alone(text) else None


def _plain(convert: Convert) -> Callable[[str, str | None], Convert]:
    return lambda _, __: convert


_CONVERTERS: dict[str, Callable[[str, str | None], Convert]] = {
    "damage": _plain(lambda text: text),
    "plain text": _plain(markup.plain_text),
    "title case": _plain(letter_case.title),
    "title": _plain(personal_names.without_title),
    "missing": _missing,
    "house number": _plain(addresses.house_number),
    "postcode": _plain(addresses.postcode),
    "domain": _plain(contacts.domain),
    "url": _plain(contacts.url),
    "date": _date,
    "phone": _phone,
    "state": _state,
    "country name": _plain(_country_as("name")),
    "country": _country,
    "currency": _plain(currencies.code),
    "language": _plain(places.language),
    "unit": _without_unit,
    "unit alone": _unit_alone,
    "quantity": _quantity,
    "number": _number,
    "boolean": _boolean,
    "email": _plain(contacts.email),
    "spaces": _plain(lambda text: " ".join(text.split())),
    "lower case": _plain(str.lower),
    "upper case": _plain(str.upper),
}
