"""The attack by the loss: area, interval and advantage, and that the interval holds what it should."""

from __future__ import annotations

import random

import pytest
from pg_llm.training import membership


def test_area_by_pairs() -> None:
    members, others = [0.1, 0.2, 0.5, 0.5], [0.3, 0.5, 0.9]
    pairs = [(one < other) + (one == other) / 2 for one in members for other in others]
    area, low, high = membership.auc(members, others)
    assert area == pytest.approx(sum(pairs) / len(pairs))
    assert 0 <= low <= area <= high <= 1
    assert membership.auc(others, members)[0] == pytest.approx(1 - area)
    assert membership.auc([1.0] * 10, [1.0] * 20) == (0.5, 0.5, 0.5)
    assert membership.advantage(members, others) == pytest.approx(0.5)
    assert membership.advantage([1.0, 2.0], [1.0, 2.0]) == 0
    assert membership.advantage([5.0], [1.0]) == 0
    assert membership.advantage([1.0], [5.0]) == 1


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Losses whose area is known: of two exponential distributions it is the share of the rates."""
    chosen = random.Random(3)
    held = 0
    for _ in range(400):
        members = [chosen.expovariate(3) for _ in range(60)]
        others = [chosen.expovariate(2) for _ in range(80)]
        _, low, high = membership.auc(members, others)
        held += low <= 0.6 <= high
    # 380 of 400 are expected; the standard deviation is 4.4.
    assert 362 <= held <= 396
