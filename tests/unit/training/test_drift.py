"""Two-sample tests: small p where something changed, even p where nothing did, and the textbooks' statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pg_llm.training.host import drift


def samples(shift: float = 0.0, seed: int = 0, rows: int = 60) -> dict[str, Any]:
    chosen = np.random.default_rng(seed)
    vectors = [chosen.normal(size=(rows, 8)) + of * np.eye(8)[0] for of in (0.0, shift)]
    return {
        "seed": 0,
        "labels": [chosen.choice(["a", "b"], rows, p=[0.5 + of, 0.5 - of]).tolist() for of in (0.0, min(shift, 0.4))],
        "confidence": [(chosen.uniform(size=rows) + of).tolist() for of in (0.0, shift)],
        "embedding": [(side / np.linalg.norm(side, axis=1, keepdims=True)).tolist() for side in vectors],
    }


def p_values(given: dict[str, Any]) -> dict[str, float]:
    return {row["measure"]: row["p_value"] for row in drift.test(given)}


def test_what_changed_is_seen() -> None:
    assert p_values(samples(shift=1.5)) == {"labels": 0.001, "confidence": 0.001, "embedding": 0.001}


def test_where_nothing_changed_p_is_even() -> None:
    found = [p_values(samples(seed=seed, rows=30)) for seed in range(60)]
    for measure in ("labels", "confidence", "embedding"):
        values = [each[measure] for each in found]
        assert sum(value <= 0.1 for value in values) <= 14
        assert 0.3 < float(np.mean(values)) < 0.75


def test_statistics_are_those_of_the_textbooks() -> None:
    labels, confidence = drift.test(
        {
            "seed": 1,
            "labels": [["a"] * 30 + ["b"] * 10, ["a"] * 10 + ["b"] * 30],
            "confidence": [[0.1, 0.2], [0.2, 0.9]],
        }
    )
    assert labels["statistic"] == pytest.approx(20.0)
    assert labels["detail"] == {"shares": {"a": [0.75, 0.25], "b": [0.25, 0.75]}}
    assert confidence["statistic"] == pytest.approx(0.5)
    assert labels["p_value"] == 0.001


def test_a_single_label_and_equal_texts_have_not_drifted() -> None:
    same = {"seed": 0, "labels": [["a"] * 10, ["a"] * 10], "embedding": [[[1.0, 0.0]] * 10, [[1.0, 0.0]] * 10]}
    assert p_values(same) == {"labels": 1.0, "embedding": 1.0}
