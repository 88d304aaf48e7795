"""Bézier curves of edges: points on them, their SVG path data and their arrow heads."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

Point = tuple[float, float]
_HEAD_LENGTH = 9.0


def point_at(curve: Sequence[Point], share: float) -> Point:
    """The point of a Bézier curve at a parameter from 0 to 1, by de Casteljau's algorithm."""
    points = list(curve)
    while len(points) > 1:
        points = [(a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share) for a, b in itertools.pairwise(points)]
    return points[0]


def path_data(curve: Sequence[Point]) -> str:
    """The attribute `d` of a path; it ends inside the arrow head, so that the tip stays sharp."""
    command = "Q" if len(curve) == 3 else "C"
    tip, near = curve[-1], point_at(curve, 0.97)
    length = math.hypot(tip[0] - near[0], tip[1] - near[1]) or 1.0
    back = _HEAD_LENGTH * 0.7
    end = tip[0] - (tip[0] - near[0]) / length * back, tip[1] - (tip[1] - near[1]) / length * back
    rest = " ".join(f"{x:.1f} {y:.1f}" for x, y in [*curve[1:-1], end])
    return f"M{curve[0][0]:.1f} {curve[0][1]:.1f} {command}{rest}"


def arrow_head(curve: Sequence[Point]) -> str:
    """A polygon at the end of a curve."""
    tip, near = curve[-1], point_at(curve, 0.97)
    direction = math.atan2(tip[1] - near[1], tip[0] - near[0])
    corners = [tip] + [
        (
            tip[0] - _HEAD_LENGTH * math.cos(direction + angle),
            tip[1] - _HEAD_LENGTH * math.sin(direction + angle),
        )
        for angle in (0.42, -0.42)
    ]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return f'<polygon points="{points}" fill="#7b8794"/>'
