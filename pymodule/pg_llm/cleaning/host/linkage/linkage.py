"""Record linkage of a table with itself: from its columns to clusters of rows that are about one thing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pg_llm.cleaning.host.linkage import clustering
from pg_llm.cleaning.host.linkage.blocking import Blocking
from pg_llm.cleaning.host.linkage.comparison import SAME, Comparison, Levels
from pg_llm.cleaning.host.linkage.fields import Field, WordKeys
from pg_llm.cleaning.host.linkage.weights import MatchWeights
from pg_llm.cleaning.host.table import Column

# A comparison vector has at most so many fields, those that tell most rows apart.
_MAX_FIELDS = 24
_CHUNK = 1_000_000
_RANDOM_PAIRS = 200_000
# What matches are like is learnt from so many pairs.
_LEARNT_PAIRS = 2_000_000
# Components of more rows are taken apart by a higher threshold first.
_MAX_COMPONENT = 60
_STRICTER = 2.0
# Groups whose merged records are compared at once.
_GROUPS = 10_000
# Log odds are shifted and stretched (Platt 1999) to what they came to on tables that tests/benchmarks/linkage_tables.py
# makes.
_SHIFT, _SLOPE = 0.50, 0.79
# Nobody is surer than one in ten thousand.
_MAX_LOG_ODDS = 9.2


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two rows of one cluster, and the probability that they are about one thing: that of the weakest link."""

    cluster: int
    first: int
    second: int
    score: float


class Linkage:
    """The linkage of a table's rows at a threshold."""

    def __init__(self, columns: Sequence[Column], threshold: float) -> None:
        self._columns = columns
        self._rows = len(columns[0].codes) if columns else 0
        self._least = (math.log(max(threshold, 1e-9) / max(1 - threshold, 1e-9)) - _SHIFT) / _SLOPE
        self.duplicates: list[Duplicate] = []

    def steps(self) -> Iterator[tuple[str, int, int]]:
        """Do the work; after each step its phase, how much of it is done, and how much there is."""
        fields = []
        chosen = [column for column in self._columns if column.distinct > 1]
        chosen = sorted(chosen, key=lambda column: -_entropy(column))[:_MAX_FIELDS]
        for number, column in enumerate(chosen):
            yield "normalizing", number, len(chosen)
            fields.append(Field(number, column))
        fields = [field for field in fields if field.filled > 1]
        if not fields:
            return
        words = WordKeys()
        blocking = Blocking(self._rows, [keys for field in fields for keys in field.blocking_keys(words)])
        for done, total in blocking.steps():
            yield "blocking", done, total
        pairs, blocking.pairs = blocking.pairs, np.empty(0, dtype=np.int64)
        if not len(pairs):
            return
        self._comparison = Comparison(fields)
        yield "weighing", 0, 1
        self._weights = MatchWeights(fields, self._rows, self._random_levels(), *self._candidate_levels(pairs))
        found = []
        for start in range(0, len(pairs), _CHUNK):
            yield "comparing", start, len(pairs)
            part = pairs[start : start + _CHUNK]
            odds = self._log_odds(part)
            kept = odds >= self._least
            found.append((part[kept], odds[kept]))
        del pairs
        if found:
            yield "clustering", 0, 1
            self._cluster(np.concatenate([each[0] for each in found]), np.concatenate([each[1] for each in found]))

    def merged_log_odds(self, groups: Sequence[clustering.Groups]) -> list[float]:
        """The log odds of the merged records of two groups each; they agree in a field as well as their best pair."""
        found: list[float] = []
        for start in range(0, len(groups), _GROUPS):
            part = groups[start : start + _GROUPS]
            first = np.concatenate([np.repeat(one, len(other)) for one, other in part])
            second = np.concatenate([np.tile(other, len(one)) for one, other in part])
            ends = np.cumsum([len(one) * len(other) for one, other in part])
            starts = np.concatenate(([0], ends[:-1]))
            levels = self._comparison.levels(first, second)
            same = [
                np.maximum.reduceat(np.where(levels[:, place] == SAME, field.codes[first], 0), starts)
                for place, field in enumerate(self._comparison.fields)
            ]
            # The best level is the lowest one, and that of a missing value the highest.
            found += self._weights.log_odds(np.minimum.reduceat(levels, starts, axis=0), same).tolist()
        return found

    def _random_levels(self) -> Levels:
        chance = np.random.default_rng(1)
        n = self._rows
        if n * (n - 1) // 2 <= _RANDOM_PAIRS:
            first, second = np.triu_indices(n, 1)
        else:
            first, second = chance.integers(0, n, _RANDOM_PAIRS), chance.integers(0, n, _RANDOM_PAIRS)
            first, second = first[first != second], second[first != second]
        return self._comparison.levels(first, second)

    def _candidate_levels(self, pairs: NDArray[np.int64]) -> tuple[Levels, float]:
        """The comparison vectors of the pairs, or of a sample of them, and how many pairs each stands for."""
        sample = pairs
        if len(pairs) > _LEARNT_PAIRS:
            sample = pairs[np.random.default_rng(2).integers(0, len(pairs), _LEARNT_PAIRS)]
        levels = [self._levels(sample[start : start + _CHUNK]) for start in range(0, len(sample), _CHUNK)]
        return np.concatenate(levels), len(pairs) / len(sample)

    def _levels(self, pairs: NDArray[np.int64]) -> Levels:
        return self._comparison.levels(pairs // self._rows, pairs % self._rows)

    def _log_odds(self, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
        codes = [field.codes[pairs // self._rows] for field in self._comparison.fields]
        return self._weights.log_odds(self._levels(pairs), codes)

    def _cluster(self, pairs: NDArray[np.int64], odds: NDArray[np.float64]) -> None:
        edges = [(pair // self._rows, pair % self._rows) for pair in pairs.tolist()]
        known = dict(zip(edges, odds.tolist(), strict=True))
        clusters: list[list[int]] = []
        compared: list[list[int]] = []
        pending = [(edges, self._least)]
        while pending:
            linked, least = pending.pop()
            large: set[int] = set()
            for members in clustering.components(linked):
                if len(members) == 2:
                    clusters.append(members)
                elif len(members) <= _MAX_COMPONENT:
                    compared.append(members)
                else:
                    large.update(members)
            if large:
                stricter = least + _STRICTER
                pending.append(([pair for pair in linked if pair[0] in large and known[pair] >= stricter], stricter))
        missing = [pair for members in compared for pair in combinations(members, 2) if pair not in known]
        for start in range(0, len(missing), _CHUNK):
            part = missing[start : start + _CHUNK]
            numbers = np.array([first * self._rows + second for first, second in part], dtype=np.int64)
            known.update(zip(part, self._log_odds(numbers).tolist(), strict=True))
        merged = self.merged_log_odds if self._weights.related_told else None
        clusters += clustering.agglomerate(compared, known, self._least, merged)
        clusters.sort()
        for number, members in enumerate(clusters, 1):
            for (first, second), weakest in clustering.weakest_links(members, known).items():
                self.duplicates.append(Duplicate(number, first, second, _probability(weakest)))


def _entropy(column: Column) -> float:
    """How much a column tells rows apart: the entropy of its values, missing ones left out."""
    shares = column.occurrences[1:] / max(len(column.codes), 1)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _probability(log_odds: float) -> float:
    calibrated = _SHIFT + _SLOPE * log_odds
    return 1 / (1 + math.exp(-max(min(calibrated, _MAX_LOG_ODDS), -_MAX_LOG_ODDS)))
