"""Codes with a checksum or a fixed build: IBAN, ISBN, EAN, payment cards, UUID, network addresses, postcodes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

_UUID = re.compile(r"\{?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?")
_MAC = re.compile(r"[0-9a-fA-F]{2}([:-])(?:[0-9a-fA-F]{2}\1){4}[0-9a-fA-F]{2}")
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
# Postcodes that no other code looks like; those of digits alone are told by their column only.
_POSTCODES = {
    "GB": re.compile(r"(?:[A-Z]{1,2}\d[A-Z\d]?|GIR) ?\d[A-Z]{2}"),
    "CA": re.compile(r"[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z] ?\d[ABCEGHJ-NPRSTV-Z]\d"),
    "NL": re.compile(r"[1-9]\d{3} ?[A-Z]{2}"),
    "PL": re.compile(r"\d{2}-\d{3}"),
    "PT": re.compile(r"\d{4}-\d{3}"),
    "JP": re.compile(r"〒? ?\d{3}-\d{4}"),
    "BR": re.compile(r"\d{5}-\d{3}"),
    "US": re.compile(r"\d{5}-\d{4}"),
    "SE": re.compile(r"\d{3} \d{2}"),
    "IE": re.compile(r"[AC-FHKNPRTV-Y]\d[\dW] ?[0-9AC-FHKNPRTV-Y]{4}"),
}


def compact(text: str) -> str:
    """The code without the spaces and hyphens that group it."""
    return re.sub(r"[ \u00a0-]", "", text)


def is_iban(text: str) -> bool:
    """Whether it is an IBAN whose check digits are right (ISO 13616)."""
    code = compact(text).upper()
    return bool(_IBAN.fullmatch(code)) and int("".join(str(int(c, 36)) for c in code[4:] + code[:4])) % 97 == 1


def is_isbn(text: str) -> bool:
    """Whether it is an ISBN of 10 or 13 digits whose check digit is right."""
    code = compact(text.removeprefix("ISBN").lstrip(": ")).upper()
    if re.fullmatch(r"\d{9}[\dX]", code):
        return sum((10 - i) * (10 if c == "X" else int(c)) for i, c in enumerate(code)) % 11 == 0
    return bool(re.fullmatch(r"97[89]\d{10}", code)) and is_ean(code)


def is_ean(text: str) -> bool:
    """Whether it is an EAN or GTIN of 8, 12, 13 or 14 digits whose check digit is right."""
    if not (text.isascii() and text.isdecimal() and len(text) in (8, 12, 13, 14)):
        return False
    return sum(int(c) * (3 if i % 2 else 1) for i, c in enumerate(reversed(text))) % 10 == 0


def is_card_number(text: str) -> bool:
    """Whether it is the number of a payment card, by its length and its check digit (Luhn)."""
    code = compact(text)
    if not re.fullmatch(r"[3-6]\d{12,18}", code):
        return False
    doubled = (int(c) * (2 if i % 2 else 1) for i, c in enumerate(reversed(code)))
    return sum(each - 9 if each > 9 else each for each in doubled) % 10 == 0


def is_ip_address(text: str) -> bool:
    """Whether it is an address of version 4 or 6, a network's prefix length included."""
    if not re.fullmatch(r"[0-9a-fA-F.:]{3,39}(?:/\d{1,3})?", text) or ("." not in text and ":" not in text):
        return False
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return True


def postcode_country(text: str) -> str | None:
    """The country whose postcodes alone are built so."""
    found = [country for country, pattern in _POSTCODES.items() if pattern.fullmatch(text.upper())]
    return found[0] if found else None


# Surest first: what fits one of these by chance is rare.
CHECKED: dict[str, Callable[[str], bool]] = {
    "uuid": lambda text: bool(_UUID.fullmatch(text)),
    "mac": lambda text: bool(_MAC.fullmatch(text)),
    "iban": is_iban,
    "isbn": is_isbn,
    "ean": is_ean,
    "card": is_card_number,
    "ip": is_ip_address,
}
