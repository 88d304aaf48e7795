"""The time of day and the zone at the end of a text."""

from __future__ import annotations

import re
from datetime import time, timedelta, timezone, tzinfo

# Abbreviations that mean one zone (those of RFC 2822 without CST, which is China's too); IST and BST are several.
_HOURS = {"Z": 0, "UTC": 0, "GMT": 0, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "EST": -5,
          "EDT": -4, "CDT": -5, "MDT": -6, "PST": -8, "PDT": -7}  # fmt: skip
_BEFORE = r"(?:^|(?<=\d)T|[, ]|\bat |\bum )"
_HALF = r" ?(?P<half>[ap])\.?m\.?"
_TIME = re.compile(
    _BEFORE + r"(?P<hour>\d{1,2})[:h.](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    rf"(?:{_HALF})?(?: Uhr)?(?: ?(?P<zone>[A-Z]{{1,4}}|(?:UTC|GMT)?[+-]\d{{2}}(?::?\d{{2}})?))?$",
    re.IGNORECASE,
)
_HOUR = re.compile(rf"(?:^|[, ]|\bat )(?P<hour>\d{{1,2}}){_HALF}$", re.IGNORECASE)


def split(text: str) -> tuple[str, time | None] | None:
    """What stands before the time of day, and the time; None for a text that ends in a time there is none of."""
    match = _TIME.search(text) or _HOUR.search(text)
    # 3.4.21 is no time, nor is 10.30 after a date in points.
    if match is None or (":" not in text and "h" not in text.lower() and not match["half"]):
        return text, None
    parts = match.groupdict()
    hour = int(parts["hour"])
    if half := parts["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half.lower() == "p" else 0)
    zone: tzinfo | None = None
    if parts.get("zone") and (zone := _zone(parts["zone"])) is None:
        return None
    microsecond = int((parts.get("fraction") or "0")[:6].ljust(6, "0"))
    try:
        moment = time(hour, int(parts.get("minute") or 0), int(parts.get("second") or 0), microsecond, zone)
    except ValueError:
        return None
    return text[: match.start()].rstrip(", "), moment


def _zone(name: str) -> tzinfo | None:
    name = name.upper()
    if name in _HOURS:
        return timezone(timedelta(hours=_HOURS[name]))
    if match := re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{2}):?(\d{2})?", name):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        if offset <= timedelta(hours=14) and int(match[3] or 0) < 60:
            return timezone(offset if match[1] == "+" else -offset)
    return None
