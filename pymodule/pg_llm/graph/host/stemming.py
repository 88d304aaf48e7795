"""A stemmer that strips derivations too: treat, treats, treating and treatment have one stem, unlike in Porter's."""

from __future__ import annotations

from functools import lru_cache

# The first that fits is stripped, so that a suffix comes after those that end with it.
_SUFFIXES = "ations ation ments ment ings ing ions ion ors or ers er ies ied ed es al s e y".split()
# Letters of a stem.
_MIN_STEM = 3


@lru_cache(1 << 16)
def stem(word: str) -> str:
    """The word without its suffix and without a double letter at the end."""
    word = word.lower()
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _MIN_STEM:
            word = word[: -len(suffix)]
            break
    return word[:-1] if len(word) > _MIN_STEM and word[-1:] == word[-2:-1] else word
