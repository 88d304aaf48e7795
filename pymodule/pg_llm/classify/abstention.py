"""Abstention: where none of the labels is likelier than not, none is given (Chow 1970)."""

from __future__ import annotations

from typing import Any

# Stands among the labels of a result for none of them; no label is empty.
NONE = ""
_LIKELIER_THAN_NOT = 0.5


def with_none(probabilities: Any, applicable: float) -> list[float]:
    """The probabilities of the labels, and at the end that none of them applies; `applicable` that one does."""
    return [*(float(value) * applicable for value in probabilities), 1 - float(applicable)]


def is_none(scores: dict[str, float]) -> bool:
    """Whether none of the labels is likelier than all of them together, where that was asked."""
    return scores.get(NONE, 0.0) >= _LIKELIER_THAN_NOT
