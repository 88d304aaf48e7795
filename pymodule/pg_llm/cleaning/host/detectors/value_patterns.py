"""The pattern of a value: which kinds of tokens it consists of, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKENS = re.compile(r"\d+|[^\W\d_]+|\s+|.", re.DOTALL)

Shape = tuple[str, ...]


def tokens(value: str) -> list[str]:
    """Numbers, words (camelCase split into its parts), runs of space, and every other character by itself."""
    split = _TOKENS.findall(value)
    if value.islower() or value.isupper():
        return split
    return [part for token in split for part in _split_camel_case(token)]


def _split_camel_case(word: str) -> Iterator[str]:
    start = 0
    for position in range(1, len(word)):
        if word[position].isupper() and word[position - 1].islower():
            yield word[start:position]
            start = position
    yield word[start:]


def shape(value: str) -> Shape:
    """The kind of each token: 9 for a number, a for a word, a space, or the character itself."""
    return tuple(
        "9" if token[0].isdigit() else "a" if token[0].isalpha() else " " if token.isspace() else token
        for token in tokens(value)
    )
