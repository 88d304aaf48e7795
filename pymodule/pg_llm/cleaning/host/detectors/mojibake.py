"""Mojibake (UTF-8 that was decoded as Windows-1252) and HTML entities that were left undecoded."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from pg_llm.cleaning.host.table import Finding, Repair, Table

DETECTOR = "damage"
_CONFIDENCE = 0.98
_MAX_LENGTH = 2000
# Two bytes of UTF-8, at least, as Windows-1252 shows them.
_MISDECODED = re.compile(
    "[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
)
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{2,6}|#x[0-9a-fA-F]{2,6});")
# Markup is HTML itself, escaped markup must stay escaped, and addresses have ampersands of their own.
_HTML = re.compile(r"(?i)<[a-z/!]|://|&(?:lt|gt|quot|apos|#0*(?:34|39|60|62)|#x0*(?:22|27|3c|3e));")


def detect(table: Table) -> Iterator[Finding]:
    """Values that decoding them correctly changes."""
    for position, column in enumerate(table.columns):
        repairs = {
            value: Repair(new, _CONFIDENCE, "mixed-up encodings or entities")
            for value in column.counts
            if len(value) <= _MAX_LENGTH and not value.isdecimal() and (new := repair(value)) != value
        }
        yield from table.findings(position, repairs, DETECTOR)


def repair(value: str) -> str:
    """The text before it was decoded in the wrong encoding, or escaped as HTML; itself where that is unknown."""
    if not value.isascii() and _MISDECODED.search(value):
        value = _redecode(value)
    if _ENTITY.search(value) and not _HTML.search(value):
        return html.unescape(value)
    return value


def _redecode(value: str) -> str:
    try:
        decoded = b"".join(_encode(c) for c in value).decode()
    except UnicodeError:
        return value
    # A replacement character shows that bytes were lost before.
    return value if "\ufffd" in decoded else decoded


def _encode(character: str) -> bytes:
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        # Windows-1252 leaves five bytes undefined; programs pass them through.
        return character.encode("latin-1")
