"""What kind of characters stand where in a value."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKENS = re.compile(r"\d+|[^\W\d_]+|\s+|.", re.DOTALL)

Shape = tuple[str, ...]


def tokens(value: str) -> list[str]:
    """Numbers, words (each part of camelCase for itself), runs of space, and every other character."""
    found = _TOKENS.findall(value)
    if value.islower() or value.isupper():
        return found
    return [part for token in found for part in _humps(token)]


def _humps(word: str) -> Iterator[str]:
    start = 0
    for place in range(1, len(word)):
        if word[place].isupper() and word[place - 1].islower():
            yield word[start:place]
            start = place
    yield word[start:]


def shape(value: str) -> Shape:
    """What kind of token stands where: 9 a number, a a word, a space, or the character itself."""
    return tuple(
        "9" if token[0].isdigit() else "a" if token[0].isalpha() else " " if token.isspace() else token
        for token in tokens(value)
    )
