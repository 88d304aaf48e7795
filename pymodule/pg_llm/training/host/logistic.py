"""Multinomial and one-versus-rest logistic regression by L-BFGS, with the minimum that scikit-learn's has.

That is the sum of the losses, times the inverse strength C of the regularisation, plus half the squared weights, with
the bias left free. scikit-learn itself takes longer to import than such a fit takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit, log_softmax

# Inverse strengths, of which the one with the least cross-validated log loss is taken: that calibrates probabilities.
STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
DEFAULT_STRENGTH = 10.0
_FOLDS = 5
_TOLERANCE = 1e-4
_MOST_STEPS = 2000


def fit(vectors: Any, targets: Any, multi_label: bool, strength: float, start: Any = None) -> Any:
    """A table of shape (dimensions + 1, labels): the weights of each label and, last, its bias.

    `targets` has a row of zeros and ones for each vector; `start` is a table to begin from.
    """
    labels = targets.shape[1]
    scale = 1 / (strength * vectors.shape[0])

    def loss(parameters: Any) -> tuple[float, Any]:
        table = parameters.reshape(-1, labels)
        logits = vectors @ table[:-1] + table[-1]
        errors = (expit(logits) if multi_label else np.exp(log_softmax(logits, axis=1))) - targets
        gradient = np.vstack([vectors.T @ errors / vectors.shape[0] + scale * table[:-1], errors.mean(axis=0)])
        return log_loss(logits, targets, multi_label) + 0.5 * scale * (table[:-1] ** 2).sum(), gradient.ravel()

    first = np.zeros((vectors.shape[1] + 1, labels)) if start is None else start
    options = {"gtol": _TOLERANCE, "maxiter": _MOST_STEPS}
    return minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options=options).x.reshape(-1, labels)


def log_loss(logits: Any, targets: Any, multi_label: bool) -> float:
    """The mean over the rows of minus the logarithm of what the right labels were given."""
    if multi_label:
        return -float(np.where(targets > 0, log_expit(logits), log_expit(-logits)).sum(axis=1).mean())
    return -float((log_softmax(logits, axis=1) * targets).sum(axis=1).mean())


def best_strength(vectors: Any, targets: Any, multi_label: bool, groups: Sequence[Any], seed: int) -> float:
    """The strength with the least cross-validated log loss; the folds have the rows of each group alike."""
    _, codes, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    folds = min(_FOLDS, int(counts.min()))
    if folds < 2:
        return DEFAULT_STRENGTH
    fold = _stratified_folds(codes, folds, seed)
    losses = np.zeros(len(STRENGTHS))
    for number in range(folds):
        seen, unseen = fold != number, fold == number
        table = None
        for position, strength in enumerate(STRENGTHS):
            # Each fit begins where the one before, of a slightly stronger regularisation, has ended.
            table = fit(vectors[seen], targets[seen], multi_label, strength, table)
            logits = vectors[unseen] @ table[:-1] + table[-1]
            losses[position] += unseen.sum() * log_loss(logits, targets[unseen], multi_label)
    return STRENGTHS[int(losses.argmin())]


def _stratified_folds(codes: Any, folds: int, seed: int) -> Any:
    """The fold of each row, so that the rows of a code are spread evenly."""
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    ordered = shuffled[np.argsort(codes[shuffled], kind="stable")]
    fold = np.empty(len(codes), dtype=int)
    fold[ordered] = np.arange(len(codes)) % folds
    return fold
