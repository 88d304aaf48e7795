"""Estimated widths of text in a sans-serif font, and truncation and line breaking by these."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

# The mean width of a letter, in which maximum lengths are counted.
_MEAN_WIDTH = 0.6
_NARROW, _WIDE = frozenset("iljtfrI.,:;'|!()[] "), frozenset("mwMW@%")


def width_of(text: str, size: float) -> float:
    """The width of a text at a font size."""
    return size * sum(map(_character_width, text))


def truncate(text: str, limit: int) -> str:
    """The text, cut off with an ellipsis where it is wider than so many letters of mean width."""
    total = 0.0
    for place, character in enumerate(text):
        total += width_of(character, 1.0)
        if total > limit * _MEAN_WIDTH:
            return text[: max(1, place - 1)] + "…"
    return text


def two_lines(text: str, limit: int) -> Iterator[str]:
    """The text in one line if it is at most so many letters wide, or in two lines of about equal width."""
    text = truncate(" ".join(text.split()) or " ", 2 * limit)
    if width_of(text, 1.0) <= limit * _MEAN_WIDTH:
        yield text
        return
    half = width_of(text, 1.0) / 2
    # Lines are broken at a space if there is one; Chinese has none and may be broken anywhere.
    breaks = [place for place, character in enumerate(text) if character == " "] or range(1, len(text))
    best = min(breaks, key=lambda place: abs(width_of(text[:place], 1.0) - half))
    yield text[:best].rstrip()
    yield text[best:].lstrip()


def _character_width(character: str) -> float:
    """The width in ems."""
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if character in _NARROW:
        return 0.3
    if character in _WIDE:
        return 0.85
    return 0.68 if character.isupper() else 0.56
