"""Parts of a postal address, as far as they are certain: house number, street, city, state, postcode, country."""

from __future__ import annotations

import re

from pg_llm.values.host import codes, places
from pg_llm.values.host.characters import plain

_MAX_LENGTH = 300
_NUMBER = r"\d{1,5}(?: ?[A-Za-z](?![A-Za-z]))?(?:[-/]\d{1,5}[A-Za-z]?)?"
# 12b Main Street; 12, rue de Rivoli. Hauptstr. 12 a.
_NUMBER_FIRST = re.compile(rf"(?P<number>{_NUMBER}),? (?P<street>(?!\d+$)[^\W_][^,]*[^\W\d_][^,]*)")
_NUMBER_LAST = re.compile(rf"(?P<street>[^\W\d_][^,]*?),? (?P<number>{_NUMBER})")
_NO_STREET = re.compile(r"(?i)\b(?:p\.? ?o\.? ?box|postfach|apartado|b\.?p\.|box|highway|hwy|route|km)\b")
_UNIT = re.compile(r"(?i)(?:apt|apartment|unit|suite|ste|flat|floor|top|whg|#)\.? ?[\w-]+")
# IL 62701; SW1A 2AA; 10827 Berlin; 1012 AB Amsterdam; London SW1A 2AA.
_STATE_AND_CODE = re.compile(r"(?P<state>[A-Z]{2}) (?P<postcode>\d{5}(?:-\d{4})?)")
_CITY_STATE_CODE = re.compile(r"(?P<city>[^\W\d_][^\d,]*) (?P<state>[A-Z]{2}) (?P<postcode>\d{5}(?:-\d{4})?)")
_CODE_AND_CITY = re.compile(
    r"(?P<postcode>(?:[A-Z]{1,2}-)?\d{4,5}|\d{4} [A-Z]{2}|\d{3} \d{2}|\d{2}-\d{3}|\d{4}-\d{3})"
    r" (?P<city>[^\W\d_][^\d,]*)"
)
_CITY_AND_CODE = re.compile(
    r"(?P<city>[^\W\d_][^\d,]*?),? (?P<postcode>[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d)"
)


def parse(text: str) -> dict[str, str]:
    """The parts that are certain, by name; empty for a text that is not built as an address."""
    text = plain(text.replace("\n", ", "))
    if len(text) > _MAX_LENGTH:
        return {}
    segments = [segment.strip() for segment in text.split(",") if segment.strip()]
    found: dict[str, str] = {}
    if len(segments) > 1 and (country := _country(segments[-1])):
        found["country"] = country
        segments.pop()
    segments = _take_place(segments, found)
    if not found.get("postcode"):
        return {}
    if segments and (street := _street(segments[0])):
        found |= street
        segments = segments[1:]
    if segments and _UNIT.fullmatch(segments[0]):
        found["unit"] = segments.pop(0)
    if len(segments) == 1 and "city" not in found:
        found["city"] = segments.pop()
    # What is left over means that something was read wrong.
    return found if not segments else {}


def house_number(text: str) -> str | None:
    """The house number of a street address; None where no number, or more than one, may be it."""
    text = plain(text.replace("\n", ", "))
    if len(text) > _MAX_LENGTH:
        return None
    street = _street(text.split(",")[0].strip())
    if street is None and re.match(rf"{_NUMBER}, ", text):
        street = _street(", ".join(text.split(", ")[:2]))
    return None if street is None else street["house_number"]


def postcode(text: str) -> str | None:
    """The postcode of an address, or the text where it is one; None where none is certain."""
    text = plain(text.replace("\n", ", "))
    if len(text) > _MAX_LENGTH:
        return None
    if re.fullmatch(r"\d{5}(?:-\d{4})?", text) or codes.postcode_country(text):
        return text
    found: dict[str, str] = {}
    segments = [segment.strip() for segment in text.split(",") if segment.strip()]
    if len(segments) > 1 and _country(segments[-1]):
        segments.pop()
    _take_place(segments, found)
    return found.get("postcode")


def _street(text: str) -> dict[str, str] | None:
    if _NO_STREET.search(text):
        return None
    first, last = _NUMBER_FIRST.fullmatch(text), _NUMBER_LAST.fullmatch(text)
    if (match := first or last) is None or (first and last):
        return None
    return {"house_number": match["number"], "street": match["street"].strip()}


def _country(segment: str) -> str | None:
    # Two letters are a state, more often than not.
    return None if re.fullmatch("[A-Z]{2}", segment) and segment != "UK" else places.country(segment)


def _place(segment: str) -> re.Match[str] | None:
    for pattern in (_STATE_AND_CODE, _CITY_STATE_CODE, _CITY_AND_CODE, _CODE_AND_CITY):
        match = pattern.fullmatch(segment)
        if match and not (match.re is _CODE_AND_CITY and _looks_like_street(match["city"])):
            return match
    return None


def _looks_like_street(text: str) -> bool:
    return bool(re.search(r"(?i)\b(?:st|street|ave|avenue|road|rd|lane|ln|drive|dr|way|blvd|court)\b\.?$", text))


def _take_place(segments: list[str], found: dict[str, str]) -> list[str]:
    """Take city, state and postcode from the last segments; the others are returned."""
    if not segments:
        return segments
    last = segments[-1]
    if match := _place(last):
        # One segment alone may be a street with its number.
        if len(segments) == 1 and match.re in (_CODE_AND_CITY, _STATE_AND_CODE):
            return segments
        found |= {name: value for name, value in match.groupdict().items() if value}
        return segments[:-1]
    if codes.postcode_country(last) and len(segments) > 1:
        found["postcode"] = last
        return segments[:-1]
    return segments
