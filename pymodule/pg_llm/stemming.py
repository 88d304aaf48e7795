"""Snowball stemming (Porter 2001) where the models run; a backend has PostgreSQL's own ts_lexize instead."""

from __future__ import annotations

import functools
from typing import Any


@functools.lru_cache(1 << 16)
def stem(word: str, language: str = "english") -> str:
    """The stem of a word in lower case, as PostgreSQL's Snowball dictionary of that language would give it."""
    stemmed: str = _stemmer(language).stemWord(word.lower())
    return stemmed


@functools.cache
def _stemmer(language: str) -> Any:
    # Imported here: the backend's Python need not have it.
    import snowballstemmer

    return snowballstemmer.stemmer(language)
