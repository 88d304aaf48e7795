"""Attempts to refute an effect: the same estimate where the right answer is known, or should not change.

The refuters of Sharma and Kiciman (DoWhy, 2020): a placebo, a random common cause, and subsets of the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from pg_llm.errors import InvalidInput
from pg_llm.explain.host import causal_estimators
from pg_llm.explain.host.causal_estimators import Estimate, Sample

REPEATS = 5
_SUBSET = 0.8
# A placebo has an effect where chance alone would give one as great so rarely.
_SIGNIFICANCE = 0.01


def refute(method: str, sample: Sample, found: Estimate) -> dict[str, Any]:
    """An object for each refuter: the mean estimate, and whether the effect passed."""
    sample = replace(sample, learners=found.learners)
    generator = np.random.default_rng(0)
    return {
        "placebo": _placebo(method, sample, generator),
        "random_common_cause": _unchanged(method, found, lambda: _with_random_cause(sample, generator)),
        "subset": _unchanged(method, found, lambda: _subset(sample, generator)),
    }


def _placebo(method: str, sample: Sample, generator: Any) -> dict[str, Any]:
    """The treatment of other rows has no effect; nor has one on the outcome of others, where instruments move it."""
    permuted = "outcome" if method == "instrumental_variable" else "treatment"
    estimates = []
    for repeat in range(REPEATS):
        values = generator.permutation(getattr(sample, permuted))
        estimates.append(causal_estimators.estimate(method, replace(sample, **{permuted: values}), repeat + 1))
    score = sum(each.effect / each.error for each in estimates if each.error) / np.sqrt(REPEATS)
    p_value = float(2 * stats.norm.sf(abs(score)))
    mean = float(np.mean([each.effect for each in estimates]))
    return {"estimate": mean, "p_value": p_value, "passed": p_value >= _SIGNIFICANCE}


def _unchanged(method: str, found: Estimate, changed: Callable[[], Sample]) -> dict[str, Any]:
    """Estimates that should be as before: each lies in the interval."""
    try:
        effects = [causal_estimators.estimate(method, changed(), repeat + 1).effect for repeat in range(REPEATS)]
    except InvalidInput:
        return {"estimate": None, "passed": False}
    return {"estimate": float(np.mean(effects)), "passed": all(found.low <= each <= found.high for each in effects)}


def _with_random_cause(sample: Sample, generator: Any) -> Sample:
    cause = generator.normal(size=(len(sample), 1))
    return replace(sample, confounders=np.hstack([sample.confounders, cause]))


def _subset(sample: Sample, generator: Any) -> Sample:
    return sample.take(np.sort(generator.choice(len(sample), round(_SUBSET * len(sample)), replace=False)))
