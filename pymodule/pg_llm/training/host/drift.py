"""The task `drift`: two-sample tests of labels, confidence and embeddings, each by permutations (Fisher 1935).

The chi-squared statistic of the labels (Pearson 1900), the greatest distance of the distributions of confidence
(Kolmogorov and Smirnov), and the maximum mean discrepancy of the embeddings in a Gaussian kernel whose width is the
median distance (Gretton and others 2012). An input is a JSON object of `seed`, `embedding` and, of a classifier,
`labels` and `confidence`, each a list of the reference's values and the current ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pg_llm.models.engine import Engine
from pg_llm.tasks import WorkItem, worker_process

# The least p is one of these and one more.
PERMUTATIONS = 999
# Permutations that are computed at once.
_BATCH = 37


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """A JSON list of objects of measure, statistic, p_value and detail per input."""
    return [WorkItem((), lambda _, text=text: json.dumps(test(json.loads(text)))) for text in inputs]  # type: ignore[misc]


def test(samples: dict[str, Any]) -> list[dict[str, Any]]:
    """One object for each of labels, confidence and embedding that there are."""
    tests: dict[str, Callable[[Any, Any, Any], dict[str, Any]]] = {
        "labels": _labels,
        "confidence": _confidence,
        "embedding": _embedding,
    }
    found = []
    for name, measure in tests.items():
        if name in samples:
            reference, current = samples[name]
            is_current = np.repeat([0.0, 1.0], [len(reference), len(current)])
            generator = np.random.default_rng(samples["seed"])
            found.append({"measure": name, **measure([*reference, *current], is_current, generator)})
    return found


def _labels(labels: Any, is_current: Any, generator: Any) -> dict[str, Any]:
    names, codes = np.unique(np.asarray(labels), return_inverse=True)
    one_hot = np.eye(len(names))[codes]
    expected = one_hot.mean(axis=0)

    def statistic(masks: Any) -> Any:
        """Chi-squared of each mask's table of two rows."""
        sizes = masks.sum(axis=1, keepdims=True)
        counts = masks @ one_hot
        others = one_hot.sum(axis=0) - counts
        return ((counts - sizes * expected) ** 2 / (sizes * expected)).sum(axis=1) + (
            (others - (len(codes) - sizes) * expected) ** 2 / ((len(codes) - sizes) * expected)
        ).sum(axis=1)

    shares = [one_hot[is_current == side].mean(axis=0) for side in (0, 1)]
    detail = {
        str(name): [round(float(before), 4), round(float(after), 4)]
        for name, before, after in zip(names, *shares, strict=True)
    }
    return _tested(statistic, is_current, generator, {"shares": detail})


def _confidence(values: Any, is_current: Any, generator: Any) -> dict[str, Any]:
    values = np.asarray(values)
    order = np.argsort(values, kind="stable")
    # Equal values are one step of both distributions.
    last = np.append(np.diff(values[order]) > 0, True)

    def statistic(masks: Any) -> Any:
        ordered = masks[:, order]
        current = ordered.cumsum(axis=1) / ordered.sum(axis=1, keepdims=True)
        others = (1 - ordered).cumsum(axis=1) / (1 - ordered).sum(axis=1, keepdims=True)
        return np.abs(current - others)[:, last].max(axis=1)

    means = [round(float(values[is_current == side].mean()), 4) for side in (0, 1)]
    return _tested(statistic, is_current, generator, {"means": means})


def _embedding(vectors: Any, is_current: Any, generator: Any) -> dict[str, Any]:
    vectors = np.asarray(vectors)
    squares = np.maximum(2 - 2 * vectors @ vectors.T, 0.0)
    width = float(np.median(squares[np.triu_indices(len(squares), 1)])) or 1.0
    kernel = np.exp(-squares / width)
    np.fill_diagonal(kernel, 0.0)
    total = kernel.sum()
    rows = kernel.sum(axis=1)

    def statistic(masks: Any) -> Any:
        """The unbiased estimate of the squared discrepancy."""
        worker_process.check_caller()
        sizes = masks.sum(axis=1)
        others = len(vectors) - sizes
        within = np.einsum("ij,ij->i", masks @ kernel, masks)
        between = masks @ rows - within
        rest = total - within - 2 * between
        return within / (sizes * (sizes - 1)) + rest / (others * (others - 1)) - 2 * between / (sizes * others)

    return _tested(statistic, is_current, generator, {})


def _tested(statistic: Any, is_current: Any, generator: Any, detail: dict[str, Any]) -> dict[str, Any]:
    """The statistic, and the share of permutations with one as great, the one observed among them."""
    observed = float(statistic(is_current[None, :])[0])
    as_great = 1
    for start in range(0, PERMUTATIONS, _BATCH):
        masks = np.asarray([generator.permutation(is_current) for _ in range(min(_BATCH, PERMUTATIONS - start))])
        as_great += int((statistic(masks) >= observed - 1e-12).sum())
    return {"statistic": observed, "p_value": as_great / (PERMUTATIONS + 1), "detail": detail}
