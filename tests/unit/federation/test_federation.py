"""Gradients, what minimises their loss, what cannot be a gradient, and what rounds of noise tell."""

from __future__ import annotations

import json
import math
from array import array
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.errors import InvalidInput
from pg_llm.federation import budget, sums
from pg_llm.federation.contract import Contract
from pg_llm.federation.host import gradient, masking, noise
from pg_llm.federation.optimizer import AcceleratedGradient, LimitedMemoryBFGS, Optimizer
from pg_llm.federation.sums import Sums

CHANCE = np.random.default_rng(3)
VECTORS = CHANCE.normal(size=(60, 5))
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
TRUTHS = [[int(label)] for label in VECTORS[:, :3].argmax(axis=1)]
NONE = np.zeros(60, dtype=bool)


def loss(table: np.ndarray, multi_label: bool = False) -> float:
    return float(gradient.sums(table, VECTORS, TRUTHS, NONE, multi_label, None)[-6])


@pytest.mark.parametrize("multi_label", [False, True])
def test_the_gradient_is_that_of_the_loss(multi_label: bool) -> None:
    table = CHANCE.normal(size=(6, 3))
    found = gradient.sums(table, VECTORS, TRUTHS, NONE, multi_label, None)[:-6].reshape(6, 3)
    for place in [(0, 0), (3, 2), (5, 1)]:
        moved = np.zeros((6, 3))
        moved[place] = 1e-5
        slope = (loss(table + moved, multi_label) - loss(table - moved, multi_label)) / 2e-5
        assert math.isclose(slope, found[place], rel_tol=1e-4, abs_tol=1e-6)


@pytest.mark.parametrize("multi_label", [False, True])
def test_sums_add_up_over_peers(multi_label: bool) -> None:
    table, held_back = CHANCE.normal(size=(6, 3)), np.arange(60) % 4 == 0
    parts = [
        gradient.sums(table, VECTORS[part], TRUTHS[part], held_back[part], multi_label, None)
        for part in (slice(0, 7), slice(7, 60), slice(60, 60))
    ]
    assert np.allclose(sum(parts), gradient.sums(table, VECTORS, TRUTHS, held_back, multi_label, None))
    assert list(sum(parts)[-5:-3]) == [45, 15]


def test_no_row_counts_for_more_than_clip() -> None:
    table = CHANCE.normal(size=(6, 3)) * 50
    for row in range(10):
        one = slice(row, row + 1)
        found = gradient.sums(table, VECTORS[one], TRUTHS[one], NONE[one], False, 0.25)
        assert np.linalg.norm(found[:-6]) <= 0.25 + 1e-12
        assert list(found[-6:]) == [0, 1, 0, 0, 0, 0]


@given(st.lists(st.floats(-1e6, 1e6), min_size=18, max_size=18))
def test_no_row_is_longer_than_is_believed(weights: list[float]) -> None:
    contract = Contract("classify", ["a", "b", "c"], "", {})
    values = gradient.sums(np.asarray(weights).reshape(6, 3), VECTORS, TRUTHS, NONE, False, None)
    assert contract.objection(Sums.of(array("d", values)), array("d", weights)) is None
    values = gradient.sums(np.asarray(weights).reshape(6, 3), VECTORS, TRUTHS, NONE, True, None)
    assert Contract("tag", ["a", "b", "c"], "", {}).objection(Sums.of(array("d", values)), array("d", weights)) is None


def minimised(optimizer: Optimizer, rounds: int) -> float:
    for _ in range(rounds):
        table = np.asarray(optimizer.point).reshape(6, 3)
        told = gradient.sums(table, VECTORS, TRUTHS, NONE, False, None)
        penalty = 0.01 * table
        value = told[-6] / 60 + 0.005 * float((table**2).sum())
        optimizer.tell(value, array("d", told[:-6] / 60 + penalty.ravel()))
    table = np.asarray(optimizer.best).reshape(6, 3)
    return loss(table) / 60 + 0.005 * float((table**2).sum())


def test_both_optimizers_come_to_the_minimum() -> None:
    from scipy.optimize import minimize

    def objective(point: np.ndarray) -> float:
        return loss(point.reshape(6, 3)) / 60 + 0.005 * float((point**2).sum())

    least = minimize(objective, np.zeros(18), method="BFGS").fun
    assert minimised(LimitedMemoryBFGS(18), 40) - least < 1e-5
    assert minimised(AcceleratedGradient(18), 400) - least < 1e-3


def test_it_starts_again_from_the_best_point() -> None:
    optimizer = LimitedMemoryBFGS(2)
    assert optimizer.tell(1.0, array("d", [3, 4]))
    assert list(optimizer.point) == [-3, -4]
    assert not optimizer.tell(2.0, array("d", [3, 4]))
    assert sums.norm(optimizer.point) == pytest.approx(1.5)
    optimizer.restart()
    assert list(optimizer.point) == [0, 0]
    # Another loss than before, of other rows.
    assert optimizer.tell(5.0, array("d", [0, 0]))
    assert list(optimizer.point) == [0, 0]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=9))
def test_vectors_travel_whole(values: list[float]) -> None:
    vector = array("d", values)
    assert sums.decode(sums.encode(vector), len(values)) == vector
    assert sums.decode(sums.encode(vector), len(values) + 1) is None
    assert sums.decode(sums.encode(vector + array("d", [math.nan])), len(values) + 1) is None


AGREED = {
    "task": "classify",
    "labels": ["a", "b"],
    "base_digest": "0",
    "rounds": 10,
    "options": {"epsilon": 0, "delta": 1e-6, "clip": 1, "validation": 0.2},
}


@pytest.mark.parametrize(
    "told",
    [
        "",
        "[]",
        "null",
        "{}",
        '"a"',
        "[" * 100_000,
        *(
            json.dumps({**AGREED, **part})
            for part in (
                {"task": "drop"},
                {"task": []},
                {"labels": "ab"},
                {"labels": ["a"]},
                {"labels": [1, 2]},
                {"labels": 7},
                {"base_digest": 1},
                {"rounds": 0},
                {"rounds": "x"},
                {"rounds": None},
                {"options": []},
                {"options": {"epsilon": "x"}},
                {"options": {"epsilon": 1e300}},
            )
        ),
    ],
)
def test_what_a_peer_says_of_its_agreement_may_be_anything(told: str) -> None:
    with pytest.raises(InvalidInput, match="not understood"):
        Contract.parse(told)


def test_contracts_differ_in_words() -> None:
    one = Contract.parse(json.dumps(AGREED))
    assert one.difference(one) is None
    assert one.difference(Contract.parse(json.dumps({**AGREED, "labels": ["a", "c"]}))) == "labels"
    noisy = Contract.parse(json.dumps({**AGREED, "options": {**AGREED["options"], "epsilon": 1}}))
    assert one.difference(noisy) == "epsilon, delta, clip and rounds"
    assert noisy.noisy


def test_all_rounds_tell_epsilon() -> None:
    options = {"epsilon": 3.0, "delta": 1e-6, "clip": 1.0}
    rho = 40 * budget.rho_of_round(options, 40)
    assert rho + 2 * math.sqrt(rho * math.log(1e6)) == pytest.approx(3)


def test_the_noise_is_as_large_as_it_says() -> None:
    import base64

    options = {"epsilon": 3.0, "delta": 1e-6, "clip": 0.5}
    rho, distance = budget.rho_of_round(options, 10), budget.distance(options)
    exact = base64.b64encode(np.zeros(20_000).tobytes()).decode()
    (item,) = noise.prepare(None, [exact], {"rho": rho, "distance": distance})
    drawn = np.frombuffer(base64.b64decode(item.finish(())))
    assert abs(drawn.std() / budget.noise(options, 10) - 1) < 0.03
    assert abs(drawn.mean()) < 4 * budget.noise(options, 10) / math.sqrt(20_000)


def test_masks_cancel_in_the_sum_of_all_and_of_nobody_less() -> None:
    owns = [X25519PrivateKey.generate() for _ in range(4)]
    keys = [masking.public(own) for own in owns]
    values = [np.asarray([1.5, -2.25, 7.0, 1e5 * number]) for number in range(4)]

    def told(number: int, context: bytes) -> bytes:
        others = [key for key in keys if key != keys[number]]
        return masking.masked(values[number], owns[number], others, context).astype("<u8").tobytes()

    masked = [told(number, b"round") for number in range(4)]
    assert list(sums.unmasked(masked, 4)) == pytest.approx([6, -9, 28, 6e5])
    for part in (masked[:3], masked[:1], [*masked[:3], told(3, b"another")]):
        assert sums.norm(sums.unmasked(part, 4)) > 1e6


CONTRACT = {"task": "classify", "labels": ["a", "b"], "base_digest": "x" * 64, "options": {}, "rounds": 10}


@pytest.mark.parametrize(
    "lie",
    [
        {"rounds": math.inf},
        {"rounds": math.nan},
        {"rounds": 10**300},
        {"rounds": 0},
        {"options": {"epsilon": 1e-300}},
        {"options": {"epsilon": math.nan}},
        {"options": {"epsilon": 1, "delta": 0}},
        {"options": None},
        {"labels": ["a\0", "b"]},
        {"labels": ["a\ud800", "b"]},
        {"labels": {"a": 1, "b": 2}},
        {"task": ["classify"]},
        {"base_digest": None},
    ],
)
def test_no_description_of_an_agreement_is_more_than_misunderstood(lie: dict[str, Any]) -> None:
    assert Contract.parse(json.dumps(CONTRACT)).task == "classify"
    with pytest.raises(InvalidInput, match="described in a way that is not understood"):
        Contract.parse(json.dumps({**CONTRACT, **lie}))


def test_a_loss_that_no_rows_have_is_refused() -> None:
    contract, point = Contract("classify", ["a", "b", "c"], "", {}), array("d", [1.0] * 18)
    told = Sums(array("d", bytes(8 * 18)), loss=1e308, rows=10)
    assert contract.objection(told, point) == "its loss is larger than that of so many rows can be"
    told.loss = 60.0
    assert contract.objection(told, point) is None


def test_an_epsilon_too_small_to_compute_with_is_refused() -> None:
    with pytest.raises(InvalidInput, match="invalid value for option"):
        budget.check({"epsilon": 1e-300})
    assert budget.check({"epsilon": 0}) == {"epsilon": 0}
