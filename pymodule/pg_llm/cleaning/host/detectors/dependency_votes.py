"""Repairs by functional dependencies: the rows of a cell's groups vote on its value (naive Bayes)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pg_llm.cleaning.host.detectors.dependencies import Dependency
from pg_llm.cleaning.host.detectors.pair_counts import PairCounts
from pg_llm.cleaning.host.detectors.similarity import edit_distance, is_misspelling, is_similar
from pg_llm.cleaning.host.detectors.systematic_deviations import drop_systematic_deviations
from pg_llm.cleaning.host.table import Finding, Step, Table, is_quantity

DETECTOR = "dependency"
# Evidence of determining columns overlaps: together they count as this many independent ones.
_INDEPENDENT = 2.0
_MAX_DETERMINANTS = 8
# How much less accurate than the best determinant another one may be.
_ACCURACY_MARGIN = 0.03
_MAX_CANDIDATES = 3
# Probability that a wrong value is a misspelling of the right one.
_MISSPELT = 0.7
# Share of the rows that deviate from their group which are exceptions; the others are wrong.
_EXCEPTIONS = 0.2
_MAX_PROBABILITY = 0.9995
# Informedness that a dependency needs before its rows may vote.
_MIN_INFORMEDNESS = 0.75
# Probability that what looks like a misspelling is one.
_LOOKS_MISSPELT = 0.9
# Probability that a value that occurs elsewhere is wrong where a law says so: of six in 1,500 sound tables three were.
_SOUND_ELSEWHERE = 0.6
_ONLY_HERE = 0.9
# Rows that must agree, unless the other value looks like a misspelling or the dependency is declared.
_MIN_ROWS = 3
# Share of a misspelling's rows in groups where it is the most frequent value by chance.
_MAX_LED = 0.1
# Numbers longer than this twice over are not compared.
_MAX_LENGTH = 20
# Probability of one particular misspelling of a value.
_ONE_MISSPELLING = 0.05


def detect(table: Table, dependencies: Sequence[Dependency]) -> Iterator[Finding]:
    """Cells where another value is more probable than their own; equal rows are decided alike."""
    by_right: defaultdict[int, list[Dependency]] = defaultdict(list)
    for dependency in dependencies:
        if dependency.informedness >= _MIN_INFORMEDNESS:
            by_right[dependency.right].append(dependency)
    for right, determinants in by_right.items():
        # A looser determinant adds nothing to a tighter one.
        best = determinants[0].accuracy
        chosen = [dependency for dependency in determinants if best - dependency.accuracy <= _ACCURACY_MARGIN]
        findings = _ColumnVote(table, right, chosen[:_MAX_DETERMINANTS]).findings()
        yield from drop_systematic_deviations(table, right, findings)


class _ColumnVote:
    """The votes on the cells of one column."""

    def __init__(self, table: Table, right: int, dependencies: Sequence[Dependency]) -> None:
        self._right = right
        self._dependencies = dependencies
        self._column = table.columns[right]
        self._lefts = [table.columns[dependency.left] for dependency in dependencies]
        self._counts = self._column.counts
        self._total = self._column.filled
        self._row_count = table.row_count
        self._names = [column.name for column in table.columns]
        self._pairs = [PairCounts(left, self._column) for left in self._lefts]
        self._followers = [self._values_without_group(pairs) for pairs in self._pairs]
        self._groups: dict[tuple[int, int], _Group | None] = {}
        self._error_rate = min(0.5, max(0.005, 1 - dependencies[0].accuracy))

    def findings(self) -> list[Finding]:
        """Those of the cells that should hold another value."""
        # A value that no other one outnumbers in any of its groups stands.
        contested = np.flatnonzero(np.logical_or.reduce([pairs.outvoted() for pairs in self._pairs]))
        rows_of: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        codes = [column.codes[contested].tolist() for column in (self._column, *self._lefts)]
        for row, key in zip(contested.tolist(), zip(*codes, strict=True), strict=True):
            rows_of[key].append(row)
        findings = []
        for (code, *lefts), rows in rows_of.items():
            decision = self._decide(self._column.values[code - 1] if code else "", lefts)
            if decision is not None:
                findings.append(
                    Finding(
                        self._right,
                        np.array(rows),
                        decision.new,
                        decision.confidence,
                        DETECTOR,
                        decision.reason,
                        decision.determinant,
                        Step(f"as most rows with the same {self._names[decision.determinant[0]]}"),
                    )
                )
        return findings

    def _decide(self, value: str, lefts: Sequence[int]) -> _Decision | None:
        votes = []
        for place, (dependency, left) in enumerate(zip(self._dependencies, lefts, strict=True)):
            group = self._group(place, left) if left else None
            others = group.size - bool(value) if group else 0
            if group and others:
                left_value = self._lefts[place].values[left - 1]
                votes.append(_Vote(dependency, left_value, group, others, self._followers[place]))
        if not votes:
            return None
        scores = {candidate: self._score(candidate, value, votes) for candidate in _candidates(votes, value)}
        new = max(scores, key=lambda candidate: (scores[candidate], candidate))
        strongest = max(votes, key=lambda vote: vote.group.counts.get(new, 0))
        # Between two rows that differ a vote decides nothing.
        min_rows = 2 if is_similar(value, new) or strongest.dependency.declared else _MIN_ROWS
        if new == value or strongest.group.counts.get(new, 0) < min_rows:
            return None
        probability = 1 / sum(math.exp(score - scores[new]) for score in scores.values())
        confidence = self._confidence(probability, value, new, strongest.dependency)
        if not confidence:
            return None
        determinant = self._lefts[self._dependencies.index(strongest.dependency)]
        left_is = f"{determinant.name} = {strongest.left!r}"
        return _Decision(
            new,
            confidence,
            f"{strongest.group.counts.get(new, 0)} of {strongest.group.size} rows with {left_is} have {new!r}",
            (strongest.dependency.left, strongest.left),
        )

    def _values_without_group(self, pairs: PairCounts) -> frozenset[str]:
        """Values that are nearly nowhere the most frequent one of a group."""
        leads = pairs.size >= _MIN_ROWS
        led = np.bincount(pairs.right[pairs.first[leads]], pairs.most[leads], len(self._column.occurrences))
        following = np.flatnonzero((led <= _MAX_LED * self._column.occurrences)[1:])
        return frozenset(self._column.values[place] for place in following.tolist())

    def _group(self, place: int, left: int) -> _Group | None:
        # Cached, since large groups are looked up for each of their values.
        if (place, left) not in self._groups:
            by_code = self._pairs[place].group(left)
            counts = {self._column.values[code - 1]: count for code, count in by_code.items()}
            candidates = list(counts)[:_MAX_CANDIDATES]
            self._groups[place, left] = _Group(counts, sum(counts.values()), candidates) if counts else None
        return self._groups[place, left]

    def _confidence(self, probability: float, value: str, new: str, dependency: Dependency) -> float:
        """The vote's probability, discounted unless something beside the vote speaks against the value."""
        if dependency.declared:
            return min(probability, _MAX_PROBABILITY)
        # A value that is no number, in a column of numbers, is wrong however often it occurs.
        out_of_place = self._column.quantities and is_quantity(new) and not is_quantity(value)
        half = min(len(new) // 2, _MAX_LENGTH)
        if is_misspelling(value, new, self._counts) or (
            value and out_of_place and edit_distance(value, new, half) <= half
        ):
            return probability * (1 - (1 - dependency.reliability) * (1 - _LOOKS_MISSPELT))
        # One number in place of another is no misspelling, and numbers that recur are often just the usual ones.
        if self._column.quantities or (is_quantity(value) and is_quantity(new)):
            return 0.0
        if value:
            sound = self._counts.get(value, 0) > 1
            return min(probability * dependency.reliability, _SOUND_ELSEWHERE if sound else _ONLY_HERE)
        # The more often a column is empty, the likelier it is empty for a reason.
        return probability * dependency.reliability * self._total / self._row_count

    def _score(self, candidate: str, value: str, votes: Sequence[_Vote]) -> float:
        """The log-likelihood that the candidate is the true value of a cell that holds `value`."""
        unchanged = candidate == value
        elsewhere = max(self._counts.get(candidate, 0) - unchanged, 0.1) / self._total
        score = 0.0
        for vote in votes:
            same = vote.group.counts.get(candidate, 0) - unchanged
            # A misspelling that leads no group is no more likely right where it recurs.
            if unchanged and value in vote.followers and is_misspelling(value, vote.group.candidates[0], self._counts):
                same = 0
            share = same / (vote.others + 0.5)
            trust = min(1 - _EXCEPTIONS * (1 - vote.dependency.accuracy), _MAX_PROBABILITY)
            score += math.log(trust * share + (1 - trust) * elsewhere + 1e-9)
        score *= min(1.0, _INDEPENDENT / len(votes))
        if unchanged:
            return score + math.log(1 - self._error_rate)
        if not value:
            return score
        swapped = (1 - _MISSPELT) * max(self._counts.get(value, 0) - 1, 0.5) / self._total
        misspelt = _MISSPELT * _ONE_MISSPELLING if is_similar(value, candidate) else 0.0
        return score + math.log(self._error_rate * (misspelt + swapped))


@dataclass(frozen=True, slots=True)
class _Vote:
    dependency: Dependency
    left: str
    group: _Group
    others: int
    followers: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Group:
    counts: Mapping[str, int]
    size: int
    candidates: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Decision:
    new: str
    confidence: float
    reason: str
    determinant: tuple[int, str]


def _candidates(votes: Sequence[_Vote], value: str) -> set[str]:
    return {candidate for vote in votes for candidate in vote.group.candidates} | ({value} - {""})
