"""Text repair: mojibake, HTML entities, control characters, odd spaces and character widths are undone."""

from __future__ import annotations

import re
import unicodedata

import ftfy

from pg_llm.cleaning.host import encodings

# What could not be decoded at all.
_REPLACED = "\ufffd"
# Curly quotes and ligatures are an author's choice; widths are normalized below, as Chinese punctuation is full-width.
_CONFIG = ftfy.TextFixerConfig(
    uncurl_quotes=False, fix_character_width=False, fix_latin_ligatures=False, normalization="NFC", explain=False
)
# ASCII without control characters, entities, escapes and tags has no damage.
_PLAIN = re.compile(r"[\t\n -$'-;=-\[\]-~]*+")
_ESCAPED_TAG = re.compile(r"&(?:lt|#0*60|#x0*3[cC]);")
_HALF_DECODED = re.compile("[\u0370-\u07ff][\u00c0-\u00ff]|[\u00c0-\u00ff][\u0370-\u07ff]")
# After a letter with an accent, a soft hyphen may be half of a letter.
_INVISIBLE = re.compile("(?<![^\x00-\x7f])\u00ad|[\u200b\u2060\ufeff]")
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n ?")
_FULL_LETTERS = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]+")
_FULL_WIDTH = re.compile("[\uff01-\uff5e]+")
_HALF_KANA = re.compile("[\uff61-\uff9f]+")
_EAST_ASIAN = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")


def repair(text: str) -> str:
    """The text without damage; an undamaged text is unchanged."""
    repaired = text if _PLAIN.fullmatch(text) else decode(text)
    repaired = _HALF_KANA.sub(_normalize, repaired)
    # In Chinese, Japanese and Korean texts full-width punctuation is right.
    repaired = (_FULL_LETTERS if _EAST_ASIAN.search(repaired) else _FULL_WIDTH).sub(_normalize, repaired)
    repaired = _SPACES.sub(" ", _INVISIBLE.sub("", repaired))
    return _LINES.sub("\n", repaired).strip()


def decode(text: str) -> str:
    """The text in its right encoding, without escapes and entities."""
    text = encodings.redecode(text)
    # Escaped markup is meant to be seen.
    config = _CONFIG._replace(unescape_html=False) if _ESCAPED_TAG.search(text) else _CONFIG
    decoded = str(ftfy.fix_text(text, config))
    # A word of two scripts, or a quotation mark that stays in pieces, shows that bytes were lost before.
    is_half = "\u00e2\u20ac" in decoded or (_HALF_DECODED.search(decoded) and not _HALF_DECODED.search(text))
    if is_half or encodings.is_broken(text, decoded):
        return text
    # What was read wrong once may have been so twice.
    while decoded != text and (again := _as_utf8(decoded)) not in (None, decoded):
        text, decoded = decoded, again or decoded
    return decoded


def _as_utf8(text: str) -> str | None:
    if _REPLACED in text:
        return None
    try:
        return text.encode("sloppy-windows-1252").decode()
    except UnicodeError:
        return None


def _normalize(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", match[0])
