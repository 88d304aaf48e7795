"""Logistic regression on the embeddings of a model that stays as it is: seconds."""

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
from pg_llm.training.metrics import Measures

# Inverse strength of the regularisation; chosen by cross-validated log loss, so that probabilities are honest.
_STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


class Head:
    """One linear layer: weights of shape (labels, dimensions) and a bias for each label."""

    def __init__(self, labels: Sequence[str], many: bool, weights: Any, bias: Any) -> None:
        self.labels = list(labels)
        self.many = many
        self._weights = weights
        self._bias = bias

    def logits(self, vectors: Any) -> Any:
        """Shape (texts, labels)."""
        return vectors @ self._weights.T + self._bias

    def answers(self, vectors: Any) -> list[set[tuple[str]]]:
        """The labels of each text, as measures want them."""
        logits = self.logits(vectors)
        if self.many:
            return [{(self.labels[column],) for column in np.flatnonzero(row > 0)} for row in logits]
        return [{(self.labels[column],)} for column in logits.argmax(axis=1)]

    def measured(self, vectors: Any, examples: Sequence[Example], nothing: str | None = None) -> Measures:
        """How well it labels rows whose truth is known; `nothing` is a label that says there is none."""
        measures = Measures()
        for example, answer in zip(examples, self.answers(vectors), strict=True):
            truth = example.truth if self.many else [example.truth]
            measures.add([(label,) for label in truth if label != nothing], answer - {(str(nothing),)})
        return measures

    def save(self, folder: Path) -> None:
        """Weights as safetensors, the rest as JSON."""
        from safetensors.numpy import save_file

        # safetensors writes memory as it lies, and scikit-learn may lay the weights out by columns.
        tensors = {
            name: np.ascontiguousarray(values, dtype=np.float32)
            for name, values in (("weights", self._weights), ("bias", self._bias))
        }
        save_file(tensors, folder / "head.safetensors")
        about = {"labels": self.labels, "multi_label": self.many}
        (folder / "head.json").write_text(json.dumps(about, ensure_ascii=False, indent=1, sort_keys=True))


def embed(model: Engine, texts: Sequence[str], report: Report) -> Any:
    """Unit vectors of shape (texts, dimensions); windows of a long text are averaged."""
    from pg_llm.tasks import batching

    windows = model.encode(texts)
    flat = [window for found in windows for window in found]
    done = 0

    def run(batch: Sequence[Any]) -> Any:
        nonlocal done
        done += len(batch)
        report("embedding", done, len(flat))
        return model.forward(batch)

    outputs = np.asarray(batching.forward(run, flat, model.batch_tokens, lambda: None))
    starts = np.cumsum([0, *(len(found) for found in windows[:-1])])
    means = np.add.reduceat(outputs, starts, axis=0)
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)


def fit(vectors: Any, examples: Sequence[Example], many: bool, seed: int, *, search: bool = True) -> Head:
    """The head that explains the examples' labels; strength of regularisation by cross-validation, or a usual one."""
    if not many:
        truths = np.asarray([example.truth for example in examples])
        model = _regression(vectors, truths, seed, search)
        weights, bias = model.coef_, model.intercept_
        if len(model.classes_) == 2:
            # Two rows, so that two labels are as three or more: half the difference each.
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
        searched = GridSearchCV(model, {"C": _STRENGTHS}, scoring="neg_log_loss", cv=folds)
        return searched.fit(vectors, truths).best_estimator_
