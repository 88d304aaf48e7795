"""How much work goes into one run of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pg_llm.models.engine import Engine, Window
from pg_llm.tasks import passages


def by_length(units: Sequence[Window]) -> list[int]:
    """Positions of the units, shortest first: texts of similar length waste least on padding."""
    return sorted(range(len(units)), key=lambda position: units[position].cost)


def fits(longest: int, size: int, budget: int) -> bool:
    """Whether `size` units padded to `longest` tokens stay within the budget; one unit always does."""
    return size == 1 or longest * size <= budget


def forward(
    run: Callable[[Sequence[Window]], Any], units: Sequence[Window], budget: int, between: Callable[[], object]
) -> list[Any]:
    """The outputs of all units, in order; `between` is called before each batch and may raise."""
    outputs: list[Any] = list(units)
    waiting = by_length(units)
    while waiting:
        between()
        size = 1
        while size < len(waiting) and fits(units[waiting[size]].cost, size + 1, budget):
            size += 1
        batch, waiting = waiting[:size], waiting[size:]
        for position, output in zip(batch, run([outputs[position] for position in batch]), strict=True):
            outputs[position] = output
        waiting = [position for position in batch if isinstance(outputs[position], Window)] + waiting
    return outputs


def embed(model: Engine, texts: Sequence[str]) -> Any:
    """The unit vectors of texts, float32 of shape (len(texts), dimensions); of a long one its first window's."""
    import numpy as np

    windows = passages.first_windows(model, texts)
    return np.asarray(forward(model.forward, windows, model.batch_tokens, lambda: None))
