"""The task `federated_gradient`: sums over some rows of a head's loss and gradient at given weights.

Inputs are JSON objects of `vectors`, `truths` (the positions of each row's labels) and `held_back`. Options: `weights`
(base64 of the wire format), `labels` (their number), `multi_label`, and `clip`, the longest gradient of one row, or
null. A result is base64 of the wire format of the sums.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from pg_llm.models.engine import Engine
from pg_llm.tasks import WorkItem


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One work item per input."""
    table = np.frombuffer(base64.b64decode(options["weights"]), dtype="<f8").reshape(-1, options["labels"])

    def result(text: str) -> str:
        rows = orjson.loads(text)
        given = (np.asarray(rows["vectors"], dtype=float), rows["truths"], np.asarray(rows["held_back"], dtype=bool))
        values = sums(table, *given, options["multi_label"], options["clip"])
        return base64.b64encode(values.astype("<f8").tobytes()).decode("ascii")

    return [WorkItem((), lambda _, text=text: result(text)) for text in inputs]  # type: ignore[misc]


def sums(
    table: Any, vectors: Any, truths: Sequence[Sequence[int]], held_back: Any, multi_label: bool, clip: float | None
) -> Any:
    """Gradient, loss and number of the rows that are learnt from; number, hits, predictions and labels of the others.

    With `clip` nothing is told but the gradient and the number of rows.
    """
    logits = vectors @ table[:-1] + table[-1]
    targets = np.zeros(logits.shape)
    for row, labels in enumerate(truths):
        targets[row, labels] = 1
    learnt = ~held_back
    log_likelihood, errors = _likelihood(logits[learnt], targets[learnt], multi_label)
    inputs = np.hstack([vectors[learnt], np.ones((int(learnt.sum()), 1))])
    if clip is not None:
        # The gradient of a row is an outer product: its length is that of the factors.
        lengths = np.linalg.norm(errors, axis=1) * np.linalg.norm(inputs, axis=1)
        errors = errors * np.minimum(1, clip / np.maximum(lengths, 1e-300))[:, None]
    gradient = (inputs.T @ errors).ravel()
    if clip is not None:
        return np.concatenate([gradient, [0, len(inputs), 0, 0, 0, 0]])
    answers = _answers(logits[held_back], multi_label)
    actual = targets[held_back] > 0
    counts = [int(held_back.sum()), int((answers & actual).sum()), int(answers.sum()), int(actual.sum())]
    return np.concatenate([gradient, [-log_likelihood, len(inputs), *counts]])


def _likelihood(logits: Any, targets: Any, multi_label: bool) -> tuple[float, Any]:
    """The log likelihood of all targets, and what the probabilities differ from them by."""
    if multi_label:
        of_ones, of_zeros = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
        return float(np.where(targets > 0, of_ones, of_zeros).sum()), np.exp(of_ones) - targets
    logits = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return float((log_probabilities * targets).sum()), np.exp(log_probabilities) - targets


def _answers(logits: Any, multi_label: bool) -> Any:
    if multi_label:
        return logits > 0
    return np.arange(logits.shape[1]) == logits.argmax(axis=1)[:, None]
