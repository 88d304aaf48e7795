"""Whether one text may be a misspelling of another, by the edit distance of RapidFuzz."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rapidfuzz.distance import OSA

# Longer texts are no words or names.
_MAX_LENGTH = 100
# A misspelling is at least so many times rarer than the right spelling.
RARER = 5


def edit_distance(one: str, other: str, most: int) -> int:
    """Insertions, deletions, replacements and swaps of neighbours that make one the other, `most` + 1 at most."""
    return OSA.distance(one, other, score_cutoff=most)


def is_similar(one: str, other: str) -> bool:
    """Whether one may be a misspelling of the other: at most a third of the characters differ, and no number."""
    longest = max(len(one), len(other))
    # Two different single letters have nothing in common.
    if not 1 < longest <= _MAX_LENGTH:
        return False
    most = longest // 3 or 1
    return OSA.distance(one, other, score_cutoff=most) <= most and digits_allow_misspelling(one, other)


def digits_allow_misspelling(one: str, other: str) -> bool:
    """Whether a misspelling can explain the difference: another digit makes another number.

    A letter among digits may be a misspelling, and a digit among letters.
    """
    (digits, has_letters), (other_digits, other_has) = _digits_of(one), _digits_of(other)
    return has_letters != other_has or (digits == other_digits and has_letters)


@lru_cache(maxsize=1 << 16)
def _digits_of(text: str) -> tuple[str, bool]:
    """The digits of a text, and whether it has letters."""
    return "".join(filter(str.isdigit, text)), any(map(str.isalpha, text))


def is_misspelling(one: str, other: str, counts: Mapping[str, int]) -> bool:
    """Whether one is like the other and much rarer."""
    return RARER * counts.get(one, 0) <= counts.get(other, 0) and is_similar(one, other)
