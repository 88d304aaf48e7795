"""Truth discovery: several sources report on the same entities and contradict one another.

The true values and the sources' accuracies are estimated in turn (Dawid and Skene 1979); marked cells anchor both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pg_llm.cleaning.host.detectors.dependencies import Dependency
from pg_llm.cleaning.host.table import Finding, Step, Table

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

# Marked entities of an attribute that show whom to believe there; which few of them do not.
_MANY_MARKS = 10
_CONFIDENCE_IF_MARKED = 0.95
# Lowest factor of confidence without marks, so that repairs are proposed for review.
_MIN_CONFIDENCE = 0.51

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SourcePanel:
    """Columns of a table in which each row is what a source reports of an entity, in each of the attributes."""

    entity: int
    source: int
    attributes: Sequence[int]


def find_panel(table: Table, dependencies: Sequence[Dependency]) -> SourcePanel | None:
    """The entity and the source that together identify a row, where the entity determines at least two attributes."""
    usable = [
        position
        for position, column in enumerate(table.columns)
        if column.filled == table.row_count >= _MIN_GROUP * column.distinct > _MIN_GROUP
    ]
    determined: defaultdict[int, set[int]] = defaultdict(set)
    for dependency in dependencies:
        if dependency.lift >= _MIN_LIFT and not table.columns[dependency.right].quantities:
            determined[dependency.left].add(dependency.right)
    best = None
    for entity in usable:
        # Years and numbers are no sources: what is reported by them changes, and is no contradiction.
        for source in (position for position in usable if not table.columns[position].quantities):
            attributes = determined[entity] - determined[source] - {source}
            if entity == source or len(attributes) < 2 or source in determined[entity] or entity in determined[source]:
                continue
            width = len(table.columns[source].values) + 1
            pairs = table.columns[entity].codes.astype(np.int64) * width + table.columns[source].codes
            distinct = len(np.unique(pairs))
            if distinct >= (1 - _REPEATED) * table.row_count and (
                best is None or len(attributes) > len(best.attributes)
            ):
                best = SourcePanel(entity, source, sorted(attributes))
    return best


def detect(table: Table, panel: SourcePanel) -> Iterator[Finding]:
    """Cells that contradict the probable truth; none if all sources are equally accurate."""
    estimate = _TruthEstimate(table, panel)
    if not estimate.sources_differ():
        return
    entities, source = table.columns[panel.entity], table.columns[panel.source]
    step = Step(f"as the most reliable values of {source.name} have it")
    for reports in estimate.reports:
        column = table.columns[reports.attribute]
        truth, probability = reports.most_probable()
        wrong = np.flatnonzero((truth[entities.codes] > 0) & (truth[entities.codes] != column.codes))
        order = np.argsort(entities.codes[wrong], kind="stable")
        codes, starts = np.unique(entities.codes[wrong][order], return_index=True)
        for entity, rows in zip(codes.tolist(), np.split(wrong[order], starts[1:]), strict=True):
            new, name = reports.texts[truth[entity] - 1], entities.values[entity - 1]
            reason = f"the most reliable values of {source.name} have {new!r} for {entities.name} = {name!r}"
            confidence = estimate.confidence(reports, entity, float(probability[entity]))
            yield Finding(reports.attribute, rows, new, confidence, DETECTOR, reason, (panel.entity, name), step)


def _sums(places: NDArray[np.int32], weights: Floats, size: int) -> Floats:
    return np.bincount(places, weights, size).astype(np.float64)


class _Reports:
    """What is reported on one attribute: one report for each filled row, and the distinct claims on each entity.

    A claim is a pair of entity and value; `claim` and `source` are parallel to the reports, `entity` and `value` to the
    claims, which are sorted by entity.
    """

    def __init__(self, table: Table, panel: SourcePanel, attribute: int) -> None:
        self.attribute = attribute
        column, entities = table.columns[attribute], table.columns[panel.entity]
        filled = column.codes > 0
        width = len(column.values) + 1
        keys = entities.codes[filled].astype(np.int64) * width + column.codes[filled]
        claims, self.claim = np.unique(keys, return_inverse=True)
        self.entity, self.value = np.divmod(claims, width)
        self.source = table.columns[panel.source].codes[filled]
        self.starts = np.flatnonzero(np.diff(self.entity, prepend=-1))
        self.lengths = np.diff(self.starts, append=len(claims))
        self.entities = len(entities.values) + 1
        self.probability: Floats = np.zeros(len(claims))
        self.texts = list(column.values)
        # Codes of the marked truths by entity; a mark may be of a value that nobody reports.
        self.marked: dict[int, int] = {}
        for (row, position), truth in table.marks.items():
            if position == attribute and truth:
                if truth not in column.code_of:
                    self.texts.append(truth)
                self.marked[int(entities.codes[row])] = column.code_of.get(truth, len(self.texts))
        self.is_marked = np.isin(self.entity, list(self.marked))
        truths = np.array([self.marked.get(entity, 0) for entity in self.entity.tolist()] if self.marked else [0])
        self._is_marked_truth = (truths == self.value).astype(np.float64)

    def estimate(self, accuracy: Floats) -> None:
        """Each claim's probability by the sources' accuracies; who is wrong reports any of the others alike."""
        if not len(self.claim):
            return
        others = 2 * np.repeat(self.lengths, self.lengths)
        trusted = accuracy[self.source]
        odds = np.log(others[self.claim] * trusted / (1 - trusted))
        scores = np.bincount(self.claim, odds, len(self.entity))
        most = np.repeat(np.maximum.reduceat(scores, self.starts), self.lengths)
        weights = np.exp(scores - most)
        self.probability = weights / np.repeat(np.add.reduceat(weights, self.starts), self.lengths)
        self.probability = np.where(self.is_marked, self._is_marked_truth, self.probability)

    def most_probable(self) -> tuple[NDArray[np.int64], Floats]:
        """The code of the most probable value by entity, 0 where nothing is known, and how probable it is."""
        truth, probability = np.zeros(self.entities, dtype=np.int64), np.zeros(self.entities)
        if len(self.claim):
            order = np.lexsort((self.probability, self.entity))
            last = order[self.starts + self.lengths - 1]
            truth[self.entity[last]], probability[self.entity[last]] = self.value[last], self.probability[last]
        for entity, code in self.marked.items():
            truth[entity], probability[entity] = code, 1.0
        return truth, probability


class _TruthEstimate:
    """Expectation maximisation over the values' truth and the sources' accuracy, per attribute."""

    def __init__(self, table: Table, panel: SourcePanel) -> None:
        self.reports = [_Reports(table, panel, attribute) for attribute in panel.attributes]
        self._sources = len(table.columns[panel.source].values) + 1
        self._any_marked = any(reports.marked for reports in self.reports)
        self._accuracy: list[Floats] = [np.full(self._sources, _INITIAL_ACCURACY) for _ in self.reports]
        self._right: list[Floats] = []
        self._reported: list[Floats] = []
        for round_ in range(_ROUNDS):
            # The first round learns from marked cells alone, if there are any.
            self._update(0.0 if self._any_marked and not round_ else _UNKNOWN_WEIGHT if self._any_marked else 1.0)

    def sources_differ(self) -> bool:
        """Whether the sources' accuracies differ by more than chance, each report counted in full."""
        chi_square = degrees = 0.0
        for reports in self.reports:
            right = _sums(reports.source, reports.probability[reports.claim], self._sources)
            reported = np.bincount(reports.source, minlength=self._sources).astype(np.float64)
            mean = self._mean_accuracy(right, reported)
            known = reported > 0
            expected = reported[known] * mean
            chi_square += float(((right[known] - expected) ** 2 / (expected * (1 - mean))).sum())
            degrees += int(known.sum())
        return degrees > 0 and chi_square >= _MIN_VARIANCE_RATIO * degrees

    def confidence(self, reports: _Reports, entity: int, probability: float) -> float:
        """The truth's probability; without enough marks, discounted by the sources' mean accuracy."""
        if entity in reports.marked:
            return _CONFIDENCE_IF_MARKED
        place = self.reports.index(reports)
        accuracy = self._mean_accuracy(self._right[place], self._reported[place])
        unmarked = max(accuracy, _MIN_CONFIDENCE)
        known = min(1.0, len(reports.marked) / _MANY_MARKS)
        return probability * (unmarked + known * (_CONFIDENCE_IF_MARKED - unmarked))

    @staticmethod
    def _mean_accuracy(right: Floats, reported: Floats) -> float:
        return float(right.sum() + _PRIOR_RIGHT) / float(reported.sum() + _PRIOR_RIGHT + _PRIOR_WRONG)

    def _update(self, unknown_weight: float) -> None:
        """One round: the truth from the accuracies, then the accuracies from the truth."""
        self._right, self._reported = [], []
        for reports, accuracy in zip(self.reports, self._accuracy, strict=True):
            reports.estimate(accuracy)
            weight = np.where(reports.is_marked, 1.0, unknown_weight)[reports.claim]
            probability = reports.probability[reports.claim]
            self._right.append(_sums(reports.source, weight * probability, self._sources))
            self._reported.append(_sums(reports.source, weight, self._sources))
        all_right = np.sum(self._right, axis=0) + _PRIOR_RIGHT
        overall = all_right / (np.sum(self._reported, axis=0) + _PRIOR_RIGHT + _PRIOR_WRONG)
        self._accuracy = [
            np.clip((right + _SHARED * overall) / (reported + _SHARED), _MIN_ACCURACY, _MAX_ACCURACY)
            for right, reported in zip(self._right, self._reported, strict=True)
        ]
