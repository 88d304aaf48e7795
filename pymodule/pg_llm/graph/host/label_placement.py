"""Greedy placement of edge labels, each where it overlaps least with what is placed already."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from pg_llm.graph.host.curves import Point

# The side of a cell of the grid, which is more than the distance of two discs that overlap.
_CELL = 48.0

# Center and radius.
Disc = tuple[float, float, float]


class LabelPlacement:
    """Occupied places as discs in a grid; a label is a row of discs along its line of text."""

    def __init__(self, size: float) -> None:
        self._radius = size * 0.6
        self._cells: dict[tuple[int, int], list[Disc]] = defaultdict(list)

    def occupy(self, discs: Iterable[Disc]) -> None:
        """Occupy the places of nodes or labels."""
        for disc in discs:
            self._cells[int(disc[0] // _CELL), int(disc[1] // _CELL)].append(disc)

    def place(self, candidates: Sequence[tuple[Point, float]], width: float) -> tuple[Point, float]:
        """Occupy the candidate with the least overlap, and return it; each is a center and an angle in degrees."""
        best = min(candidates, key=lambda candidate: self._overlap(candidate[0], candidate[1], width))
        self.occupy(self._discs(*best, width))
        return best

    def _overlap(self, center: Point, angle: float, width: float) -> float:
        total = 0.0
        for x, y, radius in self._discs(center, angle, width):
            column, row = int(x // _CELL), int(y // _CELL)
            for cell in itertools.product((column - 1, column, column + 1), (row - 1, row, row + 1)):
                for a, b, other in self._cells.get(cell, ()):
                    total += max(0.0, radius + other - math.hypot(x - a, y - b))
        return total

    def _discs(self, center: Point, angle: float, width: float) -> list[Disc]:
        count = max(1, round(width / (2 * self._radius)))
        radians = math.radians(angle)
        offsets = [(number + 0.5) / count * width - width / 2 for number in range(count)]
        return [
            (center[0] + math.cos(radians) * offset, center[1] + math.sin(radians) * offset, self._radius)
            for offset in offsets
        ]
