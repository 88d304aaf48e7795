"""Rare spellings near frequent ones, each with the probability of being a slip of it.

Being rare and near a frequent value is no error by itself: how many sound values would be so by chance is estimated
from the column's other values (a local false discovery rate, Efron 2008), apart for values of one row, of a few, and of
many, and weighed with what the letters tell.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pg_llm.cleaning.host.detectors import noisy_channel
from pg_llm.cleaning.host.detectors.edit_distance_index import EditDistanceIndex
from pg_llm.cleaning.host.detectors.similarity import is_similar

# A tie between two frequent spellings is broken if one is so many times as common.
_TIE_RATIO = 10
# Shorter words have too many neighbors that are words themselves.
MIN_WORD_LENGTH = 5
_MIN_PROBABILITY = 0.05
# Rows from which on a spelling is judged apart: nearly all slips are of one cell or two, while one that somebody copied
# is seldom in less than ten. The most frequent come first, as what is a slip itself is nobody's right spelling.
_BANDS = ((10, math.inf), (3, 10), (1, 3))
# Of a spelling that recurs letters alone are not near certain: its rows would all be wrong at once.
_MAX_RECURRING, _RECURS = 0.94, 3
# Values drawn from all over the column to estimate how near one another its values are.
_SAMPLE = 500
# Where more of the frequent values are near one another, it is not clear which one is meant.
_MAX_CHANCE = 0.5
# Pseudo-count of frequent values near another one.
_CLOSE = 0.2
_MAX_LENGTH = 100
_WORDS = re.compile(r"[^\W_]+|[\W_]+")


@dataclass(frozen=True, slots=True)
class Level:
    """A frequent spelling has at least `min_rows`, and `ratio` times those of a rare one, which has `min_rare`."""

    ratio: int
    min_rows: int
    min_rare: int = 1


@dataclass(frozen=True, slots=True)
class Misspelling:
    """The frequent spelling that is probably meant, and the probability of an error."""

    right: str
    probability: float


def find(counts: Mapping[str, int], most: Callable[[str], int], level: Level) -> dict[str, Misspelling]:
    """The misspellings among the keys; `most` gives the largest edit distance for a text, 0 for none."""
    short = {value: count for value, count in counts.items() if len(value) <= _MAX_LENGTH}
    common = {value: count for value, count in short.items() if count >= level.min_rows}
    highest = max(common.values(), default=0)
    # A difference of case or space is a difference of format.
    folded = Counter(map(_fold, common))
    rare = [
        value
        for value, count in short.items()
        if level.min_rare <= count <= highest / level.ratio and folded[_fold(value)] == (value in common)
    ]
    return _Search(short, common, most, level.ratio).among(rare) if rare else {}


class _Search:
    """The search for frequent spellings of rare ones in one column."""

    def __init__(
        self, counts: Mapping[str, int], common: Mapping[str, int], most: Callable[[str], int], ratio: int
    ) -> None:
        self._counts = counts
        self._ratio = ratio
        self._index = EditDistanceIndex(common, most)
        self._frequencies = sorted(common.values())
        self._nearest: dict[str, str] = {}

    def among(self, rare: Iterable[str]) -> dict[str, Misspelling]:
        by_count = sorted(rare, key=lambda value: -self._counts[value])
        found: dict[str, Misspelling] = {}
        chance = None
        for fewest, most in _BANDS:
            band = [value for value in by_count if fewest <= self._counts[value] < most]
            sample = band[:: len(band) // _SAMPLE + 1]
            self._look_up(sample)
            # What is frequent and a slip is known by now.
            chance = self._chance() if chance is None else chance
            if chance > _MAX_CHANCE:
                return {}
            probable = self._judge(sample, chance)
            if len(sample) < len(band) and probable:
                self._look_up(band)
                probable = self._judge(band, chance)
            found |= probable
        return found

    def _look_up(self, values: Iterable[str]) -> None:
        """Find the nearest frequent value of each; none where two are as near and about as frequent."""
        for value in values:
            candidates = sorted(
                (distance, -self._counts[other], other)
                for other, distance in self._index.neighbors(value)
                if self._counts[other] >= self._ratio * self._counts[value]
                and other not in self._nearest
                and differ_by_spelling(value, other)
            )
            if candidates and (
                len(candidates) == 1
                or candidates[0][0] < candidates[1][0]
                or candidates[0][1] <= _TIE_RATIO * candidates[1][1]
            ):
                self._nearest[value] = candidates[0][2]

    def _judge(self, values: Iterable[str], chance: float) -> dict[str, Misspelling]:
        near = [value for value in values if value in self._nearest]
        if not near:
            return {}
        # The more frequent a sound value is, the fewer values could be what it is a slip of.
        possible = math.fsum(1 - self._share_below(value) for value in values if value not in self._nearest)
        expected = (possible + 1) * chance / (1 - chance)
        evidence = [noisy_channel.log_odds(value, self._nearest[value]) for value in near]
        probabilities = zip(near, noisy_channel.slip_probabilities(evidence, expected), strict=True)
        return {
            value: Misspelling(
                self._nearest[value], min(probability, 1.0 if self._counts[value] < _RECURS else _MAX_RECURRING)
            )
            for value, probability in probabilities
            if probability >= _MIN_PROBABILITY
        }

    def _share_below(self, value: str) -> float:
        """The share of frequent values that are not frequent enough for this one."""
        return bisect_left(self._frequencies, self._ratio * self._counts[value]) / len(self._frequencies)

    def _chance(self) -> float:
        """The probability that a sound value is near a frequent one, as frequent values are near another one.

        Counted are those where neither is so much rarer that it may be a misspelling of the other.
        """
        texts = self._index.texts
        sample = texts[:: len(texts) // _SAMPLE + 1]
        close = sum(
            any(self._may_both_be_sound(value, other) for other, _ in self._index.neighbors(value)) for value in sample
        )
        return (close + _CLOSE) / (len(sample) + 1)

    def _may_both_be_sound(self, one: str, other: str) -> bool:
        low, high = sorted((self._counts[one], self._counts[other]))
        # Two misspellings of one value are near each other.
        return high < self._ratio * low and (one not in self._nearest or self._nearest[one] != self._nearest.get(other))


def differ_by_spelling(old: str, new: str) -> bool:
    """Whether each word of one may be a misspelling of the other's: a replaced word is no misspelling."""
    olds, news = _WORDS.findall(old), _WORDS.findall(new)
    if len(olds) != len(news):
        # A space too many or too few.
        return is_similar(old, new)
    pairs = [pair for pair in zip(olds, news, strict=True) if pair[0] != pair[1]]
    return all(is_similar(*pair) and _are_long_enough(*pair) for pair in pairs)


def _are_long_enough(one: str, other: str) -> bool:
    """Whether two words are no other words: of four letters, one may be missing, added or swapped, but not replaced."""
    shorter = min(len(one), len(other))
    if shorter >= MIN_WORD_LENGTH:
        return True
    return shorter == MIN_WORD_LENGTH - 1 and (len(one) != len(other) or sorted(one) == sorted(other))


def _fold(value: str) -> str:
    return " ".join(value.casefold().split())
