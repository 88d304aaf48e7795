"""Edit distance between two texts, for the few that are compared in a backend."""

from __future__ import annotations


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
