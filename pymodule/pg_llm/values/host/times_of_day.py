"""The time of day and the zone at the end of a text."""

from __future__ import annotations

import re
from datetime import time, timedelta, timezone, tzinfo

from pg_llm.values.host.characters import plain

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
_FORM = re.compile(
    r"(?P<before>T|[, ]*)(?P<hour>\d{1,2})(?P<mark>[:h.])(?P<minute>\d{2})(?:(?P<mark2>[:.])\d{2})?"
    r"(?P<space> ?)(?P<half>(?:[apAP][mM])?)"
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


def parse(text: str) -> tuple[time, str | None] | None:
    """The time of day that a text is, and its form; None for another text."""
    text = plain(text)
    parted = split(text)
    if parted is None or parted[0] or parted[1] is None:
        return None
    return parted[1], form(text)


def parse_pointed(text: str) -> time | None:
    """The same of 10.30, which is a time among times only; None for another text."""
    match = re.fullmatch(r"(\d{1,2})\.(\d{2})", plain(text))
    parsed = parse(f"{match[1]}:{match[2]}") if match else None
    return parsed[0] if parsed else None


def form(text: str) -> str | None:
    """How the time of day after a date is written, its parts as directives of strftime(); None with a zone."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    hour = "I" if match["half"] else "H"
    directive = f"%{hour}" if len(match["hour"]) == 2 else f"%-{hour}"
    seconds = f"{match['mark2']}%S" if match["mark2"] else ""
    half = "%p" if match["half"].isupper() else "%P" if match["half"].isalpha() else ""
    return f"{match['before']}{directive}{match['mark']}%M{seconds}{match['space']}{half}"


def write(moment: time, form: str) -> str | None:
    """The time of day in a form; None if that would lose seconds or the zone."""
    if moment.tzinfo is not None or moment.microsecond or (moment.second and "%S" not in form):
        return None
    hour = moment.hour % 12 or 12
    half = "PM" if moment.hour >= 12 else "AM"
    parts = {
        "%H": f"{moment.hour:02}", "%-H": str(moment.hour), "%I": f"{hour:02}", "%-I": str(hour),
        "%M": f"{moment.minute:02}", "%S": f"{moment.second:02}", "%p": half, "%P": half.lower(),
    }  # fmt: skip
    return re.sub("%-?[HIMSpP]", lambda match: parts[match[0]], form)


def _zone(name: str) -> tzinfo | None:
    name = name.upper()
    if name in _HOURS:
        return timezone(timedelta(hours=_HOURS[name]))
    if match := re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{2}):?(\d{2})?", name):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        if offset <= timedelta(hours=14) and int(match[3] or 0) < 60:
            return timezone(offset if match[1] == "+" else -offset)
    return None
