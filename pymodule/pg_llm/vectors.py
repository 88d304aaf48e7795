"""Vectors and their similarity; pgvector writes one as '[0.1,0.2]', which is also a JSON array."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

Vector = Sequence[float]


def parse(literal: str) -> list[float]:
    """The numbers of a vector literal."""
    numbers: list[float] = json.loads(literal)
    return numbers


def inner_product(a: Vector, b: Vector) -> float:
    """The inner product of two vectors of the same length; of unit vectors it is the cosine similarity."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def cosine(a: str | Vector, b: str | Vector) -> float:
    """Cosine similarity of two vectors or vector literals of the same length; 0 where one of them is zero."""
    left, right = (parse(vector) if isinstance(vector, str) else vector for vector in (a, b))
    norm = math.hypot(*left) * math.hypot(*right)
    product = inner_product(left, right)
    return product / norm if norm else 0.0


def normalized(vector: Vector) -> list[float]:
    """The vector at length 1; the zero vector stays as it is."""
    length = math.sqrt(inner_product(vector, vector)) or 1.0
    return [number / length for number in vector]
