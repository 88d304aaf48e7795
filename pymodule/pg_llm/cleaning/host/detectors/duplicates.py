"""Duplicate detection: blocking on rare words, then a weighted comparison of the pairs column by column.

A column's weight is how seldom two rows agree in it by chance (Fellegi and Sunter 1969).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pg_llm.cleaning.blocking import candidate_pairs
from pg_llm.cleaning.host.detectors.similarity import edit_distance
from pg_llm.cleaning.host.table import Column, Table

# Texts less similar than this count as different.
_MIN_SIMILARITY = 0.6
_SIMILARITY_OF_NEAR_NUMBERS = 0.5
# Columns that both rows fill must have this share of the total weight.
_MIN_COVERAGE = 0.5
_MAX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two rows, their similarity from 0 to 1, and the columns in which they differ."""

    first: int
    second: int
    score: float
    differs: Sequence[int]


def find_duplicates(table: Table, threshold: float) -> Iterator[Duplicate]:
    """Pairs of rows that are at least that similar."""
    weights = [_weight(column) for column in table.columns]
    rows = [[column.value(row) for row in range(table.row_count)] for column in table.columns]
    similarities: dict[tuple[str, str], float] = {}
    for first, second in candidate_pairs(rows):
        pair = [(column[first], column[second]) for column in rows]
        duplicate = _compare(pair, weights, similarities, first, second)
        if duplicate is not None and duplicate.score >= threshold:
            yield duplicate


def _weight(column: Column) -> float:
    """-log of the probability that two rows agree by chance; 0 for a constant or empty column."""
    if column.distinct < 2:
        return 0.0
    shares = column.occurrences[1:] / column.filled
    return -math.log(float((shares * shares).sum()))


def _compare(
    pair: Sequence[tuple[str, str]],
    weights: Sequence[float],
    similarities: dict[tuple[str, str], float],
    first: int,
    second: int,
) -> Duplicate | None:
    agreed = weight = 0.0
    differs = []
    for number, values in enumerate(pair):
        one, other = values
        if weights[number] and one and other:
            if values not in similarities:
                similarities[values] = _similarity(
                    one.casefold().strip()[:_MAX_LENGTH], other.casefold().strip()[:_MAX_LENGTH]
                )
            weight += weights[number]
            agreed += weights[number] * similarities[values]
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
