"""Blocking for entity resolution: pairs of texts that share rare words, found in the session without numpy."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations

from pg_llm.cleaning.interruptible import interruptible

# A word that more rows share is no blocking key: it tells nothing, and would make too many pairs.
MAX_BLOCK_SIZE = 30
# Prefixes of words are blocking keys too, so that a misspelling does not separate duplicates.
_PREFIX_LENGTH = 4
# Pairs must share so many keys; a key that at most `_RARE` rows have is enough by itself.
_MIN_SHARED = 2
_RARE = 5
_MAX_LENGTH = 200
_WORDS = re.compile(r"\w+")


def candidate_pairs(
    columns: Iterable[Sequence[str | None]], poll: Callable[[], object] = lambda: None
) -> Iterator[tuple[int, int]]:
    """Pairs of rows, the smaller first, that share rare blocking keys in some column."""
    blocks: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for number, column in enumerate(columns):
        for row, value in enumerate(interruptible(column, poll)):
            for key in _blocking_keys(value):
                blocks[number, key].append(row)
    shared: Counter[tuple[int, int]] = Counter()
    for rows in interruptible(blocks.values(), poll):
        if 2 <= len(rows) <= MAX_BLOCK_SIZE:
            for pair in combinations(rows, 2):
                shared[pair] += _MIN_SHARED if len(rows) <= _RARE else 1
    return (pair for pair, count in interruptible(shared.items(), poll) if count >= _MIN_SHARED)


def _blocking_keys(value: str | None) -> set[str]:
    words = _WORDS.findall((value or "")[:_MAX_LENGTH].casefold())
    return {*words, *(f"{word[:_PREFIX_LENGTH]}…" for word in words if len(word) > _PREFIX_LENGTH)}
