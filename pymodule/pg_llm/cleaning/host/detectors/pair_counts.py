"""How often the values of two columns occur together, as sorted arrays."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pg_llm.cleaning.host.table import Column

Numbers = NDArray[np.int64]


class PairCounts:
    """The pairs of filled values of two columns that occur in a row, sorted by the left one.

    `left`, `right` and `count` are parallel arrays of codes and how often each pair occurs; the pairs of one left value
    are a group, which begins at `starts`.
    """

    def __init__(self, left: Column, right: Column) -> None:
        self._left, self._right = left, right
        filled = (left.codes > 0) & (right.codes > 0)
        width = len(right.values) + 1
        keys = left.codes[filled].astype(np.int64) * width + right.codes[filled]
        self._pairs, self.count = np.unique(keys, return_counts=True)
        self.left, self.right = np.divmod(self._pairs, width)
        self.starts = np.flatnonzero(np.diff(self.left, prepend=-1))

    @cached_property
    def lengths(self) -> Numbers:
        """The number of pairs of each group."""
        return np.diff(self.starts, append=len(self.left))

    @cached_property
    def size(self) -> Numbers:
        """The number of rows of each group."""
        return np.add.reduceat(self.count, self.starts) if len(self.starts) else np.zeros(0, np.int64)

    @cached_property
    def first(self) -> Numbers:
        """The place of each group's most frequent pair; of equally frequent ones, the first."""
        places = np.arange(len(self.count))
        is_most = self.count == np.repeat(self.most, self.lengths)
        return np.minimum.reduceat(np.where(is_most, places, len(places)), self.starts) if len(self.starts) else places

    @cached_property
    def most(self) -> Numbers:
        """How often each group's most frequent pair occurs."""
        return np.maximum.reduceat(self.count, self.starts) if len(self.starts) else np.zeros(0, np.int64)

    @cached_property
    def second(self) -> Numbers:
        """How often each group's next most frequent pair occurs, 0 where there is none."""
        others = self.count.copy()
        others[self.first] = 0
        return np.maximum.reduceat(others, self.starts) if len(self.starts) else others

    @cached_property
    def _group_of(self) -> NDArray[np.int32]:
        """The number of the group of each left code, -1 for none."""
        groups = np.full(len(self._left.values) + 1, -1, dtype=np.int32)
        groups[self.left[self.starts]] = np.arange(len(self.starts))
        return groups

    def group(self, left: int) -> dict[int, int]:
        """How often each right code occurs beside a left code, the most frequent first."""
        number = self._group_of[left]
        if number < 0:
            return {}
        place = slice(self.starts[number], self.starts[number] + self.lengths[number])
        pairs = zip(self.right[place].tolist(), self.count[place].tolist(), strict=True)
        return dict(sorted(pairs, key=lambda pair: -pair[1]))

    def outvoted(self) -> NDArray[np.bool_]:
        """For each row whether its group has another value that is more frequent among the other rows."""
        width = len(self._right.values) + 1
        groups = self._group_of[self._left.codes]
        has_group = groups >= 0
        keys = self._left.codes.astype(np.int64) * width + self._right.codes
        places = np.minimum(np.searchsorted(self._pairs, keys), len(self._pairs) - 1)
        filled = has_group & (self._right.codes > 0)
        own = np.where(filled, self.count[places] if len(self.count) else 0, 0)
        is_first = filled & (places == (self.first[groups] if len(self.first) else -1))
        most = np.where(has_group, self.most[groups] if len(self.most) else 0, 0)
        second = np.where(has_group, self.second[groups] if len(self.second) else 0, 0)
        others = np.where(is_first, second, most)
        return np.asarray(others > np.maximum(own - 1, 0))
