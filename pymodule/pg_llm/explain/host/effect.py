"""The task `effect`: the effect of a treatment on an outcome, and attempts to refute it.

An input is a JSON object of `method`, `outcome` and `treatment`, each a number per row, and `confounders` and
`instruments`, lists of columns. A column is an object of `values`, a number per row, and `levels`: whether these are
numbers of categories. The result is a JSON object of `estimate`, `low`, `high`, `unadjusted` and `refutations`.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from pg_llm.models.engine import Engine
from pg_llm.tasks import WorkItem, worker_process


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One JSON object per input."""
    return [WorkItem((), lambda _, text=text: _worker().call(text)) for text in inputs]  # type: ignore[misc]


@functools.cache
def _worker() -> worker_process.WorkerProcess:
    # Ends with its caller's statement: many rows take minutes.
    return worker_process.WorkerProcess("effect", timeout=None)


def run_in_worker(text: str) -> str:
    """Estimate and refute, in a child process: learners are fitted some hundred times."""
    # Of so few rows threads would wait for each other longer than they work.
    os.environ["OMP_NUM_THREADS"] = "1"
    from pg_llm.explain.host import causal_estimators, refutation

    given = json.loads(text)
    outcome, outcome_scale = _standardized(given["outcome"])
    treatment, treatment_scale = _standardized(given["treatment"])
    parts = [
        outcome,
        treatment,
        _matrix(given["confounders"], len(outcome)),
        _matrix(given["instruments"], len(outcome)),
    ]
    # The order of rows has no meaning, and must not change the answer.
    order = np.lexsort(np.column_stack(parts).T)
    sample = causal_estimators.Sample(*(part[order] for part in parts))
    found = causal_estimators.estimate(given["method"], sample)
    refutations = refutation.refute(given["method"], sample, found)
    scale = outcome_scale / treatment_scale
    for each in refutations.values():
        each["estimate"] = None if each["estimate"] is None else each["estimate"] * scale
    answer = {
        "estimate": found.effect * scale,
        "low": found.low * scale,
        "high": found.high * scale,
        "unadjusted": causal_estimators.unadjusted(sample) * scale,
        "refutations": {**refutations, **found.found, "learners": found.learners},
    }
    return json.dumps(answer)


def _standardized(values: Any) -> tuple[Any, float]:
    """Values of mean 0 and standard deviation 1, and what their unit is; 0 and 1 stay as they are."""
    column = np.asarray(values, dtype=float)
    if np.isin(column, (0.0, 1.0)).all():
        return column, 1.0
    scale = float(column.std())
    return (column - column.mean()) / scale, scale


def _matrix(columns: Sequence[dict[str, Any]], rows: int) -> Any:
    """A column for each number, and for each category but the first; what does not vary is left out."""
    found = []
    for column in columns:
        values = np.asarray(column["values"], dtype=float)
        if column["levels"]:
            found += [(values == level).astype(float) for level in np.unique(values)[1:]]
        elif np.ptp(values):
            found.append(_standardized(values)[0])
    return np.column_stack(found) if found else np.empty((rows, 0))
