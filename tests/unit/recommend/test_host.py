"""What the host computes without torch: metrics, and the task."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from echo import run
from pg_llm.models.engine import Window
from pg_llm.recommend.host import metrics, ranking

VALIDATION = {
    "popular": np.array([3, 1, 0, 0]),
    "recommender_ranks": np.array([0, 2, 9]),
    "recommender_lists": np.array([[0, 1], [1, 0], [0, 2]]),
    "targets": np.array([0, 1, 2]),
}


def test_metrics_of_lists() -> None:
    found = metrics.by_method(VALIDATION, 2)
    assert found.keys() == {"recommender"}
    assert found["recommender"] == pytest.approx(
        {
            "hr": 1 / 3,
            "ndcg": 1 / 3,
            "mrr": 1 / 3,
            "coverage": 3 / 4,
            # Two of every list's items: shares 3/4, 1/4, and 1/4 for one without events.
            "novelty": (5 * 0 + 3 * -np.log2(0.75) + 3 * 2) / 6,
            "users": 3,
        }
    )
    assert metrics.by_method(VALIDATION, 3)["recommender"]["ndcg"] == pytest.approx((1 + 1 / np.log2(4)) / 3)


def test_a_method_without_ranks_has_no_metrics() -> None:
    assert metrics.by_method({"popular": np.array([1]), "recommender_ranks": np.array([])}, 5) == {}


class _Model:
    validation = VALIDATION

    def encode(self, texts: list[str]) -> list[list[Window]]:
        return [[Window(json.loads(text), 1)] for text in texts]

    def forward(self, windows: list[Window]) -> Any:
        return np.asarray([[len(window.tokens), 0.5] for window in windows], dtype=np.float32)


def test_sequences_become_vectors() -> None:
    model: Any = _Model()
    assert run(ranking.prepare(model, ["[1,2]", "[]"], {"k": None}), model) == ["[2.0,0.5]", "[0.0,0.5]"]


def test_with_a_length_the_metrics_are_given() -> None:
    model: Any = _Model()
    (result,) = run(ranking.prepare(model, ["[]"], {"k": 2}), model)
    assert json.loads(result) == metrics.by_method(VALIDATION, 2)
