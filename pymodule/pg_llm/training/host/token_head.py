"""A linear layer on the words of a frozen transformer, which is cut after the layer that tells entities apart best.

In the middle layers of a sentence encoder stands more about single words than in the last ones (Tenney 2019), and a cut
encoder is the faster one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pg_llm.runtime.training.dataset import Example
from pg_llm.runtime.training.report import Report
from pg_llm.training.host import logistic
from pg_llm.training.host.transformer import Transformer

# Inverse strength of the regularisation over all words, times the dimensions: with that a word's logits have a prior of
# one variance whatever their number. A third and three times of it came out alike on sentences by the hundred.
_STRENGTH = 4.0


def train(model: Transformer, training: list[Example], validation: list[Example], report: Report) -> dict[str, Any]:
    """Give the model a layer fitted to all examples; the metrics are of one that had not seen the validation rows."""
    states, targets = model.read_words(training + validation, report)
    split = len(model.windows(training))
    best: tuple[float, int] = (-1.0, 0)
    summary: dict[str, Any] = {}
    for number, (depth, of_depth) in enumerate(states.items()):
        report("fitting", number, len(states) + 1)
        weights, bias = _fit(of_depth[:split], targets[:split], len(model.labels))
        metrics = model.span_metrics(targets[split:], [rows @ weights + bias for rows in of_depth[split:]]).summary()
        if (metrics["micro_f1"], depth) > best:
            best, summary = (metrics["micro_f1"], depth), metrics
    depth = best[1]
    model.cut(depth, *_fit(states[depth], targets, len(model.labels)))
    report("fitting", len(states) + 1, len(states) + 1)
    return {**summary, "layers": depth}


def _fit(states: Sequence[Any], targets: Sequence[Any], labels: int) -> tuple[Any, Any]:
    """Weights of shape (dimensions, labels) and a bias each, fitted to states at mean 0 and deviation 1."""
    words = np.concatenate(states)
    mean, deviation = words.mean(axis=0), words.std(axis=0) + 1e-6
    one_hot = np.eye(labels, dtype=np.float32)[np.concatenate(targets)]
    table = logistic.fit((words - mean) / deviation, one_hot, False, _STRENGTH / words.shape[1])
    weights = table[:-1] / deviation[:, None]
    return weights, table[-1] - mean @ weights
