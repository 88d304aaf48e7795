"""What the spelling of a word tells by itself: whether it is attested somewhere, and how well its letters fit together.

Attested are the words of five languages' dictionaries (pyspellchecker) and the names of people in some sixty countries
(Faker). A character 4-gram model of the same words gives likelihoods of words that are in none of them.
"""

from __future__ import annotations

import gzip
import importlib
import math
import pkgutil
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib import resources

import numpy as np
import orjson
from numpy.typing import NDArray

_LANGUAGES = ("en", "de", "es", "fr", "it")
_WORD = re.compile(r"[^\W\d_]+")
# Words of each list that the model learns from, so that none drowns the others.
_LEARNT = 40_000
_ORDER = 4
# Letters from a to z, and the edge of a word.
_SYMBOLS = 27
# Pseudo-count of each 4-gram, and of the letters together after the first three.
_UNSEEN, _SMOOTHING = 0.5, 14.0


def words_of(text: str) -> list[str]:
    """The runs of letters in a text."""
    return _WORD.findall(text)


def is_attested(word: str) -> bool:
    """Whether a dictionary or a list of names has the word, in any case."""
    hashes, _ = _learnt()
    sought = hash(word.casefold())
    place = int(np.searchsorted(hashes, sought))
    return place < len(hashes) and int(hashes[place]) == sought


def log_likelihood(word: str) -> float | None:
    """The natural logarithm of the model's probability of a word; None unless its letters are Latin."""
    letters = _plain_letters(word)
    if len(letters) != len(word):
        return None
    _, log_probability = _learnt()
    symbols = [0] * (_ORDER - 1) + [ord(letter) - 96 for letter in letters] + [0]
    return math.fsum(
        float(log_probability[tuple(symbols[start : start + _ORDER])]) for start in range(len(symbols) - _ORDER + 1)
    )


def _plain_letters(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return re.sub("[^a-z]", "", decomposed)


@cache
def _learnt() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The sorted hashes of all attested words, a tenth of the memory of the words; and the model's logarithms."""
    hashes = []
    counts = np.zeros((_SYMBOLS,) * _ORDER)
    for words in _lists():
        hashes.append(np.fromiter(map(hash, words), dtype=np.int64, count=len(words)))
        _count(counts, words[:: len(words) // _LEARNT + 1])
    probability = (counts + _UNSEEN) / (counts.sum(axis=-1, keepdims=True) + _SMOOTHING)
    return np.sort(np.concatenate(hashes)), np.log(probability)


def _lists() -> Iterator[list[str]]:
    for language in _LANGUAGES:
        packed = resources.files("spellchecker").joinpath("resources", f"{language}.json.gz").read_bytes()
        yield [word.casefold() for word in orjson.loads(gzip.decompress(packed))]
    yield sorted({word.casefold() for name in _names() for word in words_of(name)})


def _names() -> Iterator[str]:
    from faker.providers import person

    for module in pkgutil.iter_modules(person.__path__):
        provider = importlib.import_module(f"{person.__name__}.{module.name}").Provider
        for attribute, values in vars(provider).items():
            if "name" in attribute and isinstance(values, (list, tuple, dict)):
                yield from map(str, values)


def _count(counts: NDArray[np.float64], words: list[str]) -> None:
    """Add the 4-grams of the words, each with its edges."""
    edge = "`" * (_ORDER - 1)
    text = unicodedata.normalize("NFKD", edge + edge.join(words) + edge).encode("ascii", "ignore")
    symbols = np.frombuffer(text, dtype=np.uint8).astype(np.int64) - 96
    symbols = symbols[(symbols >= 0) & (symbols < _SYMBOLS)]
    grams = np.lib.stride_tricks.sliding_window_view(symbols, _ORDER)
    # Neither of edges alone, nor with an edge after a letter but at the end, which would hold two words.
    ended = (grams[:, :-2] != 0) & (grams[:, 1:-1] == 0)
    grams = grams[~ended.any(axis=1) & grams[:, -2:].any(axis=1)]
    places = np.ravel_multi_index(tuple(grams.T), counts.shape)
    counts += np.bincount(places, minlength=counts.size).reshape(counts.shape)
