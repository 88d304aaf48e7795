"""The values of a column by which its type is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

# Distinct values that are looked at: the most frequent ones, and others evenly spread.
_MAX_FREQUENT, _MAX_OTHERS = 1000, 4000


def sample(counts: Mapping[str, int]) -> Counter[str]:
    """At most 5,000 of the values that are not blank, with their counts."""
    filled = Counter({value: count for value, count in counts.items() if value and not value.isspace()})
    if len(filled) <= _MAX_FREQUENT + _MAX_OTHERS:
        return filled
    chosen = Counter(dict(filled.most_common(_MAX_FREQUENT)))
    others = [value for value in filled if value not in chosen]
    step = len(others) / _MAX_OTHERS
    for number in range(_MAX_OTHERS):
        value = others[int(number * step)]
        chosen[value] = filled[value]
    return chosen
