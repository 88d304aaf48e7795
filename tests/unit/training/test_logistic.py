"""Logistic regression: the same minimum as scikit-learn's, and a regularisation that suits the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pg_llm.training.host import logistic
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression

RNG = np.random.default_rng(7)
CLASSES = RNG.integers(0, 3, 120)
VECTORS = RNG.normal(size=(120, 8)) + RNG.normal(size=(3, 8))[CLASSES]
ONE_HOT = np.eye(3)[CLASSES]


def logits(table: Any) -> Any:
    return VECTORS @ table[:-1] + table[-1]


@pytest.mark.parametrize("strength", [0.3, 10.0])
def test_the_minimum_is_scikit_learns(strength: float) -> None:
    peer = LogisticRegression(C=strength, tol=1e-7, max_iter=5000).fit(VECTORS, CLASSES)
    ours = softmax(logits(logistic.fit(VECTORS, ONE_HOT, False, strength)), axis=1)
    assert ours == pytest.approx(peer.predict_proba(VECTORS), abs=0.01)
    # Each label for itself.
    each = [LogisticRegression(C=strength, tol=1e-7).fit(VECTORS, label == CLASSES) for label in range(3)]
    peers = np.column_stack([model.predict_proba(VECTORS)[:, 1] for model in each])
    assert expit(logits(logistic.fit(VECTORS, ONE_HOT, True, strength))) == pytest.approx(peers, abs=0.02)


def test_sparse_features_are_taken() -> None:
    dense = logistic.fit(VECTORS, ONE_HOT, False, 1.0)
    assert logistic.fit(sparse.csr_matrix(VECTORS), ONE_HOT, False, 1.0) == pytest.approx(dense, abs=1e-3)


def test_noise_is_regularised_more_than_what_can_be_learnt() -> None:
    noise = RNG.integers(0, 3, 120)
    clear = 0.1 * RNG.normal(size=(120, 8)) + np.eye(8)[CLASSES]
    strengths = [logistic.best_strength(clear, np.eye(3)[rows], False, rows, 0) for rows in (noise, CLASSES)]
    assert strengths == [logistic.STRENGTHS[0], logistic.STRENGTHS[-1]]
    assert logistic.best_strength(VECTORS[:3], np.eye(3), False, [0, 1, 2], 0) == logistic.DEFAULT_STRENGTH


def test_folds_have_each_label_alike() -> None:
    codes = np.asarray([0] * 50 + [1] * 5)
    fold = logistic._stratified_folds(codes, 5, 0)
    assert np.bincount(fold[codes == 1]).tolist() == [1] * 5
    assert np.bincount(fold[codes == 0]).tolist() == [10] * 5
