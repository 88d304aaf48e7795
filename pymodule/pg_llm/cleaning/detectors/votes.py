"""What the rows of the same group say of a cell, over all columns that determine its column (naive Bayes)."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pg_llm.cleaning.detectors.conditional_rules import without_exceptions
from pg_llm.cleaning.detectors.dependencies import Dependency
from pg_llm.cleaning.detectors.distance import alike, edits, misspells
from pg_llm.cleaning.table import Opinion, Table, Value, is_quantity

DETECTOR = "dependency"
# Evidence of determining columns overlaps: together they count as this many independent ones.
_INDEPENDENT = 2.0
_MOST_LEFT = 8
_MOST_LIKELY = 3
# Chance that a wrong value is a misspelling of the right one.
_MISSPELT = 0.7
# Of the rows that differ from their group, this share are exceptions and the others wrong.
_EXCEPTIONS = 0.2
_MOST_SURE = 0.9995
# What a column must tell of another, beyond what that mostly is, before its rows have a vote.
_LEAST_INFORMED = 0.75
# Chance that what looks like a misspelling is one.
_LOOKS_MISSPELT = 0.9
# Chance that a value that is sound elsewhere is wrong where a law says so: of six in 1,500 sound tables three were.
_SOUND_ELSEWHERE = 0.6
_ONLY_HERE = 0.9
# Rows that agree, unless the other value looks like a misspelling or the dependency is known to hold.
_LEAST_ROWS = 3
# Numbers longer than this twice over are not compared.
_LONGEST = 20
# Chance of one particular misspelling of a value.
_ONE_MISSPELLING = 0.05


def opinions(table: Table, dependencies: Sequence[Dependency]) -> Iterator[Opinion]:
    """One opinion for each cell where another value is more probable than the one it has."""
    by_right: defaultdict[int, list[Dependency]] = defaultdict(list)
    for dependency in dependencies:
        if dependency.informedness >= _LEAST_INFORMED:
            by_right[dependency.right].append(dependency)
    for right, found in by_right.items():
        # Weak ones only where there is nothing better: a looser column says less of the same.
        best = found[0]
        chosen = [each for each in found if best.accuracy - each.accuracy <= 0.03][:_MOST_LEFT]
        said = _Column(table, right, chosen).opinions()
        yield from without_exceptions(table, right, said)


class _Column:
    """The votes on the cells of one column."""

    def __init__(self, table: Table, right: int, dependencies: Sequence[Dependency]) -> None:
        self._table = table
        self._right = right
        self._dependencies = dependencies
        self._counts = table.counts[right]
        self._total = table.filled(right)
        self._groups: dict[tuple[int, str], _Group | None] = {}
        self._error = min(0.5, max(0.005, 1 - dependencies[0].accuracy))

    def opinions(self) -> list[Opinion]:
        """One for each cell that should hold something else."""
        decided: dict[tuple[Value, ...], _Decision | None] = {}
        said = []
        for row, value in enumerate(self._table.watched(self._table.columns[self._right])):
            lefts = tuple(self._table.columns[each.left][row] for each in self._dependencies)
            # Equal rows have equal answers.
            key = (value, *lefts)
            if key not in decided:
                decided[key] = self._decide(value or "", lefts)
            if (found := decided[key]) is not None:
                said.append(
                    Opinion((row, self._right), found.new, found.confidence, DETECTOR, found.reason, found.given)
                )
        return said

    def _decide(self, value: str, lefts: Sequence[Value]) -> _Decision | None:
        votes = []
        for dependency, left in zip(self._dependencies, lefts, strict=True):
            group = self._group(dependency, left) if left else None
            others = group.size - bool(value) if group else 0
            if group and others:
                votes.append(_Vote(dependency, str(left), group, others))
        if not votes:
            return None
        scores = {name: self._score(name, value, votes) for name in _candidates(votes, value)}
        new = max(scores, key=lambda name: (scores[name], name))
        most = max(votes, key=lambda vote: vote.group.counts[new])
        # Of two rows that differ none is right by vote.
        few = alike(value, new) or most.dependency.given
        if new == value or most.group.counts[new] < (2 if few else _LEAST_ROWS):
            return None
        probability = 1 / sum(math.exp(score - scores[new]) for score in scores.values())
        confidence = self._confidence(probability, value, new, most.dependency)
        if not confidence:
            return None
        left = f"{self._table.names[most.dependency.left]} = {most.left!r}"
        return _Decision(
            new,
            confidence,
            f"{most.group.counts[new]} of {most.group.size} rows with {left} have {new!r}",
            (most.dependency.left, most.left),
        )

    def _group(self, dependency: Dependency, left: str) -> _Group | None:
        # Large ones are asked for again and again.
        key = (dependency.left, left)
        if key not in self._groups:
            counts = dependency.groups.get(left)
            likely = [name for name, _ in counts.most_common(_MOST_LIKELY)] if counts else []
            self._groups[key] = _Group(counts, counts.total(), likely) if counts else None
        return self._groups[key]

    def _confidence(self, probability: float, value: str, new: str, dependency: Dependency) -> float:
        """What the vote is worth, by what else speaks against the value than that others have another."""
        if dependency.given:
            return min(probability, _MOST_SURE)
        # What is no number among numbers is wrong, however often.
        strange = self._table.quantities[self._right] and is_quantity(new) and not is_quantity(value)
        half = min(len(new) // 2, _LONGEST)
        if misspells(value, new, self._counts) or (value and strange and edits(value, new, half) <= half):
            return probability * (1 - (1 - dependency.reliability) * (1 - _LOOKS_MISSPELT))
        # One number for another is no misspelling, and numbers that recur are often no more than usual.
        if self._table.quantities[self._right] or (is_quantity(value) and is_quantity(new)):
            return 0.0
        if value:
            sound = self._counts[value] > 1
            return min(probability * dependency.reliability, _SOUND_ELSEWHERE if sound else _ONLY_HERE)
        # What is often missing is missing for a reason.
        return probability * dependency.reliability * self._total / self._table.rows

    def _score(self, name: str, value: str, votes: Sequence[_Vote]) -> float:
        own = name == value
        elsewhere = max(self._counts[name] - own, 0.1) / self._total
        score = 0.0
        for vote in votes:
            share = (vote.group.counts[name] - own) / (vote.others + 0.5)
            sure = min(1 - _EXCEPTIONS * (1 - vote.dependency.accuracy), _MOST_SURE)
            score += math.log(sure * share + (1 - sure) * elsewhere + 1e-9)
        score *= min(1.0, _INDEPENDENT / len(votes))
        if own:
            return score + math.log(1 - self._error)
        if not value:
            return score
        swapped = (1 - _MISSPELT) * max(self._counts[value] - 1, 0.5) / self._total
        misspelt = _MISSPELT * _ONE_MISSPELLING if alike(value, name) else 0.0
        return score + math.log(self._error * (misspelt + swapped))


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
    likely: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Decision:
    new: str
    confidence: float
    reason: str
    given: tuple[int, str]


def _candidates(votes: Sequence[_Vote], value: str) -> set[str]:
    return {name for vote in votes for name in vote.group.likely} | ({value} - {""})
