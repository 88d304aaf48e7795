"""Minimisers that are told loss and gradient from afar: `point` is where they want them, `tell` takes them there.

Limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.5) where both are exact, accelerated gradient descent
(Nesterov 1983) where the gradient is noisy or the loss is not told.
"""

from __future__ import annotations

from typing import Protocol

from pg_llm.federation import sums
from pg_llm.federation.sums import Vector

_MEMORY = 10
# Of the decrease that the gradient promises (Armijo).
_ENOUGH = 1e-4
_SHORTER = 0.3
# Length of the first step, where nothing is known of the curvature.
_FIRST_STEP = 5.0
# The least curvature that is believed in, before more of it is seen.
_CURVATURE = 0.05


class Optimizer(Protocol):
    """`best` is where the loss was least, or the last point where none is told."""

    point: Vector
    best: Vector

    def tell(self, loss: float, gradient: Vector) -> bool:
        """Take loss and gradient at `point`; true if it is the new best."""
        ...

    def restart(self) -> None:
        """Ask for loss and gradient of `best` again, as they are of other rows now."""
        ...


class LimitedMemoryBFGS:
    """Starts at zero; a step that does not lower the loss is shortened."""

    def __init__(self, length: int) -> None:
        self.best = self.point = sums.zeros(length)
        self.restart()

    def restart(self) -> None:
        """Forget the curvature, and ask for `best` again."""
        self.point = self.best
        self._loss: float | None = None
        self._gradient = self._direction = sums.zeros(0)
        self._step, self._slope = 1.0, 0.0
        self._pairs: list[tuple[Vector, Vector, float]] = []

    def tell(self, loss: float, gradient: Vector) -> bool:
        """Accept the point if the loss is low enough, and go on from there or with a shorter step."""
        if self._loss is not None and loss > self._loss + _ENOUGH * self._step * self._slope:
            self._step *= _SHORTER
            self.point = sums.add(self.best, self._direction, self._step)
            return False
        if self._loss is not None:
            moved, changed = sums.add(self.point, self.best, -1), sums.add(gradient, self._gradient, -1)
            curvature = sums.dot(moved, changed)
            if curvature > 1e-12:
                self._pairs = [*self._pairs[1 - _MEMORY :], (moved, changed, curvature)]
        self.best, self._loss, self._gradient, self._step = self.point, loss, gradient, 1.0
        self._direction = self._newton_direction()
        self._slope = sums.dot(gradient, self._direction)
        self.point = sums.add(self.best, self._direction)
        return True

    def _newton_direction(self) -> Vector:
        direction = self._gradient
        if not self._pairs:
            length = sums.norm(direction)
            return sums.scaled(direction, -_FIRST_STEP / length if length else 0.0)
        factors = []
        for moved, changed, curvature in reversed(self._pairs):
            factors.append(sums.dot(moved, direction) / curvature)
            direction = sums.add(direction, changed, -factors[-1])
        _, changed, curvature = self._pairs[-1]
        direction = sums.scaled(direction, curvature / sums.dot(changed, changed))
        for moved, changed, curvature in self._pairs:
            direction = sums.add(direction, moved, factors.pop() - sums.dot(changed, direction) / curvature)
        return sums.scaled(direction, -1)


class AcceleratedGradient:
    """Starts at zero; the step is the inverse of the greatest curvature that was seen between two points."""

    def __init__(self, length: int) -> None:
        self.best = self.point = sums.zeros(length)
        self._curvature = _CURVATURE
        self.restart()

    def restart(self) -> None:
        """Go on from `best` without momentum."""
        self.point, self._momentum = self.best, 1.0
        self._before: tuple[Vector, Vector] | None = None

    def tell(self, loss: float, gradient: Vector) -> bool:
        """Take the step, and look ahead of it."""
        if self._before is not None:
            moved = sums.add(self.point, self._before[0], -1)
            changed = sums.add(gradient, self._before[1], -1)
            distance = sums.dot(moved, moved)
            if distance:
                self._curvature = max(self._curvature, sums.dot(moved, changed) / distance)
        self._before = self.point, gradient
        reached = sums.add(self.point, gradient, -1 / self._curvature)
        momentum = (1 + (1 + 4 * self._momentum**2) ** 0.5) / 2
        ahead = (self._momentum - 1) / momentum
        self.point = sums.add(reached, sums.add(reached, self.best, -1), ahead)
        self.best, self._momentum = reached, momentum
        return True
