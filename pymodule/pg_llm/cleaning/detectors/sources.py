"""Several sources report on the same things and contradict one another: whom to believe, and what is then true.

Truth and the sources' accuracies are estimated in turn (Dawid and Skene 1979); known cells anchor both.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pg_llm.cleaning.detectors.dependencies import Dependency
from pg_llm.cleaning.table import Opinion, Table

DETECTOR = "source"
_LEAST_LIFT = 0.3
# Rows that a thing and a source have on average.
_LEAST_GROUP = 5
# Share of rows that may repeat a thing and a source.
_REPEATED = 0.02
_ROUNDS = 10
_FIRST_GUESS = 0.7
# Right and wrong reports that every source is given before it says anything.
_RIGHT, _WRONG = 2.0, 1.0
# How many reports a source's accuracy in all columns counts as, in one column.
_SHARED = 1.0
# What an unknown row counts beside a known one.
_UNKNOWN = 0.1
_LOWEST, _HIGHEST = 0.02, 0.98
# Accuracies must differ so many times more than chance makes them.
_LEAST_VARIANCE = 3.0

_SURE_IF_KNOWN = 0.95
# Proposed at least, for people to look at.
_LEAST_SURE = 0.51

Truth = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows are what a source says of a thing, in each of the columns `facts`."""

    thing: int
    source: int
    facts: Sequence[int]


def panel(table: Table, dependencies: Sequence[Dependency]) -> Panel | None:
    """The thing and the source that together identify a row, where the thing decides at least two other columns."""
    usable = [
        number
        for number, counts in enumerate(table.counts)
        if counts and table.filled(number) == table.rows and table.rows >= _LEAST_GROUP * len(counts) > _LEAST_GROUP
    ]
    decided: defaultdict[int, set[int]] = defaultdict(set)
    for dependency in dependencies:
        if dependency.lift >= _LEAST_LIFT and not table.quantities[dependency.right]:
            decided[dependency.left].add(dependency.right)
    best = None
    # What is reported by years or by numbers changes, and is no contradiction.
    for thing in usable:
        for source in (number for number in usable if not table.quantities[number]):
            facts = decided[thing] - decided[source] - {source}
            if thing == source or len(facts) < 2 or source in decided[thing] or thing in decided[source]:
                continue
            pairs = len(set(table.watched(zip(table.columns[thing], table.columns[source], strict=True))))
            if pairs >= (1 - _REPEATED) * table.rows and (best is None or len(facts) > len(best.facts)):
                best = Panel(thing, source, sorted(facts))
    return best


def opinions(table: Table, found: Panel) -> Iterator[Opinion]:
    """For each cell that contradicts the probable truth; nothing if all sources are alike."""
    estimate = _Estimate(table, found)
    if not estimate.differs():
        return
    things, names = table.columns[found.thing], table.names
    for fact in found.facts:
        for row, value in enumerate(table.watched(table.columns[fact])):
            truth = estimate.truth[fact].get(things[row] or "")
            if not truth:
                continue
            new = max(truth, key=lambda name: (truth[name], name))
            if new != (value or ""):
                reason = (
                    f"the most reliable values of {names[found.source]} have {new!r} "
                    f"for {names[found.thing]} = {things[row]!r}"
                )
                sure = estimate.confidence(fact, truth[new])
                yield Opinion((row, fact), new, sure, DETECTOR, reason, (found.thing, str(things[row])))


class _Estimate:
    def __init__(self, table: Table, found: Panel) -> None:
        self._sources = table.columns[found.source]
        self._facts = found.facts
        self._watched = table.watched
        self._reports: dict[int, dict[str, list[tuple[int, str]]]] = {}
        self._known: dict[tuple[int, str], str] = {}
        for fact in found.facts:
            reports: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
            for row, value in enumerate(table.watched(table.columns[fact])):
                thing = table.columns[found.thing][row] or ""
                if value:
                    reports[thing].append((row, value))
                known = table.marks.get((row, fact))
                if known:
                    self._known[fact, thing] = known
            self._reports[fact] = reports
        self.truth: dict[int, Truth] = {}
        self._accuracy: dict[tuple[int, str], float] = {}
        self._right: dict[int, Counter[str]] = {}
        self._said: dict[int, Counter[str]] = {}
        for number in range(_ROUNDS):
            # Begin with what is known, if anything is.
            self._believe(0.0 if self._known and not number else _UNKNOWN if self._known else 1.0)

    def differs(self) -> bool:
        """Whether the sources' accuracies differ by more than chance."""
        spread = degrees = 0.0
        for fact in self._facts:
            right, said = self._right[fact], self._said[fact]
            mean = (right.total() + _RIGHT) / (said.total() + _RIGHT + _WRONG)
            for source, count in self._watched(said.items()):
                if count:
                    spread += (right[source] - count * mean) ** 2 / (count * mean * (1 - mean))
                    degrees += 1
        return degrees > 0 and spread >= _LEAST_VARIANCE * degrees

    def confidence(self, fact: int, probability: float) -> float:
        """The truth's probability; while nothing is known, it is no surer than the sources agree on average."""
        right, said = self._right[fact], self._said[fact]
        agreement = (right.total() + _RIGHT) / (said.total() + _RIGHT + _WRONG)
        return probability * (_SURE_IF_KNOWN if self._known else max(agreement, _LEAST_SURE))

    def _believe(self, unknown: float) -> None:
        for fact in self._facts:
            right: Counter[str] = Counter()
            said: Counter[str] = Counter()
            truth = self.truth[fact] = {}
            for thing, reports in self._watched(self._reports[fact].items()):
                known = self._known.get((fact, thing))
                truth[thing] = {known: 1.0} if known else self._probable(fact, reports)
                weight = 1.0 if known else unknown
                for row, value in self._watched(reports):
                    source = self._sources[row] or ""
                    right[source] += weight * truth[thing].get(value, 0.0)  # type: ignore[assignment]
                    said[source] += weight  # type: ignore[assignment]
            self._right[fact], self._said[fact] = right, said
        for source in {source or "" for source in self._watched(self._sources)}:
            all_right = sum(self._right[fact][source] for fact in self._facts) + _RIGHT
            overall = all_right / (sum(self._said[fact][source] for fact in self._facts) + _RIGHT + _WRONG)
            for fact in self._facts:
                accuracy = (self._right[fact][source] + _SHARED * overall) / (self._said[fact][source] + _SHARED)
                self._accuracy[fact, source] = min(_HIGHEST, max(_LOWEST, accuracy))

    def _probable(self, fact: int, reports: Sequence[tuple[int, str]]) -> dict[str, float]:
        """Each reported value's probability; a source that is wrong says any of the others."""
        others = 2 * len({value for _, value in reports})
        scores: defaultdict[str, float] = defaultdict(float)
        for row, value in reports:
            accuracy = self._accuracy.get((fact, self._sources[row] or ""), _FIRST_GUESS)
            scores[value] += math.log(others * accuracy / (1 - accuracy))
        most = max(scores.values())
        weights = {value: math.exp(score - most) for value, score in scores.items()}
        return {value: weight / sum(weights.values()) for value, weight in weights.items()}
