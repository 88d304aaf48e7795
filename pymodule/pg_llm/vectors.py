"""Vectors as pgvector writes them: '[0.1,0.2]', which is also a JSON array."""

from __future__ import annotations

import json
import math


def cosine(a: str, b: str) -> float:
    """Cosine similarity of two vector literals of the same length; 0 where one of them has no length."""
    left, right = json.loads(a), json.loads(b)
    dot = sum(x * y for x, y in zip(left, right, strict=True))
    norm = math.hypot(*left) * math.hypot(*right)
    return dot / norm if norm else 0.0
