"""Repairs by functional dependencies: the rows of a cell's groups vote on its value (naive Bayes)."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pg_llm.cleaning.column_store import ColumnStore, Finding, Value, is_quantity
from pg_llm.cleaning.detectors.dependencies import Dependency
from pg_llm.cleaning.detectors.distance import edit_distance, is_misspelling, is_similar
from pg_llm.cleaning.detectors.systematic_deviations import drop_systematic_deviations

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
# Numbers longer than this twice over are not compared.
_MAX_LENGTH = 20
# Probability of one particular misspelling of a value.
_ONE_MISSPELLING = 0.05


def detect(table: ColumnStore, dependencies: Sequence[Dependency]) -> Iterator[Finding]:
    """One finding for each cell where another value is more probable than its own."""
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

    def __init__(self, table: ColumnStore, right: int, dependencies: Sequence[Dependency]) -> None:
        self._table = table
        self._right = right
        self._dependencies = dependencies
        self._counts = table.counts[right]
        self._total = table.filled_count(right)
        self._groups: dict[tuple[int, str], _Group | None] = {}
        self._error_rate = min(0.5, max(0.005, 1 - dependencies[0].accuracy))

    def findings(self) -> list[Finding]:
        """One for each cell that should hold another value."""
        decisions: dict[tuple[Value, ...], _Decision | None] = {}
        findings = []
        for row, value in enumerate(self._table.interruptible(self._table.columns[self._right])):
            lefts = tuple(self._table.columns[dependency.left][row] for dependency in self._dependencies)
            # Equal rows have equal decisions.
            key = (value, *lefts)
            if key not in decisions:
                decisions[key] = self._decide(value or "", lefts)
            if (decision := decisions[key]) is not None:
                findings.append(
                    Finding(
                        (row, self._right),
                        decision.new,
                        decision.confidence,
                        DETECTOR,
                        decision.reason,
                        decision.determinant,
                    )
                )
        return findings

    def _decide(self, value: str, lefts: Sequence[Value]) -> _Decision | None:
        votes = []
        for dependency, left in zip(self._dependencies, lefts, strict=True):
            group = self._group(dependency, left) if left else None
            others = group.size - bool(value) if group else 0
            if group and others:
                votes.append(_Vote(dependency, str(left), group, others))
        if not votes:
            return None
        scores = {candidate: self._score(candidate, value, votes) for candidate in _candidates(votes, value)}
        new = max(scores, key=lambda candidate: (scores[candidate], candidate))
        strongest = max(votes, key=lambda vote: vote.group.counts[new])
        # Between two rows that differ a vote decides nothing.
        min_rows = 2 if is_similar(value, new) or strongest.dependency.declared else _MIN_ROWS
        if new == value or strongest.group.counts[new] < min_rows:
            return None
        probability = 1 / sum(math.exp(score - scores[new]) for score in scores.values())
        confidence = self._confidence(probability, value, new, strongest.dependency)
        if not confidence:
            return None
        left = f"{self._table.names[strongest.dependency.left]} = {strongest.left!r}"
        return _Decision(
            new,
            confidence,
            f"{strongest.group.counts[new]} of {strongest.group.size} rows with {left} have {new!r}",
            (strongest.dependency.left, strongest.left),
        )

    def _group(self, dependency: Dependency, left: str) -> _Group | None:
        # Cached, since large groups are looked up for each of their rows.
        key = (dependency.left, left)
        if key not in self._groups:
            counts = dependency.groups.get(left)
            candidates = [value for value, _ in counts.most_common(_MAX_CANDIDATES)] if counts else []
            self._groups[key] = _Group(counts, counts.total(), candidates) if counts else None
        return self._groups[key]

    def _confidence(self, probability: float, value: str, new: str, dependency: Dependency) -> float:
        """The vote's probability, discounted unless something beside the vote speaks against the value."""
        if dependency.declared:
            return min(probability, _MAX_PROBABILITY)
        # A value that is no number, in a column of numbers, is wrong however often it occurs.
        out_of_place = self._table.quantities[self._right] and is_quantity(new) and not is_quantity(value)
        half = min(len(new) // 2, _MAX_LENGTH)
        if is_misspelling(value, new, self._counts) or (
            value and out_of_place and edit_distance(value, new, half) <= half
        ):
            return probability * (1 - (1 - dependency.reliability) * (1 - _LOOKS_MISSPELT))
        # One number in place of another is no misspelling, and numbers that recur are often just the usual ones.
        if self._table.quantities[self._right] or (is_quantity(value) and is_quantity(new)):
            return 0.0
        if value:
            sound = self._counts[value] > 1
            return min(probability * dependency.reliability, _SOUND_ELSEWHERE if sound else _ONLY_HERE)
        # The more often a column is empty, the likelier it is empty for a reason.
        return probability * dependency.reliability * self._total / self._table.row_count

    def _score(self, candidate: str, value: str, votes: Sequence[_Vote]) -> float:
        """The log-likelihood that the candidate is the true value of a cell that holds `value`."""
        unchanged = candidate == value
        elsewhere = max(self._counts[candidate] - unchanged, 0.1) / self._total
        score = 0.0
        for vote in votes:
            share = (vote.group.counts[candidate] - unchanged) / (vote.others + 0.5)
            trust = min(1 - _EXCEPTIONS * (1 - vote.dependency.accuracy), _MAX_PROBABILITY)
            score += math.log(trust * share + (1 - trust) * elsewhere + 1e-9)
        score *= min(1.0, _INDEPENDENT / len(votes))
        if unchanged:
            return score + math.log(1 - self._error_rate)
        if not value:
            return score
        swapped = (1 - _MISSPELT) * max(self._counts[value] - 1, 0.5) / self._total
        misspelt = _MISSPELT * _ONE_MISSPELLING if is_similar(value, candidate) else 0.0
        return score + math.log(self._error_rate * (misspelt + swapped))


@dataclass(frozen=True, slots=True)
class _Vote:
    dependency: Dependency
    left: str
    group: _Group
    others: int


@dataclass(frozen=True, slots=True)
class _Group:
    counts: Counter[str]
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
