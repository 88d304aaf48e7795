"""Conformal prediction: sets of labels, their calibration, and the share of cases in which the right label is there."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import FakeConnection
from pg_llm.classify import conformal
from pg_llm.errors import InvalidInput
from pg_llm.functions import classification as face


def calibrated(db: FakeConnection, host: EchoHost, rows: int, value: float | None) -> None:
    db.answer("LEFT JOIN llm.model AS m", lambda call: [registered("m", "classification", labels=["a", "b", "c"])])
    db.answer("m.calibration", [{"rows": rows, "value": value}])
    host.answers["classification"] = lambda texts, options: [json.dumps({"a": 0.3, "b": 0.6, "c": 0.1}) for _ in texts]


def labels(db: FakeConnection, text: str | None = "text", alpha: float | None = 0.1) -> list[str] | None:
    found: list[str] | None = face.llm_classify_set.__wrapped__(db, text, "m", alpha)
    return found


@pytest.mark.parametrize(
    ("most", "expected"), [(0.7, ["b", "a"]), (0.4, ["b"]), (0.39, []), (0.9, ["b", "a", "c"]), (None, ["b", "a", "c"])]
)
def test_labels_above_a_probability(
    db: FakeConnection, host: EchoHost, most: float | None, expected: list[str]
) -> None:
    calibrated(db, host, 20, most)
    assert labels(db) == expected
    assert db.asked("m.calibration")[0].values == ("m", 0.9)


def test_null_and_blank_texts(db: FakeConnection, host: EchoHost) -> None:
    calibrated(db, host, 20, 0.9)
    assert labels(db, None) is None
    assert labels(db, " ") == []
    batch = face.llm_classify_set_batch.__wrapped__(db, ["x", None], "m", 0.1)
    assert batch == [(1, ["b", "a", "c"]), (2, None)]


@pytest.mark.parametrize("alpha", [0, 1, -0.1, math.nan, None])
def test_alpha_is_a_share(db: FakeConnection, host: EchoHost, alpha: Any) -> None:
    calibrated(db, host, 20, 0.9)
    with pytest.raises(InvalidInput, match="alpha must lie between 0 and 1"):
        labels(db, alpha=alpha)


def test_a_model_that_is_not_calibrated_says_so(db: FakeConnection, host: EchoHost) -> None:
    calibrated(db, host, 0, None)
    with pytest.raises(InvalidInput, match="is not calibrated"):
        labels(db)
    assert not host.requests


def test_the_right_label_is_there_as_often_as_asked() -> None:
    """Of a model that is wrong about how sure it is: coverage does not depend on that."""
    chosen = random.Random(1)

    def row() -> tuple[dict[str, float], str]:
        truth = chosen.choice("abc")
        logits = {label: chosen.gauss(1.0 if label == truth else 0.0, 1.0) * 4 for label in "abc"}
        total = sum(math.exp(value) for value in logits.values())
        return {label: math.exp(value) / total for label, value in logits.items()}, truth

    for alpha in (0.2, 0.1, 0.05):
        calibration = sorted(conformal.nonconformity(*row()) for _ in range(4000))
        most = calibration[math.ceil(4001 * (1 - alpha)) - 1]
        rows = [row() for _ in range(4000)]
        covered = sum(truth in conformal.label_set(scores, most) for scores, truth in rows) / len(rows)
        assert covered == pytest.approx(1 - alpha, abs=0.02)
