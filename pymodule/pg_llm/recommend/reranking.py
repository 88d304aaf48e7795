"""Scores of candidate items combined and reordered, without the database.

Maximal marginal relevance (Carbonell and Goldstein 1998) makes a list diverse; items without events are placed by
interpolation between the others.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pg_llm.database.connection import Row
from pg_llm.recommend.options import EPSILON

# A score and the candidate's row, with `number`, `likely` (the transformer's logit) and `fresh` (it has no events).
Scored = tuple[float, Row]


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """An item of the user's history, `steps` back from the latest, with the weights of its neighbors by number."""

    item: str
    number: int
    steps: int
    neighbors: dict[int, float]


def neighbor_scores(history: Iterable[HistoryItem], decay: float) -> dict[int, float]:
    """The weights of the history's neighbors, fading by `decay` per step and normalized to the sum 1."""
    scores: dict[int, float] = {}
    for past in history:
        for number, weight in past.neighbors.items():
            scores[number] = scores.get(number, 0.0) + decay**past.steps * weight
    total = sum(scores.values())
    return {number: score / total for number, score in scores.items()} if total else {}


def rank(candidates: Sequence[Row], neighbors: Mapping[int, float], share: float, lift: float) -> list[Scored]:
    """The candidates by the sum of both scores as logarithms, best first; ties are ranked by number."""
    scored = [
        (row["likely"] + share * math.log(EPSILON + neighbors.get(row["number"], 0.0)), row)
        for row in candidates
        if not row["fresh"]
    ]
    scored += place_fresh([row for row in candidates if row["fresh"]], scored, lift)
    return sorted(scored, key=lambda item: (-item[0], item[1]["number"]))


def place_fresh(fresh: Iterable[Row], others: Sequence[Scored], lift: float) -> list[Scored]:
    """Scores for fresh items, which have no neighbors: where their logit plus `lift` ranks among the others' logits."""
    logits = sorted(row["likely"] for _, row in others)
    scores = sorted(score for score, _ in others)
    placed = []
    for row in fresh:
        score = row["likely"] + lift
        position = bisect.bisect_left(logits, score)
        if logits and position in (0, len(logits)):
            end = min(position, len(logits) - 1)
            score = scores[end] + score - logits[end]
        elif logits:
            fraction = (score - logits[position - 1]) / (logits[position] - logits[position - 1])
            score = scores[position - 1] + fraction * (scores[position] - scores[position - 1])
        placed.append((score, row))
    return placed


def diversify(
    ranked: Sequence[Scored], vectors: Mapping[int, Sequence[float]], diversity: float, limit: int
) -> list[Scored]:
    """The first items of a ranking by maximal marginal relevance, with ranks as relevance and cosines as similarity."""
    numbers = [row["number"] for _, row in ranked]
    units = {number: _normalized(vectors[number]) for number in numbers}
    relevance = {number: 1 - position / len(numbers) for position, number in enumerate(numbers)}
    closest = dict.fromkeys(numbers, 0.0)
    remaining = dict(zip(numbers, ranked, strict=True))
    chosen: list[Scored] = []
    while remaining and len(chosen) < limit:
        best = max(remaining, key=lambda number: (1 - diversity) * relevance[number] - diversity * closest[number])
        chosen.append(remaining.pop(best))
        for number in remaining:
            cosine = sum(a * b for a, b in zip(units[best], units[number], strict=True))
            closest[number] = max(closest[number], cosine)
    return chosen


def _normalized(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


def strongest_neighbors(numbers: Iterable[int], history: Sequence[HistoryItem], decay: float) -> dict[int, str]:
    """For each item that is a neighbor of the history, the item of the history that it follows from most."""
    reasons: dict[int, str] = {}
    for number in numbers:
        weight, past = max(
            ((decay**past.steps * past.neighbors.get(number, 0.0), past) for past in history),
            key=lambda pair: pair[0],
        )
        if weight:
            reasons[number] = past.item
    return reasons
