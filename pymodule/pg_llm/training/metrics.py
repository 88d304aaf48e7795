"""Precision, recall and F1 of labels and spans, counted row by row in constant memory.

An item is a tuple whose first member is its label: (label,) for a text, (label, start, end) for an entity, which counts
as a true positive only if all of it agrees, as in the CoNLL shared tasks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import accumulate
from typing import Any

Item = tuple[Hashable, ...]


class ClassificationMetrics:
    """True positives, true items and predicted items of each label."""

    def __init__(self) -> None:
        self._true_positives: Counter[Hashable] = Counter()
        self._true: Counter[Hashable] = Counter()
        self._predicted: Counter[Hashable] = Counter()
        self._rows = 0
        self._several = self._spans = False

    def add(self, truth: Iterable[Item], prediction: Iterable[Item]) -> None:
        """Count one row."""
        true, predicted = set(truth), set(prediction)
        self._rows += 1
        self._several |= len(true) != 1
        self._spans |= any(len(item) > 1 for item in true)
        self._true.update(item[0] for item in true)
        self._predicted.update(item[0] for item in predicted)
        self._true_positives.update(item[0] for item in true & predicted)

    def counts(self, labels: Sequence[Hashable]) -> list[int]:
        """Right, missed and wrong answers of each label, one after the other, and last the number of rows."""
        by_label = [(self._true_positives[label], self._true[label], self._predicted[label]) for label in labels]
        flat = [number for right, true, predicted in by_label for number in (right, true - right, predicted - right)]
        return [*flat, self._rows]

    @classmethod
    def of_counts(cls, labels: Sequence[Hashable], counts: Sequence[int], several: bool) -> ClassificationMetrics:
        """The metrics of such counts, also where noise has made some of them negative."""
        metrics = cls()
        *flat, rows = (max(0, count) for count in counts)
        for label, right, missed, wrong in zip(labels, flat[::3], flat[1::3], flat[2::3], strict=True):
            metrics._true_positives[label] = right
            metrics._true[label], metrics._predicted[label] = right + missed, right + wrong
        metrics._several = several
        metrics._rows = max(rows, *metrics._true.values()) if several else metrics._true.total()
        return metrics

    def rows(self) -> list[dict[str, Any]]:
        """For each label, then as micro, macro and weighted average: precision, recall, f1 (0 to 1) and support."""
        labels = sorted(self._true.keys() | self._predicted.keys(), key=str)
        rows = [_row(label, self._true_positives[label], self._predicted[label], self._true[label]) for label in labels]
        support = self._true.total()
        micro = _row("micro avg", self._true_positives.total(), self._predicted.total(), support)
        return [
            *rows,
            micro,
            _average("macro avg", rows, None, support),
            _average("weighted avg", rows, support, support),
        ]

    def summary(self) -> dict[str, float]:
        """The F1 of the averages, and the baseline that a model which learnt anything exceeds."""
        micro, macro, weighted = self.rows()[-3:]
        averages = {"micro_f1": micro["f1"], "macro_f1": macro["f1"], "weighted_f1": weighted["f1"]}
        return {**averages, "baseline_f1": self._constant_f1()}

    def _constant_f1(self) -> float:
        """The micro F1 of the best answer that is the same for every row; of spans there is none."""
        if self._spans or not self._true.total():
            return 0.0
        # The most frequent label or, where a row may have several, as many of the most frequent as are best.
        counts = sorted(self._true.values(), reverse=True)[: None if self._several else 1]
        totals = enumerate(accumulate(counts), 1)
        return max((2 * found / (number * self._rows + self._true.total()) for number, found in totals), default=0.0)


def _row(label: Hashable, true_positives: int, predicted: int, true: int) -> dict[str, Any]:
    # As scikit-learn has it: what cannot be computed counts as 0.
    precision = true_positives / predicted if predicted else 0.0
    recall = true_positives / true if true else 0.0
    f1 = 2 * true_positives / (predicted + true) if predicted + true else 0.0
    return {"label": label, "precision": precision, "recall": recall, "f1": f1, "support": true}


def _average(name: str, rows: list[dict[str, Any]], weight: int | None, support: int) -> dict[str, Any]:
    """The mean over the labels, weighted by their support where `weight` is its sum."""
    averages: dict[str, Any] = {"label": name, "support": support}
    for measure in ("precision", "recall", "f1"):
        if weight is None:
            averages[measure] = sum(row[measure] for row in rows) / len(rows) if rows else 0.0
        else:
            averages[measure] = sum(row[measure] * row["support"] for row in rows) / weight if weight else 0.0
    return averages
