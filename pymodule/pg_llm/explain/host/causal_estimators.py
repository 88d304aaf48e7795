"""The effect of a treatment on an outcome, by scores that small errors of their nuisance models do not move.

Double machine learning (Chernozhukov and others 2018): what the confounders foretell is learnt on other rows than those
that are scored. `doubly_robust` is augmented inverse probability weighting (Robins, Rotnitzky and Zhao 1994),
`partially_linear` the regression of residuals on residuals (Robinson 1988), and `instrumental_variable` the same
with instruments, whose interval holds however weak they are (Anderson and Rubin 1949).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from pg_llm.errors import InvalidInput
from pg_llm.explain.host import nuisance

# Chances of treatment beyond are taken as these, and the share of rows that may have such a chance.
_RAREST, _WITHOUT_OVERLAP = 0.01, 0.05
# The share of a treatment's variance that the confounders must leave.
_LEFT = 0.01
_LEVEL = 0.95
_QUANTILE = float(stats.norm.ppf((1 + _LEVEL) / 2))


@dataclass(frozen=True)
class Sample:
    """Rows in a fixed order: outcome and treatment, and matrices of confounders and instruments."""

    outcome: Any
    treatment: Any
    confounders: Any
    instruments: Any
    learners: dict[str, str] | None = None

    def __len__(self) -> int:
        return len(self.outcome)

    def take(self, rows: Any) -> Sample:
        """Some of the rows."""
        parts = ("outcome", "treatment", "confounders", "instruments")
        return replace(self, **{part: getattr(self, part)[rows] for part in parts})


@dataclass(frozen=True)
class Estimate:
    """An effect with its interval and standard error, the learners that were taken, and what else was found."""

    effect: float
    low: float
    high: float
    error: float
    learners: dict[str, str]
    found: dict[str, Any]


def estimate(method: str, sample: Sample, seed: int = 0) -> Estimate:
    """The effect by one of the methods. Raises InvalidInput where the rows tell nothing of it."""
    return {
        "doubly_robust": _doubly_robust,
        "partially_linear": _partially_linear,
        "instrumental_variable": _instrumental_variable,
    }[method](sample, _Predictions(sample, nuisance.folds(sample.treatment, seed)))


def unadjusted(sample: Sample) -> float:
    """How far the outcome differs with the treatment, whatever else differs too."""
    deviation = sample.treatment - sample.treatment.mean()
    return float(deviation @ sample.outcome / (deviation @ deviation))


class _Predictions:
    """What the confounders foretell of each variable; by a learner that the sample has, or the best one."""

    def __init__(self, sample: Sample, parts: Any) -> None:
        self.learners: dict[str, str] = {}
        self.parts = parts
        self._sample = sample

    def of(self, name: str, target: Any, among: Any = None) -> Any:
        features = self._sample.confounders
        given = self._sample.learners
        learner = given[name] if given else nuisance.best_learner(features, target, self.parts, among)
        self.learners[name] = learner
        return nuisance.predict(features, target, self.parts, learner, among)


def _doubly_robust(sample: Sample, predictions: _Predictions) -> Estimate:
    treated = sample.treatment == 1
    chance = predictions.of("treatment", sample.treatment)
    outside = float(np.mean((chance < _RAREST) | (chance > 1 - _RAREST)))
    if outside > _WITHOUT_OVERLAP:
        raise InvalidInput(
            f"treated and untreated rows do not overlap: of {outside:.0%} of the rows the confounders tell almost for "
            "certain whether they are treated",
            hint="Narrow the query to rows that might have been treated or not, or leave out a confounder that decides "
            "about the treatment alone.",
        )
    chance = np.clip(chance, _RAREST, 1 - _RAREST)
    with_it = predictions.of("outcome if treated", sample.outcome, treated)
    without = predictions.of("outcome if untreated", sample.outcome, ~treated)
    weights = np.where(treated, 1 / chance, -1 / (1 - chance))
    residual = sample.outcome - np.where(treated, with_it, without)
    scores = with_it - without + weights * residual
    effect, error = float(scores.mean()), float(scores.std(ddof=1) / np.sqrt(len(sample)))
    # The mean square of the weights, corrected for errors of the chances; the greater one is the more careful.
    square = np.mean(weights**2)
    square = max(2 * np.mean(1 / chance + 1 / (1 - chance)) - square, square)
    scale = float(np.sqrt(np.mean(residual**2) * square))
    found = {"overlap": {"least": float(chance.min()), "most": float(chance.max()), "outside": outside}}
    return _normal(effect, error, scale, predictions, found)


def _partially_linear(sample: Sample, predictions: _Predictions) -> Estimate:
    outcome = sample.outcome - predictions.of("outcome", sample.outcome)
    treatment, left = _residual(sample.treatment, predictions, "treatment")
    square = float(np.mean(treatment**2))
    effect = float(np.mean(treatment * outcome) / square)
    residual = outcome - effect * treatment
    error = float(np.sqrt(np.mean((residual * treatment) ** 2) / len(sample)) / square)
    scale = float(np.sqrt(np.mean(residual**2) / square))
    return _normal(effect, error, scale, predictions, {"overlap": {"unexplained": left}})


def _residual(values: Any, predictions: _Predictions, name: str) -> tuple[Any, float]:
    """What the confounders do not foretell of a variable, and which share of its variance that is."""
    residual = values - predictions.of(name, values)
    left = float(np.mean(residual**2) / np.var(values))
    if left < _LEFT:
        raise InvalidInput(
            f"the confounders foretell the {name}: they leave {left:.1%} of its variance",
            hint=f"Leave out a confounder that decides about the {name} alone, or that says the same.",
        )
    return residual, left


def _normal(effect: float, error: float, scale: float, predictions: _Predictions, found: dict[str, Any]) -> Estimate:
    low, high = effect - _QUANTILE * error, effect + _QUANTILE * error
    nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    hidden = {"estimate": _robustness_value(effect, scale), "interval": _robustness_value(nearest, scale)}
    return Estimate(effect, low, high, error, predictions.learners, {**found, "hidden_confounder": hidden})


def _robustness_value(effect: float, scale: float) -> float:
    """The share of what is left of both treatment and outcome that a hidden confounder explains to make the effect 0.

    Cinelli and Hazlett 2020; Chernozhukov, Cinelli, Newey, Sharma and Syrgkanis 2022.
    """
    square = (effect / scale) ** 2 if scale else np.inf
    return float((np.sqrt(square**2 + 4 * square) - square) / 2) if np.isfinite(square) else 1.0


def _instrumental_variable(sample: Sample, predictions: _Predictions) -> Estimate:
    outcome = sample.outcome - predictions.of("outcome", sample.outcome)
    treatment = sample.treatment - predictions.of("treatment", sample.treatment)
    instruments = np.column_stack(
        [
            _residual(values, predictions, f"instrument {number}")[0]
            for number, values in enumerate(sample.instruments.T, 1)
        ]
    )
    # One instrument from several: what they foretell of the treatment, learnt on other rows.
    instrument = np.empty(len(sample))
    for seen, unseen in predictions.parts:
        instrument[unseen] = instruments[unseen] @ np.linalg.lstsq(instruments[seen], treatment[seen], rcond=None)[0]
    moved, reduced = instrument * treatment, instrument * outcome
    centre = float(reduced.mean() / moved.mean())
    covariance = np.cov(reduced, moved) / len(sample)
    # The values for which the score's mean is not significantly other than 0: between the roots of a quadratic.
    critical = _QUANTILE**2
    square = moved.mean() ** 2 - critical * covariance[1, 1]
    strength = float(moved.mean() ** 2 / covariance[1, 1])
    if square <= 0 or moved.mean() <= 0:
        raise InvalidInput(
            f"the instruments do not move the treatment (F = {strength:.1f})",
            hint="An instrument changes the chance or the amount of treatment, whatever the confounders are.",
        )
    middle = (reduced.mean() * moved.mean() - critical * covariance[0, 1]) / square
    apart = np.sqrt(max(middle**2 - (reduced.mean() ** 2 - critical * covariance[0, 0]) / square, 0.0))
    error = float(np.std(reduced - centre * moved, ddof=1) / np.sqrt(len(sample)) / abs(moved.mean()))
    found: dict[str, Any] = {"instrument_strength": strength}
    if instruments.shape[1] > 1:
        found["overidentification"] = _overidentification(instruments, outcome - centre * treatment)
    return Estimate(centre, float(middle - apart), float(middle + apart), error, predictions.learners, found)


def _overidentification(instruments: Any, residual: Any) -> dict[str, Any]:
    """Whether instruments contradict each other: the test of Sargan 1958 as Hansen 1982 has it."""
    moments = instruments * residual[:, None]
    mean = moments.mean(axis=0)
    statistic = len(residual) * float(mean @ np.linalg.pinv(np.cov(moments.T)) @ mean)
    p_value = float(stats.chi2.sf(statistic, instruments.shape[1] - 1))
    return {"p_value": p_value, "passed": p_value >= 0.05}
