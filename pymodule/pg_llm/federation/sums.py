"""What a peer tells of its rows at given weights: sums over the rows, which add up over peers.

On the wire: little-endian float64, first the gradient in the order of a head's table of (dimensions + 1, labels), its
biases last, then the other sums in the order of their fields.
"""

from __future__ import annotations

import math
import operator
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeAlias

Vector: TypeAlias = "array[float]"
# What follows the gradient.
OTHERS = 6
_SIZE = 8
# Units of the fixed-point numbers that are masked.
MASK_SCALE = 1 << 24
_MODULUS = 1 << 64


@dataclass(slots=True)
class Sums:
    """Gradient and log loss over the rows that are learnt from; of those held back the counts that F1 is made of."""

    gradient: Vector
    loss: float = 0.0
    rows: float = 0.0
    held_back: float = 0.0
    hits: float = 0.0
    predicted: float = 0.0
    actual: float = 0.0

    @classmethod
    def of(cls, values: Vector) -> Sums:
        """The sums that `values` gives."""
        return cls(values[:-OTHERS], *values[-OTHERS:])

    @property
    def values(self) -> Vector:
        """All sums, in order."""
        return self.gradient + array("d", [getattr(self, field.name) for field in fields(self)[1:]])


def zeros(length: int) -> Vector:
    """So many zeros."""
    return array("d", bytes(_SIZE * length))


def add(one: Vector, other: Vector, factor: float = 1.0) -> Vector:
    """The first vector and `factor` times the other."""
    return array("d", [left + factor * right for left, right in zip(one, other, strict=True)])


def scaled(vector: Vector, factor: float) -> Vector:
    """The vector times a number."""
    return array("d", [factor * value for value in vector])


def dot(one: Vector, other: Vector) -> float:
    """Their inner product."""
    return math.fsum(map(operator.mul, one, other))


def norm(vector: Sequence[float]) -> float:
    """Its length."""
    return math.hypot(*vector)


def is_masked(data: bytes, length: int) -> bool:
    """Whether these are so many masked numbers, which look like any."""
    return len(data) == _SIZE * length


def unmasked(masked: Sequence[bytes], length: int) -> Vector:
    """The sum of masked vectors of that length, in which the masks cancel."""
    numbers = [array("Q", data) for data in masked]
    if sys.byteorder == "big":
        for each in numbers:
            each.byteswap()
    totals = (sum(column) % _MODULUS for column in zip(*numbers, strict=True))
    return array("d", [(total - _MODULUS * (total >= _MODULUS // 2)) / MASK_SCALE for total in totals])


def encode(vector: Vector) -> bytes:
    """The vector as it goes over the wire."""
    if sys.byteorder == "big":
        vector = vector[:]
        vector.byteswap()
    return vector.tobytes()


def decode(data: bytes, length: int) -> Vector | None:
    """The vector of that length that the bytes are; None for another length, and for values that are not finite."""
    if len(data) != _SIZE * length:
        return None
    vector = array("d", data)
    if sys.byteorder == "big":
        vector.byteswap()
    return vector if all(map(math.isfinite, vector)) else None
