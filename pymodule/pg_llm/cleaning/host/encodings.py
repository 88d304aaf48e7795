"""Texts that were decoded in the wrong encoding, beyond what ftfy undoes, and characters left as escapes.

Each rule asks for what no text in its right encoding has; what may be one is left alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import unquote_to_bytes

# Windows-1251 read as Windows-1252: words of accented letters alone, small ones in a row.
_LATIN_LETTER = re.compile("[\u00c0-\u00ff]")
# GB 2312 read as Latin-1: pairs, with signs among the letters as no language has.
_PAIRS = re.compile("(?:[\u00b0-\u00d7][\u00a1-\u00fe])+")
# Shift-JIS read as Latin-1 leaves control characters.
_CONTROLS = re.compile("[\u0081-\u009f]")
# Latin-1 read as Mac OS Roman, or the other way round: a capital with an accent inside a small word.
_CAPITAL_INSIDE = re.compile("(?:[^\\W\\d_A-Z]{2}|\\b[A-Z][^\\W\\d_A-Z])[\u00c0-\u00de\u017d\u0160\u0178][a-z]")
_NAME_PREFIX = re.compile("\\b(?:Mc|Mac|De|Di|La|Le|Van|Von)[\u00c0-\u00de]")
# UTF-8 read in an encoding of MS-DOS leaves its lines.
_DOS_LINES = re.compile("[├┬┼][^\x00-\x7f]")
_PERCENT = re.compile("(?:%[0-9A-Fa-f]{2}){2,}")
_ESCAPE = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")


def redecode(text: str) -> str:
    """The text in its right encoding and without escapes; itself where nothing shows that another one is right."""
    for repair in (_percent_decoded, _unescaped):
        text = repair(text)
    if text.isascii():
        return text
    for guess in (_dos, _controls, _shift_jis, _chinese, _cyrillic, _macintosh):
        if (found := guess(text)) is not None:
            return found
    return text


def _percent_decoded(text: str) -> str:
    """Percent-encoding undone where it holds characters beyond ASCII and the text is no address."""
    if "://" in text or not any(_holds_more_than_ascii(match[0]) for match in _PERCENT.finditer(text)):
        return text
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        return text


def _holds_more_than_ascii(escapes: str) -> bool:
    try:
        return not unquote_to_bytes(escapes).decode().isascii()
    except UnicodeError:
        return False


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        units = bytes.fromhex(match[0].replace("\\u", ""))
        try:
            decoded = units.decode("utf-16-be")
        except UnicodeError:
            return match[0]
        return decoded if all(c >= "\u00a0" and c.isprintable() for c in decoded) else match[0]

    return _ESCAPE.sub(character, text) if "\\u" in text else text


def _dos(text: str) -> str | None:
    if not _DOS_LINES.search(text):
        return None
    found = {
        decoded
        for read_as in ("cp850", "cp437")
        if (decoded := _decoded(text, (read_as,), "utf-8", str.isprintable)) and not has_capital_inside(decoded)
    }
    return found.pop() if len(found) == 1 else None


def _shift_jis(text: str) -> str | None:
    # UTF-8 leaves them as well.
    if not _CONTROLS.search(text) or _decoded(text, ("latin-1",), "utf-8", bool):
        return None
    return _decoded(text, ("latin-1",), "cp932", lambda decoded: _are(decoded, ("CJK", "HIRAGANA", "KATAKANA")))


def _controls(text: str) -> str | None:
    """Encodings of Macintosh and MS-DOS read as Latin-1, where Windows-1252 makes no words of it."""
    if not _CONTROLS.search(text) or not is_broken(text, _decoded(text, ("latin-1",), "cp1252", bool) or text):
        return None
    found = {
        decoded
        for written_in in ("mac_roman", "cp437")
        if (decoded := _decoded(text, ("latin-1",), written_in, str.isprintable)) and _has_small_letters(text, decoded)
    }
    return found.pop() if len(found) == 1 else None


def is_broken(text: str, decoded: str) -> bool:
    """Whether what control characters became are no letters or apostrophes inside words, but capitals or signs."""
    if len(text) != len(decoded):
        return False
    triples = zip(f" {decoded}", decoded, f"{decoded[1:]} ", text, strict=False)
    return any(
        before.isalpha() and after.islower() and (new.isupper() or not (new.isalnum() or new in "\u2019'-"))
        for before, new, after, old in triples
        if old != new and _CONTROLS.fullmatch(old)
    )


def has_capital_inside(text: str) -> bool:
    """Whether a capital beyond ASCII follows a small letter."""
    return any(one.islower() and not other.isascii() and other.isupper() for one, other in pairwise(text))


def _has_small_letters(text: str, decoded: str) -> bool:
    """Whether all characters beyond ASCII became small letters of Europe."""
    return all(new.islower() and new < "\u0180" for old, new in zip(text, decoded, strict=True) if not old.isascii())


def _chinese(text: str) -> str | None:
    runs = re.findall("[^\x00-\x7f]+", text)
    if not all(_PAIRS.fullmatch(run) for run in runs) or len("".join(runs)) < 4 or re.search("[A-Za-z]", text):
        return None
    # The same letters may be Arabic or Cyrillic; a sign between them is neither.
    if not re.search("[\u00a1-\u00bf]", text):
        return None
    return _decoded(text, ("latin-1",), "gb2312", lambda decoded: _are(decoded, ("CJK",)))


def _cyrillic(text: str) -> str | None:
    words = re.findall(r"[^\W\d_]+", text)
    letters = "".join(words)
    if re.search("[A-Za-z]", text) or len(_LATIN_LETTER.findall(letters)) != len(letters) or len(letters) < 4:
        return None
    if not any(re.fullmatch("[\u00c0-\u00ff][\u00e0-\u00ff]{3,}", word) for word in words):
        return None
    if any(re.search("[\u00e0-\u00ff][\u00c0-\u00df]", word) for word in words):
        return None
    return _decoded(text, ("cp1252", "latin-1"), "cp1251", lambda decoded: _are(decoded, ("CYRILLIC",)))


def _macintosh(text: str) -> str | None:
    if not _CAPITAL_INSIDE.search(text) or _NAME_PREFIX.search(text):
        return None
    for read_as, written_in in (("mac_roman", "cp1252"), ("cp1252", "mac_roman")):
        decoded = _decoded(text, (read_as,), written_in, str.isprintable)
        if decoded is not None and _has_small_letters(text, decoded):
            other = _decoded(text, ("cp1252",), "cp850", str.isprintable)
            # MS-DOS may be meant as well.
            is_open = written_in == "mac_roman" and other is not None and _has_small_letters(text, other)
            return None if is_open else decoded
    return None


def _decoded(text: str, read_as: tuple[str, ...], written_in: str, is_right: Callable[[str], bool]) -> str | None:
    for encoding in read_as:
        try:
            decoded = text.encode(encoding).decode(written_in)
        except UnicodeError:
            continue
        if is_right(decoded):
            return decoded
    return None


def _are(text: str, scripts: tuple[str, ...]) -> bool:
    """Whether all letters are of these scripts."""
    letters = [character for character in text if character.isalpha() or character.isprintable() is False]
    return bool(letters) and all(unicodedata.name(letter, "").startswith(scripts) for letter in letters)
