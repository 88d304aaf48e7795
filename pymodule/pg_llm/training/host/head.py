"""Logistic regression on frozen embeddings (linear probing): trained in seconds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pg_llm.models.engine import Engine
from pg_llm.runtime.training.dataset import Example
from pg_llm.runtime.training.report import Report
from pg_llm.training.host import logistic
from pg_llm.training.metrics import ClassificationMetrics


class Head:
    """One linear layer: weights of shape (labels, dimensions) and a bias for each label.

    `strength` is the inverse strength of the regularisation that it was fitted with.
    """

    def __init__(self, labels: Sequence[str], multi_label: bool, weights: Any, bias: Any, strength: float) -> None:
        self.labels = list(labels)
        self.multi_label = multi_label
        self.strength = strength
        self._weights = weights
        self._bias = bias

    def logits(self, vectors: Any) -> Any:
        """Shape (texts, labels)."""
        return vectors @ self._weights.T + self._bias

    def predict(self, vectors: Any) -> list[set[tuple[str]]]:
        """The labels of each text as items that metrics count."""
        logits = self.logits(vectors)
        if self.multi_label:
            return [{(self.labels[column],) for column in np.flatnonzero(row > 0)} for row in logits]
        return [{(self.labels[column],)} for column in logits.argmax(axis=1)]

    def evaluate(
        self, vectors: Any, examples: Sequence[Example], negative_label: str | None = None
    ) -> ClassificationMetrics:
        """The metrics on examples; the negative label, which stands for no label, is not counted."""
        metrics = ClassificationMetrics()
        for example, prediction in zip(examples, self.predict(vectors), strict=True):
            truth = example.truth if self.multi_label else [example.truth]
            metrics.add([(label,) for label in truth if label != negative_label], prediction - {(str(negative_label),)})
        return metrics

    def save(self, folder: Path) -> None:
        """Weights as safetensors, the rest as JSON."""
        from safetensors.numpy import save_file

        # safetensors writes memory as it lies.
        tensors = {
            name: np.ascontiguousarray(values, dtype=np.float32)
            for name, values in (("weights", self._weights), ("bias", self._bias))
        }
        save_file(tensors, folder / "head.safetensors")
        description = {"labels": self.labels, "multi_label": self.multi_label}
        (folder / "head.json").write_text(json.dumps(description, ensure_ascii=False, indent=1, sort_keys=True))


def embed(model: Engine, texts: Sequence[str], report: Report) -> Any:
    """Unit vectors of shape (texts, dimensions); windows of a long text are averaged."""
    means = outputs(model, texts, report)
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)


def outputs(model: Engine, texts: Sequence[str], report: Report) -> Any:
    """What a model puts out for each text, shape (texts, …); windows of a long one are averaged."""
    from pg_llm.tasks import batching

    windows_by_text = model.encode(texts)
    windows = [window for of_text in windows_by_text for window in of_text]
    done = 0

    def run(batch: Sequence[Any]) -> Any:
        nonlocal done
        done += len(batch)
        report("embedding", done, len(windows))
        return model.forward(batch)

    found = np.asarray(batching.forward(run, windows, model.batch_tokens, lambda: None))
    starts = np.cumsum([0, *(len(of_text) for of_text in windows_by_text[:-1])])
    return np.add.reduceat(found, starts, axis=0) / [[len(of_text)] for of_text in windows_by_text]


def fit(vectors: Any, examples: Sequence[Example], multi_label: bool, seed: int, strength: float | None = None) -> Head:
    """The head fitted to the examples, with that inverse strength of the regularisation or the best one."""
    truths = [example.truth if multi_label else [example.truth] for example in examples]
    labels = sorted({label for truth in truths for label in truth})
    column = {label: number for number, label in enumerate(labels)}
    targets = np.zeros((len(examples), len(labels)))
    for row, truth in enumerate(truths):
        targets[row, [column[label] for label in truth]] = 1
    if strength is None:
        groups = targets.argmax(axis=1) * (not multi_label)
        strength = logistic.best_strength(vectors, targets, multi_label, groups, seed)
    table = logistic.fit(vectors, targets, multi_label, strength)
    return Head(labels, multi_label, table[:-1].T, table[-1], strength)
