"""What confounders alone foretell, predicted for rows that the learner has not seen (cross-fitting).

Of a linear learner, one with squares and products, and boosted trees the one is taken that errs least on the rows left
out (the discrete super learner: van der Laan, Polley and Hubbard 2007).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

FOLDS = 5
LEARNERS = ("linear", "quadratic", "boosted")
# Squares and products need so many rows for each.
_ROWS_PER_TERM = 20
_BOOSTING = {"max_iter": 60, "max_leaf_nodes": 15, "learning_rate": 0.1, "random_state": 0}


def folds(kind: Any, seed: int) -> list[tuple[Any, Any]]:
    """Rows to learn from and rows to predict, in parts that are alike in `kind` where it has two values."""
    splitter: Any = StratifiedKFold if is_binary(kind) else KFold
    split: Iterator[Any] = splitter(FOLDS, shuffle=True, random_state=seed).split(np.zeros(len(kind)), kind)
    return list(split)


def is_binary(values: Any) -> bool:
    """Whether the values are 0 and 1."""
    return bool(np.isin(values, (0.0, 1.0)).all())


def predict(features: Any, target: Any, parts: Any, learner: str, among: Any = None) -> Any:
    """For each row what it is expected to be, by a learner that saw the other parts, of these the rows `among`."""
    predicted = np.empty(len(target))
    for seen, unseen in parts:
        rows = seen if among is None else seen[among[seen]]
        predicted[unseen] = _fit_predict(features[rows], target[rows], features[unseen], learner)
    return predicted


def best_learner(features: Any, target: Any, parts: Any, among: Any = None) -> str:
    """The learner that errs least on rows that it has not seen; the first of equals."""
    rows = np.ones(len(target), dtype=bool) if among is None else among
    losses = {
        learner: _loss(target[rows], predict(features, target, parts, learner, among)[rows])
        for learner in LEARNERS
        if learner != "quadratic" or _terms(features.shape[1]) * _ROWS_PER_TERM <= rows.sum()
    }
    return min(losses, key=losses.__getitem__)


def _terms(width: int) -> int:
    return width * (width + 3) // 2


def _loss(target: Any, predicted: Any) -> float:
    if is_binary(target):
        chance = np.clip(predicted, 1e-3, 1 - 1e-3)
        return float(-np.mean(target * np.log(chance) + (1 - target) * np.log(1 - chance)))
    return float(np.mean((target - predicted) ** 2))


def _fit_predict(features: Any, target: Any, wanted: Any, learner: str) -> Any:
    if not features.shape[1] or np.ptp(target) == 0:
        return np.full(len(wanted), target.mean())
    if is_binary(target):
        model: Any = (
            HistGradientBoostingClassifier(**_BOOSTING)
            if learner == "boosted"
            else _linear(learner, LogisticRegression(max_iter=1000))
        )
        return model.fit(features, target).predict_proba(wanted)[:, 1]
    model = (
        HistGradientBoostingRegressor(**_BOOSTING)
        if learner == "boosted"
        else _linear(learner, RidgeCV(np.logspace(-3, 3, 7)))
    )
    return model.fit(features, target).predict(wanted)


def _linear(learner: str, model: Any) -> Any:
    steps = [PolynomialFeatures(2, include_bias=False), StandardScaler()] if learner == "quadratic" else []
    return make_pipeline(StandardScaler(), *steps, model)
