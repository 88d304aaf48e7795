"""Phone numbers, by the numbering plans that `phonenumbers` knows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import phonenumbers

from pg_llm.values.host.characters import plain

# Letters are dialled on some keypads only, and an extension is lost in E.164.
_PHONE = re.compile(r"(?:tel[:.]?|phone:?|fon:?)? ?(?=(?:\D*\d){5,15}\D*$)[+(]?[\d(][\d ()./-]*\d", re.IGNORECASE)
# Regions that are tried where nothing says which one: those of most numbers, one for each country code.
_REGIONS = """
    US GB DE FR IT ES NL BE CH AT SE NO DK FI PL CZ PT IE RU UA TR GR HU RO IN CN JP KR BR MX AR CL CO AU NZ ZA EG NG
    KE IL AE SA ID MY SG TH VN PH TW HK PK
""".split()
_SAMPLE = 40
_MIN_SHARE, _MAX_RIVAL_SHARE = 0.9, 0.5


def parse(text: str, region: str | None = None) -> str | None:
    """The number in E.164; None for what is no valid number, or lacks a country code where no region is given."""
    text = plain(text)
    if len(text) > 40 or not _PHONE.fullmatch(text):
        return None
    text = re.sub(r"^\D*?(?=[+(\d])", "", text, count=1)
    # +49 (0)30: the zero is dialled within the country only.
    text = re.sub(r"^((?:\+|00) ?\d{1,3}) ?\(0\)", r"\1 ", text)
    if region is None and text.startswith("00"):
        text = "+" + text[2:]
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


class Number(NamedTuple):
    """The digits of a number by its numbering plan; what the plan does not have is empty."""

    country: str
    trunk: str
    area: str
    subscriber: str


def plan(text: str, region: str | None) -> Number | None:
    """The parts of a number; None for what is no valid number."""
    if (found := parse(text, region)) is None:
        return None
    number = phonenumbers.parse(found)
    significant = str(phonenumbers.national_significant_number(number))
    length = phonenumbers.length_of_national_destination_code(number)
    written = re.sub(r"\D", "", phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL))
    trunk = written.removesuffix(significant) if written != significant and written.endswith(significant) else ""
    return Number(str(number.country_code), trunk, significant[:length], significant[length:])


def region_of_country(code: str) -> str | None:
    """The main region of a country code."""
    region = phonenumbers.region_code_for_country_code(int(code))
    return None if region in ("ZZ", "001") else str(region)


def are_national(values: Iterable[str]) -> bool:
    """Whether nearly all of these begin with a trunk zero, are grouped, and are valid numbers of some region."""
    sample = list(values)[:_SAMPLE]
    least = _MIN_SHARE * len(sample)
    if not sample or sum(value.lstrip("(").startswith("0") and not value.isdecimal() for value in sample) < least:
        return False
    return any(sum(parse(value, region) is not None for value in sample) >= least for region in _REGIONS)


def region_of(values: Iterable[str]) -> str | None:
    """The one region in which nearly all of these are valid numbers; None where several fit, or none does."""
    sample = list(values)[:_SAMPLE]
    if not sample:
        return None
    fitting: Counter[str] = Counter()
    grouped: Counter[str] = Counter()
    for region in _REGIONS:
        for value in sample:
            if parse(value, region) is not None:
                fitting[region] += 1
                grouped[region] += _is_grouped_as_in(value, region)
    regions = [region for region in _REGIONS if fitting[region] >= _MIN_SHARE * len(sample)]
    # Where the digits fit several numbering plans, the groups of digits tell.
    for told in (fitting, grouped):
        best = max(regions, key=lambda region: told[region], default=None)
        if best is None or told[best] < _MAX_RIVAL_SHARE * len(sample):
            continue
        if all(told[each] <= _MAX_RIVAL_SHARE * told[best] for each in _REGIONS if each != best):
            return best
    return None


def _is_grouped_as_in(value: str, region: str) -> bool:
    number = phonenumbers.parse(value, region)
    return plain(value) == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
