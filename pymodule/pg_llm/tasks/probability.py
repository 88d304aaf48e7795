"""Logits to probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np


def softmax(logits: Any) -> Any:
    """Softmax along the last axis."""
    shifted = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def sigmoid(logits: Any) -> Any:
    """The logistic function of each logit, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(logits)))
