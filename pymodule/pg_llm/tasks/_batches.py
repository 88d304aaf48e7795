"""How much work goes into one run of a model."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.models.engine import Encoded


def by_length(units: Sequence[Encoded]) -> list[int]:
    """Positions of the units, shortest first: texts of similar length waste least on padding."""
    return sorted(range(len(units)), key=lambda position: units[position].cost)


def fits(longest: int, size: int, budget: int) -> bool:
    """Whether `size` units padded to `longest` tokens stay within the budget; one unit always does."""
    return size == 1 or longest * size <= budget
