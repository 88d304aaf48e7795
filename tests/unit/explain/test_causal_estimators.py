"""Effects in simulated rows, where the right answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="./run setup --training installs it")

from pg_llm.errors import InvalidInput
from pg_llm.explain.host import causal_estimators, refutation
from pg_llm.explain.host.causal_estimators import Estimate, Sample


def sample(outcome: object, treatment: object, confounders: object, instruments: object = None) -> Sample:
    none = np.empty((len(np.asarray(outcome)), 0))
    return Sample(outcome, treatment, confounders, none if instruments is None else instruments)


def given_by_a_confounder(seed: int, effect: float = 2.0, rows: int = 600) -> Sample:
    """The confounder raises both the chance of treatment and the outcome."""
    generator = np.random.default_rng(seed)
    confounders = generator.normal(size=(rows, 2))
    treated = (generator.random(rows) < 1 / (1 + np.exp(-confounders[:, 0]))).astype(float)
    return sample(effect * treated + confounders @ [3.0, 1.0] + generator.normal(size=rows), treated, confounders)


def crooked(seed: int) -> tuple[Sample, float]:
    """Neither chance nor outcome is linear in the confounders, and the effect is not the same for all."""
    generator = np.random.default_rng(seed)
    x = generator.uniform(-2, 2, size=(2000, 3))
    wave, both = np.sin(2 * x[:, 0]), x[:, 1] * x[:, 2]
    treated = (generator.random(2000) < 1 / (1 + np.exp(-wave - both / 2))).astype(float)
    return sample((1 + x[:, 0] ** 2) * treated + 4 * wave + 2 * both + generator.normal(size=2000), treated, x), 7 / 3


def amounts(seed: int, effect: float = 0.5) -> Sample:
    """A treatment by amounts."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(600, 2))
    amount = x[:, 0] + x[:, 1] ** 2 + generator.normal(size=600)
    return sample(effect * amount + 2 * x[:, 1] ** 2 + x[:, 0] + generator.normal(size=600), amount, x)


def with_instruments(seed: int, strength: float, number: int = 1, direct: float = 0.0) -> Sample:
    """A cause of both that nobody has seen, and instruments; the first one acts `direct`-ly too."""
    generator = np.random.default_rng(seed)
    hidden, x = generator.normal(size=800), generator.normal(size=(800, 1))
    z = generator.normal(size=(800, number))
    amount = strength * z.sum(axis=1) + hidden + x[:, 0] + generator.normal(size=800)
    outcome = amount + 2 * hidden + x[:, 0] + direct * z[:, 0] + generator.normal(size=800)
    return sample(outcome, amount, x, z)


def holds(found: Estimate, truth: float) -> bool:
    return found.low <= truth <= found.high


@pytest.mark.parametrize("method", ["doubly_robust", "partially_linear"])
def test_a_confounder_is_adjusted_for(method: str) -> None:
    rows = given_by_a_confounder(1)
    assert causal_estimators.unadjusted(rows) > 4
    found = causal_estimators.estimate(method, rows)
    assert holds(found, 2)
    assert found.high - found.low < 0.6


def test_what_is_not_linear_is_adjusted_for() -> None:
    rows, truth = crooked(1)
    assert causal_estimators.unadjusted(rows) > truth + 2
    found = causal_estimators.estimate("doubly_robust", rows)
    assert holds(found, truth)
    assert "boosted" in found.learners.values()


def test_the_effect_of_one_more() -> None:
    found = causal_estimators.estimate("partially_linear", amounts(1))
    assert holds(found, 0.5)
    assert causal_estimators.unadjusted(amounts(1)) > found.high + 0.3


def test_without_confounders_it_is_the_difference_of_the_means() -> None:
    generator = np.random.default_rng(3)
    treated = (generator.random(400) < 0.5).astype(float)
    rows = sample(treated + generator.normal(size=400), treated, np.empty((400, 0)))
    assert causal_estimators.estimate("doubly_robust", rows).effect == pytest.approx(
        causal_estimators.unadjusted(rows), abs=0.02
    )


def test_instruments_find_it_where_a_cause_is_hidden() -> None:
    rows = with_instruments(1, 0.7)
    assert not holds(causal_estimators.estimate("partially_linear", rows), 1)
    assert holds(causal_estimators.estimate("instrumental_variable", rows), 1)


def test_instruments_that_contradict_each_other_are_told() -> None:
    agreed = causal_estimators.estimate("instrumental_variable", with_instruments(2, 0.5, 3)).found
    assert agreed["overidentification"]["passed"]
    split = causal_estimators.estimate("instrumental_variable", with_instruments(2, 0.5, 3, direct=1.0)).found
    assert not split["overidentification"]["passed"]


def test_instruments_that_move_nothing_are_refused() -> None:
    with pytest.raises(InvalidInput, match="do not move the treatment"):
        causal_estimators.estimate("instrumental_variable", with_instruments(1, 0.0))


def test_no_overlap_is_refused() -> None:
    generator = np.random.default_rng(5)
    x = generator.normal(size=(400, 1))
    with pytest.raises(InvalidInput, match="do not overlap"):
        causal_estimators.estimate("doubly_robust", sample(x[:, 0], (x[:, 0] > 0).astype(float), x))
    with pytest.raises(InvalidInput, match="confounders foretell the treatment"):
        causal_estimators.estimate("partially_linear", sample(generator.normal(size=400), 2 * x[:, 0] + 1, x))


def test_a_true_effect_is_not_refuted_and_another_one_is() -> None:
    rows = given_by_a_confounder(7)
    found = causal_estimators.estimate("doubly_robust", rows)
    refutations = refutation.refute("doubly_robust", rows, found)
    assert all(each["passed"] for each in refutations.values())
    assert refutations["placebo"]["estimate"] == pytest.approx(0, abs=0.3)
    assert refutations["subset"]["estimate"] == pytest.approx(found.effect, abs=0.1)
    elsewhere = Estimate(9.0, 8.9, 9.1, 0.05, found.learners, {})
    assert not refutation.refute("doubly_robust", rows, elsewhere)["subset"]["passed"]


def test_how_strong_a_hidden_confounder_must_be() -> None:
    """As the library DoubleML 0.11 has it for these rows and linear learners: 0.52 and, for the interval, 0.49."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(1000, 2))
    treated = (generator.random(1000) < 1 / (1 + np.exp(-x[:, 0]))).astype(float)
    outcome = 2.0 * treated + 3 * x[:, 0] + x[:, 1] + generator.normal(size=1000)
    rows = replace(sample(outcome, treated, x), learners=dict.fromkeys(VARIABLES, "linear"))
    hidden = causal_estimators.estimate("doubly_robust", rows).found["hidden_confounder"]
    assert hidden["estimate"] == pytest.approx(0.523, abs=0.01)
    assert hidden["interval"] == pytest.approx(0.491, abs=0.01)


SAMPLES = [
    ("doubly_robust", lambda seed: given_by_a_confounder(seed, effect=0.0), 0.0, "linear"),
    ("partially_linear", lambda seed: amounts(seed, effect=0.0), 0.0, "quadratic"),
    ("instrumental_variable", lambda seed: with_instruments(seed, 0.3), 1.0, "linear"),
]
VARIABLES = ("treatment", "outcome", "outcome if treated", "outcome if untreated", "instrument 1")


def held(method: str, rows: Callable[[int], Sample], truth: float) -> int:
    """How many intervals of a hundred hold the truth."""
    return sum(holds(causal_estimators.estimate(method, rows(seed)), truth) for seed in range(1000, 1100))


@pytest.mark.parametrize(("method", "rows", "truth", "learner"), SAMPLES)
def test_intervals_hold_the_truth_in_ninety_of_a_hundred_samples(
    method: str, rows: Callable[[int], Sample], truth: float, learner: str
) -> None:
    learners = dict.fromkeys(VARIABLES, learner)
    assert held(method, lambda seed: replace(rows(seed), learners=learners), truth) >= 90


@pytest.mark.slow
@pytest.mark.parametrize(("method", "rows", "truth", "learner"), SAMPLES)
def test_so_they_do_with_the_learner_that_errs_least(
    method: str, rows: Callable[[int], Sample], truth: float, learner: str
) -> None:
    assert held(method, rows, truth) >= 90
