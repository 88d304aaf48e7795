"""Edit distance between two texts, and whether one may be a misspelling of the other."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

# Longer texts are no words or names, and comparing them takes time.
_MAX_LENGTH = 100
# A misspelling is at least so many times rarer than the right spelling.
_RARER = 5


def edit_distance(one: str, other: str, most: int) -> int:
    """Optimal string alignment distance (insertions, deletions, replacements, swaps of neighbours), `most` + 1 at most.

    See Damerau 1964; no substring is edited twice.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            cost = min(last[j] + 1, row[-1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
        before, last = last, row
    return min(last[-1], most + 1)


@lru_cache(100_000)
def is_similar(one: str, other: str) -> bool:
    """Whether one may be a misspelling of the other: at most a third of the characters differ, and no number."""
    longest = max(len(one), len(other))
    if longest > _MAX_LENGTH or not digits_allow_misspelling(one, other):
        return False
    most = longest // 3 or 1
    # Two different single letters have nothing in common.
    return longest > 1 and edit_distance(one, other, most) <= most


def digits_allow_misspelling(one: str, other: str) -> bool:
    """Whether a misspelling can explain the difference: another digit makes another number.

    A letter among digits may be a misspelling, and a digit among letters.
    """
    if not any(c.isalpha() for c in one + other):
        return False
    return [c for c in one if c.isdigit()] == [c for c in other if c.isdigit()] or (
        any(c.isalpha() for c in one) != any(c.isalpha() for c in other)
    )


def is_misspelling(one: str, other: str, counts: Mapping[str, int]) -> bool:
    """Whether one is like the other and much rarer."""
    return _RARER * counts[one] <= counts[other] and is_similar(one, other)
