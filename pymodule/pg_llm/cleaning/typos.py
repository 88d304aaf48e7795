"""Misspellings: a rare value or word that is almost a frequent one of the same column."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from pg_llm.cleaning.distance import alike, edits
from pg_llm.cleaning.exceptions import without_exceptions
from pg_llm.cleaning.table import Opinion, Table

DETECTOR = "typo"
# A frequent spelling is so many times as common as a rare one, and occurs so often.
_RATIO = 20
_LEAST_COMMON = 10
# In a column of ever new words, and for very short values, it must be so many times as common.
_RATIO_OPEN = 100
_SHORT = 3
_LEAST_LENGTH_OPEN = 6
# A column is open if values or words that occur once or twice make up more than this share of it.
_OPEN = 0.05
# Words shorter than this have too many neighbours that are words themselves.
_SHORTEST_WORD = 4
# Values that occur this often or less on average are names: too many of them are almost alike.
_LEAST_REPEATED = 5
_WORDS = re.compile(r"[^\W_]+|[\W_]+")
_NEAREST = 10


def opinions(table: Table) -> Iterator[Opinion]:
    """Whole values in columns of few distinct ones, single words in all."""
    for column, counts in enumerate(table.counts):
        table.pulse()
        if counts:
            yield from without_exceptions(table, column, list(_of_column(table, column, counts)))


def _of_column(table: Table, column: int, counts: Counter[str]) -> Iterator[Opinion]:
    fixed = _values(counts) if counts.total() >= _LEAST_REPEATED * len(counts) else {}
    words = _words(counts)
    for row, value in enumerate(table.columns[column]):
        if not value:
            continue
        if value in fixed:
            new = fixed[value]
            reason = f"{new!r} occurs {counts[new]} times, {value!r} {counts[value]}"
            yield Opinion((row, column), new, _confidence(value, new), DETECTOR, reason)
        elif (new := _spelt(value, words)) != value:
            changed = [(old, words[old]) for old in _WORDS.findall(value) if old in words]
            reason = ", ".join(f"{word!r} occurs often, {old!r} hardly" for old, word in changed)
            yield Opinion((row, column), new, min(_confidence(*pair) for pair in changed), DETECTOR, reason)


def _confidence(old: str, new: str) -> float:
    """Longer words have fewer neighbours by chance."""
    return 0.95 - edits(old, new, 3) / (len(new) + 1)


def _values(counts: Counter[str]) -> dict[str, str]:
    """Rare whole values and what they should be."""
    found = _misspelt(counts, lambda value: min(3, len(value) // 4 or 1))
    # One word for another is no misspelling.
    return {old: new for old, new in found.items() if all(map(alike, old.split(), new.split()))}


def _words(counts: Counter[str]) -> dict[str, str]:
    """Rare words and what they should be; a word counts once for each value that has it, however often that occurs."""
    occurrences: Counter[str] = Counter()
    for value, count in counts.items():
        for word in set(_WORDS.findall(value)):
            if len(word) >= _SHORTEST_WORD and not word.isspace():
                occurrences[word] += count
    return _misspelt(occurrences, lambda word: 1 if len(word) < 9 else 2)


def _spelt(value: str, words: Mapping[str, str]) -> str:
    return "".join(words.get(word, word) for word in _WORDS.findall(value)) if words else value


def _misspelt(counts: Counter[str], most: Callable[[str], int]) -> dict[str, str]:
    common = {value: count for value, count in counts.items() if count >= _LEAST_COMMON}
    open_ended = sum(count for count in counts.values() if count <= 2) > _OPEN * counts.total()
    index: defaultdict[str, list[str]] = defaultdict(list)
    for value in common:
        for part in _bigrams(value):
            index[part].append(value)
    found = {}
    for value, count in counts.items():
        length = len(value.strip())
        if _RATIO * count > max(common.values(), default=0) or (open_ended and length < _LEAST_LENGTH_OPEN):
            continue
        ratio = _RATIO_OPEN if open_ended or length <= _SHORT else _RATIO
        shared = Counter(other for part in _bigrams(value) for other in index[part])
        shared.update(dict.fromkeys((other for other in common if len(other) <= _SHORT), 0))
        near = []
        for other, _ in shared.most_common(_NEAREST):
            allowed = most(value)
            if other != value and common[other] >= ratio * count and _may_be(value, other):
                cost = edits(value, other, allowed)
                if cost <= allowed:
                    near.append((cost, -common[other], other))
        near.sort()
        # Two spellings that are as near as each other: nobody knows.
        if near and (len(near) == 1 or near[0][0] < near[1][0] or near[0][1] <= 10 * near[1][1]):
            found[value] = near[0][2]
    return found


@cache
def _bigrams(value: str) -> frozenset[str]:
    padded = f"\x02{value}\x03"
    return frozenset(padded[place : place + 2] for place in range(len(padded) - 1))


def _may_be(value: str, other: str) -> bool:
    """Another digit is another number, not a misspelling; a letter among digits is one, and a digit among letters."""
    if not any(c.isalpha() for c in value + other):
        return False
    return [c for c in value if c.isdigit()] == [c for c in other if c.isdigit()] or (
        any(c.isalpha() for c in value) != any(c.isalpha() for c in other)
    )
