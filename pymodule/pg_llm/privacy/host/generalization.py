"""Values made coarser: the year of a day, the decade of an age, the region of a postcode, the network of an address."""

from __future__ import annotations

import ipaddress
import re

from pg_llm.privacy.host import dates

_POSTCODE = re.compile(r"(?<!\w)(?:\d{5,6}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2})(?!\w)")
_DEGREES = re.compile(r"(\d{1,3})\.\d+")


def generalized(kind: str, value: str) -> str | None:
    """What is left of a value; None where nothing is."""
    if kind in dates.KINDS:
        return dates.year(value)
    if kind == "age":
        number = int(re.sub(r"\D", "", value))
        return f"{number // 10 * 10}-{number // 10 * 10 + 9}"
    if kind == "address":
        # The last one: a house may have as many digits.
        codes = _POSTCODE.findall(value)
        return f"[address {_coarser(codes[-1])}]" if codes else None
    if kind == "ip":
        return _network(value)
    if kind == "coordinates":
        return _DEGREES.sub(lambda match: match[1], value) if _DEGREES.search(value) else None
    return None


def _coarser(postcode: str) -> str:
    return postcode.split()[0] if postcode[0].isalpha() and " " in postcode else f"{postcode[:2]}***"


def _network(value: str) -> str | None:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return None
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))
