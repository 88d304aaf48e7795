"""Vectors as pgvector writes them: '[0.1,0.2]', which is also a JSON array."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence


def cosine(a: str, b: str) -> float:
    """Cosine similarity of two vector literals of the same length; 0 where one of them has no length."""
    left, right = json.loads(a), json.loads(b)
    norm = math.hypot(*left) * math.hypot(*right)
    return dot(left, right) / norm if norm else 0.0


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    """The inner product: the cosine similarity of vectors of length 1."""
    return sum(x * y for x, y in zip(a, b, strict=True))
