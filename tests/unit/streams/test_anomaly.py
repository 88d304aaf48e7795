"""Scores that look back: what is unusual, and what is remembered."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from pg_llm.errors import InvalidInput
from pg_llm.streams import anomaly


def scores(definition: dict[str, object], values: list[float]) -> list[float | None]:
    checked, state = anomaly.checked({"value": "x", **definition}), {}
    return [anomaly.score(checked, state, value) for value in values]


def test_a_robust_z_score_is_that_of_the_values_before() -> None:
    chance = random.Random(1)
    values = [chance.gauss(100, 5) for _ in range(40)]
    found = scores({"method": "robust_z", "last": 20, "least": 10}, values)
    assert found[:10] == [None] * 10
    for n in (10, 25, 39):
        before = values[max(0, n - 20) : n]
        middle = statistics.median(before)
        unit = 1.4826 * statistics.median([abs(value - middle) for value in before])
        assert found[n] == pytest.approx((values[n] - middle) / unit)


def test_one_outlier_hides_no_other() -> None:
    values = [10.0, 11.0, 9.0, 10.0, 12.0, 10.0, 11.0, 9.0, 10.0, 11.0, 1e6, 1e6]
    found = scores({"method": "robust_z", "least": 10}, values)
    assert all(score is not None and score > 1000 for score in found[10:])


def test_values_that_never_differ() -> None:
    for method in ("robust_z", "ewma"):
        found = scores({"method": method}, [5.0] * 12 + [6.0])
        assert found[11] == 0
        assert found[12] == math.inf


def test_ewma_follows_a_level_that_moves() -> None:
    chance = random.Random(2)
    values = [chance.gauss(n / 10, 1) for n in range(500)]
    found = [score for score in scores({"method": "ewma", "alpha": 0.1}, values) if score is not None]
    assert len(found) == 490
    assert max(map(abs, found)) < 8
    jump = scores({"method": "ewma"}, [*values, values[-1] + 30])[-1]
    assert jump is not None
    assert jump > 10


def test_what_is_no_number_changes_nothing() -> None:
    definition = anomaly.checked({"method": "ewma", "value": "x", "least": 2})
    state: anomaly.State = {}
    for value in (1.0, math.nan, math.inf, 2.0, 3.0):
        anomaly.score(definition, state, value)
    assert state["count"] == 3


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        {},
        {"method": "z", "value": "x"},
        {"method": "ewma"},
        {"method": "ewma", "value": "x", "group": "y"},
        {"method": "ewma", "value": "x", "last": 5},
        {"method": "robust_z", "value": "x", "last": 10**9},
        {"method": "robust_z", "value": "x", "least": True},
    ],
)
def test_what_is_no_score(given: object) -> None:
    with pytest.raises(InvalidInput):
        anomaly.checked(given)


def test_a_season_is_compared_with_itself() -> None:
    checked, state = anomaly.checked({"value": "x", "method": "seasonal", "hours": 24}), {}
    chance = random.Random(3)
    found = []
    for hour in range(24 * 10):
        # Busy by day, quiet by night.
        value = (1000 if 8 <= hour % 24 < 20 else 10) + chance.gauss(0, 3)
        found.append(anomaly.score(checked, state, value, hour * 3600.0 + 100))
    assert found[: 24 * 5] == [None] * 24 * 5
    assert all(score is not None and abs(score) < 30 for score in found[24 * 5 :])
    # What is usual by day is not so by night.
    night, day = 24 * 10 * 3600.0, (24 * 10 + 12) * 3600.0
    assert (anomaly.score(checked, dict(state), 1000, night) or 0) > 100
    assert abs(anomaly.score(checked, dict(state), 1000, day) or 0) < 30
    assert anomaly.score(checked, state, 5, None) is None
