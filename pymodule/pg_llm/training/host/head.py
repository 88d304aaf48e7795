"""Logistic regression on frozen embeddings (linear probing): trained in seconds."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from pg_llm.models.engine import Engine
from pg_llm.runtime.training.dataset import Example
from pg_llm.runtime.training.report import Report
from pg_llm.training.metrics import ClassificationMetrics

# Inverse strengths of the regularisation, chosen by cross-validated log loss, which calibrates probabilities.
_STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


class Head:
    """One linear layer: weights of shape (labels, dimensions) and a bias for each label."""

    def __init__(self, labels: Sequence[str], multi_label: bool, weights: Any, bias: Any) -> None:
        self.labels = list(labels)
        self.multi_label = multi_label
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

        # safetensors writes memory as it lies, and scikit-learn may lay the weights out by columns.
        tensors = {
            name: np.ascontiguousarray(values, dtype=np.float32)
            for name, values in (("weights", self._weights), ("bias", self._bias))
        }
        save_file(tensors, folder / "head.safetensors")
        description = {"labels": self.labels, "multi_label": self.multi_label}
        (folder / "head.json").write_text(json.dumps(description, ensure_ascii=False, indent=1, sort_keys=True))


def embed(model: Engine, texts: Sequence[str], report: Report) -> Any:
    """Unit vectors of shape (texts, dimensions); windows of a long text are averaged."""
    from pg_llm.tasks import batching

    windows_by_text = model.encode(texts)
    windows = [window for of_text in windows_by_text for window in of_text]
    done = 0

    def run(batch: Sequence[Any]) -> Any:
        nonlocal done
        done += len(batch)
        report("embedding", done, len(windows))
        return model.forward(batch)

    outputs = np.asarray(batching.forward(run, windows, model.batch_tokens, lambda: None))
    starts = np.cumsum([0, *(len(of_text) for of_text in windows_by_text[:-1])])
    means = np.add.reduceat(outputs, starts, axis=0)
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)


def fit(vectors: Any, examples: Sequence[Example], multi_label: bool, seed: int, *, search: bool = True) -> Head:
    """The head fitted to the examples; `search` chooses the regularisation by cross-validation."""
    if not multi_label:
        truths = np.asarray([example.truth for example in examples])
        model = _regression(vectors, truths, seed, search)
        weights, bias = model.coef_, model.intercept_
        if len(model.classes_) == 2:
            # scikit-learn gives two labels one row; half the difference each makes it two rows, as for more labels.
            weights, bias = np.vstack([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
        return Head([str(label) for label in model.classes_], False, weights, bias)
    labels = sorted({label for example in examples for label in example.truth})
    rows = [
        _regression(vectors, np.asarray([label in example.truth for example in examples]), seed) for label in labels
    ]
    return Head(labels, True, np.vstack([row.coef_ for row in rows]), np.concatenate([row.intercept_ for row in rows]))


def _regression(vectors: Any, truths: Any, seed: int, search: bool = True) -> Any:
    rarest = int(np.unique(truths, return_counts=True)[1].min())
    model = LogisticRegression(C=10.0, max_iter=2000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if rarest < 2 or not search:
            return model.fit(vectors, truths)
        folds = StratifiedKFold(min(5, rarest), shuffle=True, random_state=seed)
        grid_search = GridSearchCV(model, {"C": _STRENGTHS}, scoring="neg_log_loss", cv=folds)
        return grid_search.fit(vectors, truths).best_estimator_
