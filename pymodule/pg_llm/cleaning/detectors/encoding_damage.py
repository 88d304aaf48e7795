"""Texts that were written in one encoding and read in another, and entities of HTML that nobody decoded."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from pg_llm.cleaning.table import Opinion, Table

DETECTOR = "damage"
_SURE = 0.98
_LONGEST = 2000
# Characters that the bytes of UTF-8 look like as Windows-1252: two of them at least, one after the other.
_MIXED_UP = re.compile(
    "[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
)
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{2,6}|#x[0-9a-fA-F]{2,6});")
# Markup is HTML itself, escaped markup must stay escaped, and addresses have ampersands of their own.
_HTML = re.compile(r"(?i)<[a-z/!]|://|&(?:lt|gt|quot|apos|#0*(?:34|39|60|62)|#x0*(?:22|27|3c|3e));")


def opinions(table: Table) -> Iterator[Opinion]:
    """Such texts, as they were meant."""
    for column, counts in enumerate(table.counts):
        meant: dict[str, str] = {}
        for value in table.watched(counts):
            if len(value) <= _LONGEST and not value.isdecimal() and (new := mended(value)) != value:
                meant[value] = new
        if meant:
            for row, old in enumerate(table.watched(table.columns[column])):
                if old in meant:
                    yield Opinion((row, column), meant[old], _SURE, DETECTOR, "mixed-up encodings or entities")


def mended(value: str) -> str:
    """The text as it was before it was read in the wrong encoding, or written as HTML; itself where nobody knows."""
    if not value.isascii() and _MIXED_UP.search(value):
        value = _decoded(value)
    if _ENTITY.search(value) and not _HTML.search(value):
        return html.unescape(value)
    return value


def _decoded(value: str) -> str:
    try:
        # Windows-1252 leaves five bytes undefined; programs pass them on.
        found = b"".join(_byte(c) for c in value).decode()
    except UnicodeError:
        return value
    # What was lost before stays lost.
    return value if "\ufffd" in found else found


def _byte(character: str) -> bytes:
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1")
