"""Labels that are probably meant to be one: written otherwise in case, blanks or signs, or misspelt by one letter."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

# Shorter labels, and those that are not so much rarer, may be one letter apart by right; longer ones are sentences.
_MIN_LETTERS, _MAX_LETTERS = 6, 64
_RARER = 5


def find(counts: Counter[str]) -> list[tuple[str, str]]:
    """Pairs of a label and the more frequent one that it is a variant of."""
    found = []
    kept: dict[str, str] = {}
    # Labels by what is left of them without one letter: those that are one misspelling apart share some of it.
    neighbours: dict[str, list[str]] = {}
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        folded = _fold(label)
        if not folded:
            continue
        shortened = _shortened(folded)
        near = [kept[other] for part in sorted(shortened) for other in neighbours.get(part, ())]
        others = [other for other in near if counts[label] * _RARER <= counts[other]]
        misspelt = next((other for other in others if _is_misspelling(folded, _fold(other))), None)
        if other := kept.get(folded) or misspelt:
            found.append((label, other))
            continue
        kept[folded] = label
        for part in shortened:
            neighbours.setdefault(part, []).append(folded)
    return found


def _fold(label: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", label).casefold())


def _shortened(word: str) -> set[str]:
    if not _MIN_LETTERS <= len(word) <= _MAX_LETTERS or not word.isalpha():
        return set()
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}


def _is_misspelling(one: str, other: str) -> bool:
    """Whether a single letter was left out, added or replaced, or two neighbours swapped (Damerau 1964)."""
    short, long = sorted((one, other), key=len)
    start = next((at for at, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(long) - len(short) == 1:
        return short[start:] == long[start + 1 :]
    differing = [at for at, (a, b) in enumerate(zip(short, long, strict=False)) if a != b]
    if len(long) != len(short) or len(differing) > 2:
        return False
    return len(differing) == 1 or short[start : start + 2] == long[start : start + 2][::-1]
