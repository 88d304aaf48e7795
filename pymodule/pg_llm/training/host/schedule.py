"""How long and how fast a transformer is trained, where the options leave it to the number of rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

# Updates that a new layer and its encoder need, however few the rows are (CrossNER politics and tweets, other rows than
# those that are reported).
_STEPS = 300
_LEAST_EPOCHS, _MOST_EPOCHS = 4, 30
_SMALL_BATCH, _BATCH = 8, 16
# Rows from which on larger batches leave updates enough.
_MANY_ROWS = 500
_LEARNING_RATES = {
    ("classify", "finetune"): 5e-5,
    ("tag", "finetune"): 5e-5,
    ("entities", "finetune"): 2e-4,
    ("classify", "lora"): 1e-3,
    ("tag", "lora"): 1e-3,
    ("entities", "lora"): 2e-3,
}
# With privacy: the more of the rows a step has, the less its noise counts (descriptions of packages, other rows than
# those that are reported).
_PRIVATE_SHARE = 0.5
_PRIVATE_EPOCHS = 15
_PRIVATE_LEARNING_RATES = {"head": 4.0, "lora": 2e-3}


@dataclass(frozen=True, slots=True)
class Schedule:
    """Passes over the rows at most, epochs without gain before it stops, rows of a step, and AdamW's peak step."""

    epochs: int
    patience: int
    batch_size: int
    learning_rate: float


@dataclass(frozen=True, slots=True)
class PrivatePlan:
    """Steps, the probability of a unit to be in one, and how many that makes; the clip of a gradient; the step size."""

    steps: int
    sample_rate: float
    batch_size: float
    clip: float
    learning_rate: float


def private(method: str, units: int, options: dict[str, Any]) -> PrivatePlan:
    """The plan for so many rows or persons to learn from; an option of 0 is chosen here."""
    batch_size = min(options["batch_size"] or max(1.0, _PRIVATE_SHARE * units), units)
    epochs = options["epochs"] or _PRIVATE_EPOCHS
    rate = batch_size / units
    learning_rate = options["learning_rate"] or _PRIVATE_LEARNING_RATES[method]
    return PrivatePlan(max(1, round(epochs / rate)), rate, batch_size, options["max_grad_norm"], learning_rate)


def of(task: str, method: str, rows: int, options: dict[str, Any]) -> Schedule:
    """The schedule for so many training rows; an option of 0 is chosen here."""
    batch_size = options["batch_size"] or (_SMALL_BATCH if rows < _MANY_ROWS else _BATCH)
    steps = math.ceil(rows / batch_size)
    epochs = options["epochs"] or min(max(math.ceil(_STEPS / steps), _LEAST_EPOCHS), _MOST_EPOCHS)
    patience = options["patience"] or max(3, math.ceil(epochs / 3))
    return Schedule(epochs, patience, batch_size, options["learning_rate"] or _LEARNING_RATES[(task, method)])
