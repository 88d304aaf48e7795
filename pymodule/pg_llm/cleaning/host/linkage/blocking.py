"""Blocking: the pairs of rows that are worth comparing, as they share one rare key or a combination of two.

Which keys and combinations are used follows from the table: those that make the fewest pairs first, until there are as
many as may be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pg_llm.cleaning.host.linkage.fields import BlockingKeys

Pairs = NDArray[np.int64]
# Rows that share a key beyond this number make no pairs by it.
_MAX_BLOCK = 60
# Pairs for each row, and of a small table in all.
_PAIRS_PER_ROW, _MIN_PAIRS = 40, 400_000
# Pairs that are held before doubles are removed.
_BUFFER = 20_000_000


@dataclass(frozen=True, slots=True)
class _Rule:
    """Rows that agree in these keys make pairs."""

    keys: tuple[BlockingKeys, ...]
    pairs: int


class Blocking:
    """The candidate pairs of a table with so many rows."""

    def __init__(self, row_count: int, keys: Sequence[BlockingKeys]) -> None:
        self._row_count = row_count
        self._keys = keys
        self.pairs: Pairs = np.empty(0, dtype=np.int64)

    def steps(self) -> Iterator[tuple[int, int]]:
        """Find the pairs; after each rule, how many are done and how many there are."""
        n = self._row_count
        budget = max(_PAIRS_PER_ROW * n, _MIN_PAIRS)
        if n * (n - 1) // 2 <= _MIN_PAIRS:
            first, second = np.triu_indices(n, 1)
            self.pairs = first.astype(np.int64) * n + second
            return
        possible = [(each,) for each in self._keys] + [
            pair for pair in combinations(self._keys, 2) if pair[0].field != pair[1].field
        ]
        rules = []
        for done, keys in enumerate(possible):
            sizes = _blocks(keys)[2]
            pairs = int((sizes * (sizes - 1) // 2).sum())
            if pairs:
                rules.append(_Rule(keys, pairs))
            yield done, 2 * len(possible)
        rules.sort(key=lambda rule: rule.pairs)
        found: list[Pairs] = []
        held = total = 0
        for done, rule in enumerate(rules):
            if total + rule.pairs > budget:
                break
            total += rule.pairs
            found.append(_pairs(rule.keys, n))
            held += len(found[-1])
            if held > _BUFFER:
                found = [_distinct(found)]
                held = len(found[0])
            yield len(possible) + done, 2 * len(possible)
        self.pairs = _distinct(found)


def _distinct(parts: Sequence[Pairs]) -> Pairs:
    return np.unique(np.concatenate(parts)) if parts else np.empty(0, dtype=np.int64)


def _blocks(keys: Sequence[BlockingKeys]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows ordered by block, and the start and size of each block of 2 to _MAX_BLOCK rows."""
    rows, combined = _combined(keys)
    order = np.argsort(combined, kind="stable")
    rows, combined = rows[order], combined[order]
    starts = np.flatnonzero(np.concatenate(([True], combined[1:] != combined[:-1]))) if len(rows) else np.empty(0, int)
    sizes = np.diff(np.concatenate((starts, [len(rows)])))
    chosen = (sizes >= 2) & (sizes <= _MAX_BLOCK)
    return rows, starts[chosen], sizes[chosen]


def _combined(keys: Sequence[BlockingKeys]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows with the key, or the combination of two keys, as one number."""
    first = keys[0]
    if len(keys) == 1:
        return first.rows, first.keys.astype(np.int64)
    second = keys[1]
    # Each key of a row with each of its other field: rows are in order on both sides.
    starts = np.searchsorted(second.rows, first.rows, "left")
    times = np.searchsorted(second.rows, first.rows, "right") - starts
    rows = np.repeat(first.rows, times)
    one = np.repeat(first.keys, times).astype(np.int64)
    offsets = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    other = second.keys[np.repeat(starts, times) + offsets].astype(np.int64)
    if first.words and second.words:
        # First and last name may have changed places.
        one, other = np.minimum(one, other), np.maximum(one, other)
    return rows, one << 32 | other


def _pairs(keys: Sequence[BlockingKeys], row_count: int) -> Pairs:
    rows, starts, sizes = _blocks(keys)
    found = []
    for size in np.unique(sizes):
        members = rows[starts[sizes == size][:, None] + np.arange(size)]
        left, right = np.triu_indices(size, 1)
        one, other = members[:, left].ravel(), members[:, right].ravel()
        found.append((np.minimum(one, other) * row_count + np.maximum(one, other))[one != other])
    return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)
