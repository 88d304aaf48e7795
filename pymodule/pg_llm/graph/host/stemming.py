"""Words of one family by one form: treat, treats, treating, treatment."""

from __future__ import annotations

from functools import lru_cache

_ENDINGS = (
    "ations",
    "ation",
    "ments",
    "ment",
    "ings",
    "ing",
    "ions",
    "ion",
    "ors",
    "or",
    "ers",
    "er",
    "ies",
    "ied",
    "ed",
    "es",
    "al",
    "s",
    "e",
    "y",
)
# Letters that stay at least.
_SHORTEST = 3


@lru_cache(1 << 16)
def stem(word: str) -> str:
    """The word without an ending; not a word of the language, and the same for most of a family."""
    word = word.lower()
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > _SHORTEST and word[-1:] == word[-2:-1] else word
