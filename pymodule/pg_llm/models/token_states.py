"""Means of token states over parts of a window, as in late chunking (Günther and others 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pg_llm.models.engine import Pooled, Window


def pooled(batch: Sequence[Window], vectors: Any, states: Any) -> list[Any]:
    """The output of each window: its vector, with the means of its parts where it has any.

    `states` has shape (len(batch), longest, width).
    """
    return [
        Pooled(vector, np.stack([_mean(own[slice(*part)]) for part in window.parts])) if window.parts else vector
        for window, vector, own in zip(batch, vectors, states, strict=True)
    ]


def _mean(states: Any) -> Any:
    mean = states.mean(axis=0, dtype=np.float32)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)
