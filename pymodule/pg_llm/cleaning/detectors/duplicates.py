"""Rows that are nearly the same: pairs that share rare words are compared column by column.

How much a column counts is how seldom two rows agree in it by chance (Fellegi and Sunter 1969).
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from pg_llm.cleaning.detectors.distance import edits
from pg_llm.cleaning.table import Table, Value, watched

# A word that more rows have says nothing, and would make too many pairs.
MOST_ROWS = 30
# Beginnings of words are compared too, so that a misspelling does not part what belongs together.
_BEGINNING = 4
# Pairs must share so many words or beginnings; one is enough if it is rarer than this.
_LEAST_SHARED = 2
_RARE = 5
# Less alike than this counts as different.
_LEAST_ALIKE = 0.6
_SLIP = 0.5
# Columns that both rows fill must make up this share of the weight.
_LEAST_COVER = 0.5
_LONGEST = 200
_WORDS = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two rows, how alike they are from 0 to 1, and the columns in which they differ."""

    first: int
    second: int
    score: float
    differs: Sequence[int]


def find(table: Table, least: float) -> Iterator[Duplicate]:
    """Pairs of rows that are at least so alike."""
    weights = [_weight(table, counts) for counts in table.counts]
    likeness: dict[tuple[str, str], float] = {}
    for first, second in candidates(table.columns, table.pulse):
        # One comparison of long texts takes milliseconds.
        table.pulse()
        found = _compared(table, weights, likeness, first, second)
        if found is not None and found.score >= least:
            yield found


def _weight(table: Table, counts: Counter[str]) -> float:
    """-log of the chance that two rows agree by chance; 0 for a column that is a key or always the same."""
    total = counts.total()
    if total < 2 or len(counts) < 2:
        return 0.0
    agree = sum(count * count for count in table.watched(counts.values())) / total**2
    return -math.log(agree)


def candidates(columns: Iterable[Sequence[Value]], pulse: Callable[[], object]) -> Iterator[tuple[int, int]]:
    """Pairs of rows, the smaller first, that share rare words or beginnings of words in some column."""
    rows_of: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for place, column in enumerate(columns):
        for row, value in enumerate(watched(column, pulse)):
            for key in _keys(value):
                rows_of[place, key].append(row)
    shared: Counter[tuple[int, int]] = Counter()
    for rows in watched(rows_of.values(), pulse):
        if 2 <= len(rows) <= MOST_ROWS:
            for pair in combinations(rows, 2):
                shared[pair] += _LEAST_SHARED if len(rows) <= _RARE else 1
    return (pair for pair, count in watched(shared.items(), pulse) if count >= _LEAST_SHARED)


def _keys(value: Value) -> set[str]:
    words = _WORDS.findall((value or "")[:_LONGEST].casefold())
    return {*words, *(f"{word[:_BEGINNING]}…" for word in words if len(word) > _BEGINNING)}


def _compared(
    table: Table, weights: Sequence[float], likeness: dict[tuple[str, str], float], first: int, second: int
) -> Duplicate | None:
    agreed = weight = 0.0
    differs = []
    for place, column in enumerate(table.columns):
        one, other = column[first], column[second]
        if weights[place] and one and other:
            pair = (one, other)
            if pair not in likeness:
                likeness[pair] = _alike(one.casefold().strip()[:_LONGEST], other.casefold().strip()[:_LONGEST])
            weight += weights[place]
            agreed += weights[place] * likeness[pair]
            if one != other:
                differs.append(place)
    if weight < _LEAST_COVER * sum(weights) or not weight:
        return None
    return Duplicate(first, second, agreed / weight, differs)


def _alike(one: str, other: str) -> float:
    longest = max(len(one), len(other))
    if one == other:
        return 1.0
    if not any(c.isalpha() for c in one + other):
        # Another digit is another number or day, and half a slip.
        return _SLIP if edits(one, other, 1) <= 1 else 0.0
    score = 1 - edits(one, other, longest) / longest
    return score if score >= _LEAST_ALIKE else 0.0
