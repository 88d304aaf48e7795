"""Truth discovery: several sources report on the same entities and contradict one another.

The true values and the sources' accuracies are estimated in turn (Dawid and Skene 1979); marked cells anchor both.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pg_llm.cleaning.column_store import ColumnStore, Finding
from pg_llm.cleaning.detectors.dependencies import Dependency

DETECTOR = "source"
_MIN_LIFT = 0.3
# Rows that an entity, and a source, must have on average.
_MIN_GROUP = 5
# Share of rows that may repeat a pair of entity and source.
_REPEATED = 0.02
_ROUNDS = 10
_INITIAL_ACCURACY = 0.7
# Right and wrong reports that every source starts with.
_PRIOR_RIGHT, _PRIOR_WRONG = 2.0, 1.0
# How many reports a source's accuracy over all columns counts as, in one column.
_SHARED = 1.0
# Weight of an entity of unknown truth beside a marked one.
_UNKNOWN_WEIGHT = 0.1
_MIN_ACCURACY, _MAX_ACCURACY = 0.02, 0.98
# Accuracies must vary so many times more than chance makes them.
_MIN_VARIANCE_RATIO = 3.0

_CONFIDENCE_IF_MARKED = 0.95
# Lowest factor of confidence without marks, so that repairs are proposed for review.
_MIN_CONFIDENCE = 0.51

# Entity to value to probability.
Truth = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class SourcePanel:
    """Columns of a table in which each row is what a source reports of an entity, in each of the attributes."""

    entity: int
    source: int
    attributes: Sequence[int]


def find_panel(table: ColumnStore, dependencies: Sequence[Dependency]) -> SourcePanel | None:
    """The entity and the source that together identify a row, where the entity determines at least two attributes."""
    usable = [
        column
        for column, counts in enumerate(table.counts)
        if counts
        and table.filled_count(column) == table.row_count
        and table.row_count >= _MIN_GROUP * len(counts) > _MIN_GROUP
    ]
    determined: defaultdict[int, set[int]] = defaultdict(set)
    for dependency in dependencies:
        if dependency.lift >= _MIN_LIFT and not table.quantities[dependency.right]:
            determined[dependency.left].add(dependency.right)
    best = None
    for entity in usable:
        # Years and numbers are no sources: what is reported by them changes, and is no contradiction.
        for source in (column for column in usable if not table.quantities[column]):
            attributes = determined[entity] - determined[source] - {source}
            if entity == source or len(attributes) < 2 or source in determined[entity] or entity in determined[source]:
                continue
            pairs = len(set(table.interruptible(zip(table.columns[entity], table.columns[source], strict=True))))
            if pairs >= (1 - _REPEATED) * table.row_count and (best is None or len(attributes) > len(best.attributes)):
                best = SourcePanel(entity, source, sorted(attributes))
    return best


def detect(table: ColumnStore, panel: SourcePanel) -> Iterator[Finding]:
    """Cells that contradict the probable truth; none if all sources are equally accurate."""
    estimate = _TruthEstimate(table, panel)
    if not estimate.sources_differ():
        return
    entities, names = table.columns[panel.entity], table.names
    for attribute in panel.attributes:
        for row, value in enumerate(table.interruptible(table.columns[attribute])):
            truth = estimate.truth[attribute].get(entities[row] or "")
            if not truth:
                continue
            new = max(truth, key=lambda candidate: (truth[candidate], candidate))
            if new != (value or ""):
                reason = (
                    f"the most reliable values of {names[panel.source]} have {new!r} "
                    f"for {names[panel.entity]} = {entities[row]!r}"
                )
                confidence = estimate.confidence(attribute, truth[new])
                determinant = (panel.entity, str(entities[row]))
                yield Finding((row, attribute), new, confidence, DETECTOR, reason, determinant)


class _TruthEstimate:
    """Expectation maximisation over the values' truth and the sources' accuracy, per attribute."""

    def __init__(self, table: ColumnStore, panel: SourcePanel) -> None:
        self._sources = table.columns[panel.source]
        self._attributes = panel.attributes
        self._interruptible = table.interruptible
        # By attribute and entity: rows and what they report.
        self._reports: dict[int, dict[str, list[tuple[int, str]]]] = {}
        self._marked: dict[tuple[int, str], str] = {}
        for attribute in panel.attributes:
            reports: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
            for row, value in enumerate(table.interruptible(table.columns[attribute])):
                entity = table.columns[panel.entity][row] or ""
                if value:
                    reports[entity].append((row, value))
                marked = table.marks.get((row, attribute))
                if marked:
                    self._marked[attribute, entity] = marked
            self._reports[attribute] = reports
        self.truth: dict[int, Truth] = {}
        self._accuracy: dict[tuple[int, str], float] = {}
        self._right: dict[int, Counter[str]] = {}
        self._reported: dict[int, Counter[str]] = {}
        for round_ in range(_ROUNDS):
            # The first round learns from marked cells alone, if there are any.
            self._update(0.0 if self._marked and not round_ else _UNKNOWN_WEIGHT if self._marked else 1.0)

    def sources_differ(self) -> bool:
        """Whether the sources' accuracies differ by more than chance."""
        chi_square = degrees = 0.0
        for attribute in self._attributes:
            right, reported = self._right[attribute], self._reported[attribute]
            mean = self._mean_accuracy(attribute)
            for source, count in self._interruptible(reported.items()):
                if count:
                    chi_square += (right[source] - count * mean) ** 2 / (count * mean * (1 - mean))
                    degrees += 1
        return degrees > 0 and chi_square >= _MIN_VARIANCE_RATIO * degrees

    def confidence(self, attribute: int, probability: float) -> float:
        """The truth's probability; without marks, discounted by the sources' mean accuracy."""
        accuracy = self._mean_accuracy(attribute)
        return probability * (_CONFIDENCE_IF_MARKED if self._marked else max(accuracy, _MIN_CONFIDENCE))

    def _mean_accuracy(self, attribute: int) -> float:
        right, reported = self._right[attribute], self._reported[attribute]
        return (right.total() + _PRIOR_RIGHT) / (reported.total() + _PRIOR_RIGHT + _PRIOR_WRONG)

    def _update(self, unknown_weight: float) -> None:
        """One round: the truth from the accuracies, then the accuracies from the truth."""
        for attribute in self._attributes:
            right: Counter[str] = Counter()
            reported: Counter[str] = Counter()
            truth = self.truth[attribute] = {}
            for entity, reports in self._interruptible(self._reports[attribute].items()):
                marked = self._marked.get((attribute, entity))
                truth[entity] = {marked: 1.0} if marked else self._probabilities(attribute, reports)
                weight = 1.0 if marked else unknown_weight
                for row, value in self._interruptible(reports):
                    source = self._sources[row] or ""
                    right[source] += weight * truth[entity].get(value, 0.0)  # type: ignore[assignment]
                    reported[source] += weight  # type: ignore[assignment]
            self._right[attribute], self._reported[attribute] = right, reported
        for source in {source or "" for source in self._interruptible(self._sources)}:
            all_right = sum(self._right[attribute][source] for attribute in self._attributes) + _PRIOR_RIGHT
            all_reported = sum(self._reported[attribute][source] for attribute in self._attributes)
            overall = all_right / (all_reported + _PRIOR_RIGHT + _PRIOR_WRONG)
            for attribute in self._attributes:
                right_here, reported_here = self._right[attribute][source], self._reported[attribute][source]
                accuracy = (right_here + _SHARED * overall) / (reported_here + _SHARED)
                self._accuracy[attribute, source] = min(_MAX_ACCURACY, max(_MIN_ACCURACY, accuracy))

    def _probabilities(self, attribute: int, reports: Sequence[tuple[int, str]]) -> dict[str, float]:
        """Each reported value's probability; a source that is wrong reports any of the others alike."""
        others = 2 * len({value for _, value in reports})
        scores: defaultdict[str, float] = defaultdict(float)
        for row, value in reports:
            accuracy = self._accuracy.get((attribute, self._sources[row] or ""), _INITIAL_ACCURACY)
            scores[value] += math.log(others * accuracy / (1 - accuracy))
        most = max(scores.values())
        weights = {value: math.exp(score - most) for value, score in scores.items()}
        total = sum(weights.values())
        return {value: weight / total for value, weight in weights.items()}
