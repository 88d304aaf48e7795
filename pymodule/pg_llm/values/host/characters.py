"""Characters of texts that people type and programs export, reduced to the plain ones that the parsers read."""

from __future__ import annotations

import re
import unicodedata

# Hyphens, dashes and the minus sign; every space that is no line break; apostrophes.
_DASHES = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_SPACES = re.compile(r"[^\S\n]+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_APOSTROPHES = re.compile("[\u2018\u2019\u02bc\u00b4`]")


def plain(text: str) -> str:
    """The text with ASCII digits, dashes and apostrophes, full-width letters made narrow, and single spaces."""
    if not text.isascii():
        text = _APOSTROPHES.sub("'", _DASHES.sub("-", _INVISIBLE.sub("", text)))
        text = "".join(map(_plain_character, text))
    return _SPACES.sub(" ", text).strip()


def _plain_character(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if "\uff01" <= character <= "\uff5e":
        return chr(ord(character) - 0xFEE0)
    return character


def folded(text: str) -> str:
    """The text without case, accents, points and other signs, for look-ups of names: `Côte d'Ivoire`, `U.S.A.`."""
    decomposed = unicodedata.normalize("NFKD", plain(text).casefold().replace(".", ""))
    kept = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join(re.sub(r"[^\w]+|_", " ", kept).split())
