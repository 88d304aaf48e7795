"""Precision, recall and F1 of labels and spans, counted row by row in constant memory.

An item is a tuple whose first member is its label: (label,) for a text, (label, start, end) for an entity, which counts
as found only if all of it agrees, as in the CoNLL shared tasks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any

Item = tuple[Hashable, ...]


class Measures:
    """Counts of right, missed and invented items for each label."""

    def __init__(self) -> None:
        self._right: Counter[Hashable] = Counter()
        self._given: Counter[Hashable] = Counter()
        self._found: Counter[Hashable] = Counter()

    def add(self, given: Iterable[Item], found: Iterable[Item]) -> None:
        """One row: what is true, and what the model says."""
        true, said = set(given), set(found)
        self._given.update(item[0] for item in true)
        self._found.update(item[0] for item in said)
        self._right.update(item[0] for item in true & said)

    def rows(self) -> list[dict[str, Any]]:
        """For each label, then as micro, macro and weighted average: precision, recall, f1 (0 to 1) and support."""
        labels = sorted(self._given.keys() | self._found.keys(), key=str)
        rows = [_row(label, self._right[label], self._found[label], self._given[label]) for label in labels]
        support = self._given.total()
        micro = _row("micro avg", self._right.total(), self._found.total(), support)
        return [
            *rows,
            micro,
            _average("macro avg", rows, None, support),
            _average("weighted avg", rows, support, support),
        ]

    def summary(self) -> dict[str, float]:
        """The F1 of the averages."""
        micro, macro, weighted = self.rows()[-3:]
        return {"micro_f1": micro["f1"], "macro_f1": macro["f1"], "weighted_f1": weighted["f1"]}


def _row(label: Hashable, right: int, found: int, given: int) -> dict[str, Any]:
    # As scikit-learn has it: what cannot be computed counts as 0.
    precision, recall = right / found if found else 0.0, right / given if given else 0.0
    f1 = 2 * right / (found + given) if found + given else 0.0
    return {"label": label, "precision": precision, "recall": recall, "f1": f1, "support": given}


def _average(name: str, rows: list[dict[str, Any]], weight: int | None, support: int) -> dict[str, Any]:
    """The mean over the labels, by their support where `weight` is its sum."""
    found: dict[str, Any] = {"label": name, "support": support}
    for measure in ("precision", "recall", "f1"):
        if weight is None:
            found[measure] = sum(row[measure] for row in rows) / len(rows) if rows else 0.0
        else:
            found[measure] = sum(row[measure] * row["support"] for row in rows) / weight if weight else 0.0
    return found
