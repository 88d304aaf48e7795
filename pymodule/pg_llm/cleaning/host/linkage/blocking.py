"""Blocking: the pairs of rows that are worth comparing, as they share one rare key or a combination of two.

Which keys and combinations are used follows from the table: those that make the fewest pairs first, until there are as
many as may be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pg_llm.cleaning.host.linkage.fields import BlockingKeys

Pairs = NDArray[np.int64]
# Rows that share a key beyond this number make no pairs by it.
_MAX_BLOCK = 60
# Pairs for each row, and of a small table in all.
_PAIRS_PER_ROW, _MIN_PAIRS = 40, 400_000
# One key alone may make such a part of them.
_ALONE = 8
# Odd numbers whose products have well-mixed high bits (SplitMix64, Steele, Lea and Flood 2014).
_MIXERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


@dataclass(frozen=True, slots=True)
class _Rule:
    """Rows that agree in these keys make pairs."""

    keys: tuple[BlockingKeys, ...]
    pairs: int


class Blocking:
    """The candidate pairs of a table with so many rows."""

    def __init__(self, row_count: int, keys: Sequence[BlockingKeys]) -> None:
        self._row_count = row_count
        self._keys = _repeated(keys)
        self.pairs: Pairs = np.empty(0, dtype=np.int64)

    def steps(self) -> Iterator[tuple[int, int]]:
        """Find the pairs; after each rule, how many are done and how many there are."""
        n = self._row_count
        budget = max(_PAIRS_PER_ROW * n, _MIN_PAIRS)
        if n * (n - 1) // 2 <= _MIN_PAIRS:
            first, second = np.triu_indices(n, 1)
            self.pairs = first.astype(np.int64) * n + second
            return
        # One key alone first: rows that a combination finds by a key that is rare enough are pairs already.
        alone = [(each,) for each in self._keys]
        combined = [pair for pair in combinations(self._keys, 2) if pair[0].field != pair[1].field]
        count = len(alone) + len(combined)
        rules = []
        for done, keys in enumerate(alone):
            if made := _pair_count(keys, n):
                rules.append(_Rule(keys, made))
            yield done, 2 * count
        rules = _within(rules, budget // _ALONE)
        # Words may have changed places with those of another field, so that they are not pairs by themselves.
        frequent = {id(key): _frequent(key) for rule in rules for key in rule.keys if not key.words}
        for done, (one, other) in enumerate(combined, len(alone)):
            both = (frequent.get(id(one), one), frequent.get(id(other), other))
            if made := _pair_count(both, n):
                rules.append(_Rule(both, made))
            yield done, 2 * count
        rules = _within(rules, budget)
        pairs = np.empty(sum(rule.pairs for rule in rules), dtype=np.int64)
        filled = 0
        for done, rule in enumerate(rules):
            for found in _pairs(rule.keys, n):
                pairs[filled : filled + len(found)] = found
                filled += len(found)
            yield count + done, 2 * count
        self.pairs = _distinct(pairs[:filled])


def _within(rules: Sequence[_Rule], budget: int) -> list[_Rule]:
    """Those that make the fewest pairs, as many as make no more than so many."""
    ordered = sorted(rules, key=lambda rule: rule.pairs)
    totals = np.cumsum([rule.pairs for rule in ordered], dtype=np.int64)
    return ordered[: int(np.searchsorted(totals, budget, "right"))]


def _pair_count(keys: Sequence[BlockingKeys], row_count: int) -> int:
    sizes = _blocks(keys, row_count)[2]
    return int((sizes * (sizes - 1) // 2).sum())


def _frequent(keys: BlockingKeys) -> BlockingKeys:
    """The keys that make no pairs by themselves, as too many rows share them."""
    chosen = np.bincount(keys.keys)[keys.keys] > _MAX_BLOCK
    return replace(keys, rows=keys.rows[chosen], keys=keys.keys[chosen])


def _distinct(pairs: Pairs) -> Pairs:
    """The distinct ones in order; `pairs` itself is sorted."""
    pairs.sort()
    return pairs[np.concatenate(([True], pairs[1:] != pairs[:-1]))] if len(pairs) else pairs


def _repeated(keys: Sequence[BlockingKeys]) -> list[BlockingKeys]:
    """The keys that more rows than one have; in combinations, too, the others make no pairs."""
    found = []
    words = sum(int(each.keys.max(initial=0)) + 1 for each in keys if each.words)
    of_words = sum((np.bincount(each.keys, minlength=words) for each in keys if each.words), np.zeros(words, int))
    for each in keys:
        chosen = (of_words if each.words else np.bincount(each.keys))[each.keys] > 1
        found.append(replace(each, rows=each.rows[chosen], keys=each.keys[chosen]))
    return found


def _blocks(
    keys: Sequence[BlockingKeys], row_count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows ordered by block, and the start and size of each block of 2 to _MAX_BLOCK rows."""
    rows, combined = _combined(keys)
    if not len(rows):
        return rows, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    # One number for the hash of a key and its row: sorting these is several times faster than an order by keys.
    bits = np.uint64(max(row_count - 1, 1).bit_length())
    packed = _mixed(combined) >> bits << bits | rows.astype(np.uint64)
    packed.sort()
    hashes = packed >> bits
    starts = np.flatnonzero(np.concatenate(([True], hashes[1:] != hashes[:-1])))
    sizes = np.diff(np.concatenate((starts, [len(packed)])))
    chosen = (sizes >= 2) & (sizes <= _MAX_BLOCK)
    rows = (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    return rows, starts[chosen], sizes[chosen]


def _mixed(numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Hashes of numbers, which differ in their high bits."""
    mixed = numbers.astype(np.uint64)
    for mixer in _MIXERS:
        mixed ^= mixed >> np.uint64(31)
        mixed *= mixer
    return mixed


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


def _pairs(keys: Sequence[BlockingKeys], row_count: int) -> Iterator[Pairs]:
    rows, starts, sizes = _blocks(keys, row_count)
    for size in np.unique(sizes):
        members = rows[starts[sizes == size][:, None] + np.arange(size)]
        left, right = np.triu_indices(size, 1)
        # Rows of a block are in order; one that is in it twice makes no pair with itself.
        one, other = members[:, left].ravel(), members[:, right].ravel()
        yield (one * row_count + other)[one != other]
