"""What a question may mean: a query, and which words of the question became what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interpretation:
    """A query with its score, from 0 to 1; `readings` are phrases of the question with their meanings.

    `choice` is the phrase, with its meaning, by which alone this differs from the best interpretation.
    """

    sql: str
    score: float
    readings: Sequence[tuple[str, str]]
    assumptions: Sequence[str] = ()
    choice: tuple[str, str] | None = None
