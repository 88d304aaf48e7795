"""Duplicate detection: blocking on rare words, then a weighted comparison of the pairs column by column.

A column's weight is how seldom two rows agree in it by chance (Fellegi and Sunter 1969).
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from pg_llm.cleaning.column_store import ColumnStore, Value
from pg_llm.cleaning.detectors.distance import edit_distance
from pg_llm.cleaning.interruptible import interruptible

# A word that more rows share is no blocking key: it tells nothing, and would make too many pairs.
MAX_BLOCK_SIZE = 30
# Prefixes of words are blocking keys too, so that a misspelling does not separate duplicates.
_PREFIX_LENGTH = 4
# Pairs must share so many keys; a key that at most `_RARE` rows have is enough by itself.
_MIN_SHARED = 2
_RARE = 5
# Texts less similar than this count as different.
_MIN_SIMILARITY = 0.6
_SIMILARITY_OF_NEAR_NUMBERS = 0.5
# Columns that both rows fill must have this share of the total weight.
_MIN_COVERAGE = 0.5
_MAX_LENGTH = 200
_WORDS = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two rows, their similarity from 0 to 1, and the columns in which they differ."""

    first: int
    second: int
    score: float
    differs: Sequence[int]


def find_duplicates(table: ColumnStore, threshold: float) -> Iterator[Duplicate]:
    """Pairs of rows that are at least that similar."""
    weights = [_weight(table, counts) for counts in table.counts]
    similarities: dict[tuple[str, str], float] = {}
    for first, second in candidate_pairs(table.columns, table.poll):
        # One comparison of long texts takes milliseconds.
        table.poll()
        duplicate = _compare(table, weights, similarities, first, second)
        if duplicate is not None and duplicate.score >= threshold:
            yield duplicate


def _weight(table: ColumnStore, counts: Counter[str]) -> float:
    """-log of the probability that two rows agree by chance; 0 for a constant or empty column."""
    total = counts.total()
    if total < 2 or len(counts) < 2:
        return 0.0
    agreement = sum(count * count for count in table.interruptible(counts.values())) / total**2
    return -math.log(agreement)


def candidate_pairs(columns: Iterable[Sequence[Value]], poll: Callable[[], object]) -> Iterator[tuple[int, int]]:
    """Pairs of rows, the smaller first, that share rare blocking keys in some column."""
    blocks: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for number, column in enumerate(columns):
        for row, value in enumerate(interruptible(column, poll)):
            for key in _blocking_keys(value):
                blocks[number, key].append(row)
    shared: Counter[tuple[int, int]] = Counter()
    for rows in interruptible(blocks.values(), poll):
        if 2 <= len(rows) <= MAX_BLOCK_SIZE:
            for pair in combinations(rows, 2):
                shared[pair] += _MIN_SHARED if len(rows) <= _RARE else 1
    return (pair for pair, count in interruptible(shared.items(), poll) if count >= _MIN_SHARED)


def _blocking_keys(value: Value) -> set[str]:
    words = _WORDS.findall((value or "")[:_MAX_LENGTH].casefold())
    return {*words, *(f"{word[:_PREFIX_LENGTH]}…" for word in words if len(word) > _PREFIX_LENGTH)}


def _compare(
    table: ColumnStore, weights: Sequence[float], similarities: dict[tuple[str, str], float], first: int, second: int
) -> Duplicate | None:
    agreed = weight = 0.0
    differs = []
    for number, column in enumerate(table.columns):
        one, other = column[first], column[second]
        if weights[number] and one and other:
            pair = (one, other)
            if pair not in similarities:
                similarities[pair] = _similarity(
                    one.casefold().strip()[:_MAX_LENGTH], other.casefold().strip()[:_MAX_LENGTH]
                )
            weight += weights[number]
            agreed += weights[number] * similarities[pair]
            if one != other:
                differs.append(number)
    if weight < _MIN_COVERAGE * sum(weights) or not weight:
        return None
    return Duplicate(first, second, agreed / weight, differs)


def _similarity(one: str, other: str) -> float:
    longest = max(len(one), len(other))
    if one == other:
        return 1.0
    if not any(c.isalpha() for c in one + other):
        # Another digit is another number or day, or one slip of the keyboard.
        return _SIMILARITY_OF_NEAR_NUMBERS if edit_distance(one, other, 1) <= 1 else 0.0
    similarity = 1 - edit_distance(one, other, longest) / longest
    return similarity if similarity >= _MIN_SIMILARITY else 0.0
