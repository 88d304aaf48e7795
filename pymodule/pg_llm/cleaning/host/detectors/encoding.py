"""Texts that were decoded in the wrong encoding, and HTML entities that were left undecoded."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import permutations

from pg_llm.cleaning.host import text_repair
from pg_llm.cleaning.host.table import Finding, Repair, Step, Table

DETECTOR = "encoding"
_STEP = Step("texts in their right encoding")
_PLAIN = Step("characters that are seen, and of the usual width")
_CONFIDENCE = 0.98
# If more of the cells have such a character, it is one of the column's own.
_MAX_SHARE = 0.4
# Inside longer texts a soft hyphen is where a word may be divided.
_MAX_SHORT = 80
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
_INVISIBLE_AROUND = re.compile("^[\u00ad\u200b\u2060\ufeff]+|[\u00ad\u200b\u2060\ufeff]+$")
_FULL_WIDTH = re.compile("[\uff01-\uff5e]+")
_EAST_ASIAN = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
_CONFUSED = list(permutations(("cp1252", "mac_roman", "cp850", "iso8859_2", "cp1250", "iso8859_15"), 2))
_MAX_LENGTH = 2000
# Markup is HTML itself, escaped markup must stay escaped, and addresses have ampersands of their own.
_HTML = re.compile(r"(?i)<[a-z/!]|://|&(?:lt|gt|quot|apos|#0*(?:34|39|60|62)|#x0*(?:22|27|3c|3e));")
_DAMAGE = re.compile(r"[^\x00-\x7f]|&#?\w+;|%[0-9A-Fa-f]{2}|\\u[0-9a-fA-F]{4}")


def detect(table: Table) -> Iterator[Finding]:
    """Values that decoding them correctly changes, as llm_clean does; other damage is left to other detectors."""
    for position, column in enumerate(table.columns):
        repairs: dict[str, Repair] = {}
        odd: dict[str, Repair] = {}
        for value in column.counts:
            if len(value) > _MAX_LENGTH or not _DAMAGE.search(value):
                continue
            if (new := _decoded(value)) != value:
                repairs[value] = Repair(new, _CONFIDENCE, "mixed-up encodings or entities", _STEP)
            elif (known := _known(value, column.counts)) is not None:
                repairs[value] = Repair(known, _CONFIDENCE, f"{known!r} in a wrong encoding, which occurs too", _STEP)
            elif (new := _without_odd_characters(value)) != value and new:
                odd[value] = Repair(new, _CONFIDENCE, "characters that cannot be seen, or of another width", _PLAIN)
        if sum(column.counts[value] for value in odd) <= _MAX_SHARE * column.filled:
            repairs |= odd
        yield from table.findings(position, repairs, DETECTOR)


def _decoded(value: str) -> str:
    decoded = value if _HTML.search(value) else text_repair.decode(value)
    # A replacement character shows that bytes were lost before.
    return value if "\ufffd" in decoded else decoded


def _known(value: str, counts: Mapping[str, int]) -> str | None:
    """The value of the column that this one is in another encoding of the West, if its letters are likelier."""
    if not (odd := _odd_letters(value)):
        return None
    for read_as, written_in in _CONFUSED:
        try:
            new = value.encode(read_as).decode(written_in)
        except UnicodeError:
            continue
        if new in counts and _odd_letters(new) < odd:
            return new
    return None


def _odd_letters(value: str) -> int:
    """How many of its characters beyond ASCII are no letters of a word: signs, ligatures, capitals inside."""
    return sum(
        unicodedata.category(character) not in ("Ll", "Lu", "Lo")
        or unicodedata.normalize("NFKC", character) != character
        or (character.isupper() and value[place - 1 : place].islower())
        for place, character in enumerate(value)
        if not character.isascii()
    )


def _without_odd_characters(value: str) -> str:
    """The value without invisible characters, and with letters and digits of the usual width."""
    if value.isascii():
        return value
    text = _INVISIBLE_AROUND.sub("", value)
    if len(text) <= _MAX_SHORT:
        text = _INVISIBLE.sub("", text)
        if not _EAST_ASIAN.search(text):
            text = _FULL_WIDTH.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    return text
