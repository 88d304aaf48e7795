"""What OpenDP is asked for is what comes out: the noise has the distribution of its epsilon, and no more is told."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import pytest
from pg_llm.privacy.host import noise

# Draws. Bounds are such that a right mechanism fails one time in a billion.
N = 40_000
SIGMAS = 6.2


def release(exact: Any, mechanism: str, epsilon: float, distance: int, delta: float = 0) -> Any:
    options = {"mechanism": mechanism, "epsilon": epsilon, "distance": distance, "delta": delta}
    return json.loads(str(noise.prepare(None, [json.dumps(exact)], options)[0].finish(())))


def chi_square(draws: list[int], epsilon: float, most: int) -> float:
    """How far draws are from the discrete Laplace distribution of an epsilon; its mean is 2 * most + 2."""
    p = math.exp(-epsilon)
    seen = Counter(max(-most - 1, min(most + 1, draw)) for draw in draws)
    expected = {x: (1 - p) / (1 + p) * p ** abs(x) for x in range(-most, most + 1)}
    expected[most + 1] = expected[-most - 1] = p ** (most + 1) / (1 + p)
    return sum((seen[x] - N * share) ** 2 / (N * share) for x, share in expected.items())


def test_noise_has_the_distribution_of_its_epsilon() -> None:
    draws = release([0] * N, "laplace", 0.5, 1)
    # 22 degrees of freedom; that another epsilon would be seen shows what the test is worth.
    assert chi_square(draws, 0.5, 10) < 92
    assert chi_square(draws, 0.55, 10) > 92
    assert chi_square(draws, 0.45, 10) > 92


def told_apart(first: list[Any], second: list[Any], epsilon: float) -> float:
    """How many standard deviations the likeliest sign that the first was read is above e^epsilon times the other."""
    signs = [lambda x, t=t: x >= t for t in range(-20, 21)] + [lambda x, t=t: x <= t for t in range(-20, 21)]
    most = -math.inf
    for sign in signs:
        p, q = (sum(map(sign, draws)) / N for draws in (first, second))
        deviation = math.sqrt((p * (1 - p) + math.exp(2 * epsilon) * q * (1 - q)) / N)
        if deviation:
            most = max(most, (p - math.exp(epsilon) * q) / deviation)
    return most


@pytest.mark.parametrize("epsilon", [0.2, 1.0])
def test_one_person_more_is_told_no_better_than_by_epsilon(epsilon: float) -> None:
    few, more = (release([exact] * N, "laplace", epsilon, 1) for exact in (0, 1))
    for first, second in ((few, more), (more, few)):
        assert told_apart(first, second, epsilon) < SIGMAS
    # And nearly so well: less noise would have been seen.
    assert max(told_apart(few, more, epsilon * 0.7), told_apart(more, few, epsilon * 0.7)) > SIGMAS


def test_a_person_of_many_rows_moves_more_and_is_hidden_by_more_noise() -> None:
    few, more = (release([exact] * N, "laplace", 1.0, 5) for exact in (0, 5))
    assert told_apart(few, more, 1.0) < SIGMAS
    assert told_apart(more, few, 1.0) < SIGMAS


def test_the_choice_of_a_quantile_tells_no_better() -> None:
    scores = [0, 500], [500, 0]
    first, second = ([release(each, "least", 1.0, 500) for _ in range(3000)] for each in scores)
    for sign in (0, 1):
        p, q = first.count(sign) / 3000, second.count(sign) / 3000
        for a, b in ((p, q), (q, p)):
            deviation = math.sqrt((a * (1 - a) + math.exp(2) * b * (1 - b)) / 3000)
            assert a - math.e * b < SIGMAS * deviation
    assert release([9_000_000, 0, 9_000_000], "least", 1.0, 500) == 1


def test_a_group_of_one_person_is_shown_no_oftener_than_delta() -> None:
    few = release({str(n): 1 for n in range(N)}, "groups", 1.0, 1, delta=0.05)
    assert 0.02 * N < len(few) < (0.05 + SIGMAS * math.sqrt(0.05 * 0.95 / N)) * N
    assert len(release({str(n): 1000 for n in range(100)}, "groups", 1.0, 3, delta=1e-9)) == 100
    assert release({}, "groups", 1.0, 1, delta=1e-9) == {}
    assert release({"a": 7}, "groups", 1e5, 1, delta=1e-9) == {"a": 7}


@pytest.mark.parametrize("exact", [10**30, -(10**30)])
def test_sums_beyond_64_bits_are_held_within(exact: int) -> None:
    (noisy,) = release([exact], "laplace", 1.0, 1)
    assert abs(noisy) <= 2**63
