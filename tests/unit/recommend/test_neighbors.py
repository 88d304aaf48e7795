from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pg_llm.recommend.host import neighbors
from scipy import sparse

USERS = [[0, 1, 2, 1, 1], [3], [2, 0], [4, 4, 0, 1]]
WEIGHTS = [[1.0, 0.5, 2.0, 1.0, 1.0], [1.0], [3.0, 0.1], [1.0, 1.0, 0.5, 1.0]]
ITEMS = 6


def events() -> tuple[list[Any], list[Any]]:
    return [np.asarray(each) for each in USERS], [np.asarray(each, dtype=np.float32) for each in WEIGHTS]


def plain(backward: float) -> Any:
    """Pair by pair, as the module says it."""
    found, frequency = np.zeros((ITEMS, ITEMS)), np.zeros(ITEMS)
    for user, weights in zip(USERS, WEIGHTS, strict=True):
        for at, first in enumerate(user):
            frequency[first] += weights[at]
            for later in range(at + 1, len(user)):
                value = (weights[at] * weights[later]) ** 0.5 * np.exp(-(later - at) / 10)
                found[first, user[later]] += value
                found[user[later], first] += backward * value
    np.fill_diagonal(found, 0)
    return found / (frequency + 10)[:, None] / np.maximum(frequency, 1) ** 0.3


@pytest.mark.parametrize("backward", [0.3, 1.0])
def test_weights_are_those_of_all_pairs(backward: float) -> None:
    found = neighbors.weights(*events(), ITEMS, 10, backward)
    assert found.shape == (ITEMS, ITEMS)
    assert found.dtype == np.float32
    assert found.has_canonical_format
    assert np.allclose(found.toarray(), plain(backward), rtol=1e-5)
    # An item without company, and one without events, speak for nothing.
    assert found.indptr[4] == found.indptr[3]
    assert found.indptr[6] == found.indptr[5]


def test_the_strongest_of_each_row_are_left() -> None:
    random = np.random.default_rng(3)
    # Few different values, so that there are ties; short rows, full ones and empty ones.
    whole = random.integers(0, 5, (40, 30)) * (random.random((40, 1)) < random.random((40, 30)))
    whole[[0, 17, 39]] = 0
    whole[5] = 2
    found = neighbors.keep_strongest(sparse.csr_matrix(whole.astype(np.float64)), 7).toarray()
    for row, left in zip(whole, found, strict=True):
        assert sorted(left[left > 0]) == sorted(value for value in sorted(row)[-7:] if value)
        assert (left[left > 0] == row[left > 0]).all()


def test_what_neighbours_say_is_in_sum_one() -> None:
    near = neighbors.weights(*events(), ITEMS, 10, 0.5)
    histories = [np.asarray(each) for each in ([0, 2], [5, 0, 1], [3])]
    found = list(neighbors.scores(near, histories, 0.5, 2))
    dense = near.toarray()
    expected = [0.5 * dense[0] + dense[2], 0.5 * dense[0] + dense[1]]
    for said, plainly in zip(found, expected, strict=False):
        assert said.dtype == np.float32
        assert np.allclose(said, plainly / plainly.sum(), rtol=1e-5)
    assert len(found) == 3
    assert not found[2].any()
