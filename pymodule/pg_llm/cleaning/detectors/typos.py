"""Misspellings: a rare value or word that is almost a frequent one of the same column.

That one is rare and near a frequent one is no error by itself: how many sound values would be so by chance is estimated
from the column's other values (a local false discovery rate, Efron 2008).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from pg_llm.cleaning.detectors.conditional_rules import without_exceptions
from pg_llm.cleaning.detectors.distance import alike
from pg_llm.cleaning.detectors.nearest_values import Neighbours
from pg_llm.cleaning.table import Opinion, Pulse, Table, watched

DETECTOR = "typo"
# A frequent spelling is so many times as common as a rare one, and occurs so often.
_RATIO = 20
_LEAST_COMMON = 10
# Words shorter than this have too many neighbours that are words themselves.
_SHORTEST_WORD = 5
# Less probable ones are not worth a look.
LEAST = 0.05
# So many values, all over the column, tell how near one another its values are.
_SAMPLE = 500
_UNKNOWN = 0.75
# Before any was seen: values that are near another, and rare ones that are words, names or codes of their own.
_PRIOR = 0.5
_LONGEST = 100
_LONGEST_TEXT = 1000
_WORDS = re.compile(r"[^\W_]+|[\W_]+")


def opinions(table: Table) -> Iterator[Opinion]:
    """Whole values and single words; nothing of numbers and codes of digits."""
    for column, counts in enumerate(table.counts):
        table.pulse()
        if counts and not table.quantities[column]:
            yield from without_exceptions(table, column, list(_of_column(table, column, counts)))


def _of_column(table: Table, column: int, counts: Counter[str]) -> Iterator[Opinion]:
    values = misspelt(counts, _edits_of_value, table.pulse)
    words = _words(counts, table.pulse)
    if not values.of and not words.of:
        return
    for row, value in enumerate(table.watched(table.columns[column])):
        if not value or len(value) > _LONGEST_TEXT:
            continue
        if value in values.of:
            new = values.of[value]
            reason = f"{new!r} occurs {counts[new]} times, {value!r} {counts[value]}"
            yield Opinion((row, column), new, values.probability, DETECTOR, reason)
        elif (new := _spelt(value, words.of)) != value:
            changed = [(old, words.of[old]) for old in _WORDS.findall(value) if old in words.of]
            reason = ", ".join(f"{word!r} occurs often, {old!r} hardly" for old, word in changed)
            # A value that is known after the repair bears it out; others may be wrong in other words, too.
            sure = words.probability ** len(changed) * (1.0 if new in counts else _UNKNOWN)
            yield Opinion((row, column), new, sure, DETECTOR, reason)


def _word_by_word(old: str, new: str) -> bool:
    """Whether each word of one may be a misspelling of the other's: one word for another is none."""
    olds, news = _WORDS.findall(old), _WORDS.findall(new)
    if len(olds) != len(news):
        # A space too many or too few.
        return alike(old, new)
    pairs = [pair for pair in zip(olds, news, strict=True) if pair[0] != pair[1]]
    return all(alike(*pair) and len(min(pair, key=len)) >= _SHORTEST_WORD for pair in pairs)


@dataclass(frozen=True, slots=True)
class Misspelt:
    """Rare spellings with the frequent ones that are probably meant, and how probably."""

    of: Mapping[str, str]
    probability: float


_NOTHING = Misspelt({}, 0.0)


def _words(counts: Counter[str], pulse: Pulse) -> Misspelt:
    """A word counts once for each value that has it, however often that occurs."""
    occurrences: Counter[str] = Counter()
    for value, count in watched(counts.items(), pulse):
        for word in set(_WORDS.findall(value[:_LONGEST_TEXT])):
            if word[0].isalnum() and not word.isdecimal():
                occurrences[word] += count
    return misspelt(occurrences, _edits_of_word, pulse)


def _edits_of_value(value: str) -> int:
    return min(3, len(value) // 4)


def _edits_of_word(word: str) -> int:
    return 0 if len(word) < _SHORTEST_WORD else 1 if len(word) < 9 else 2


def _spelt(value: str, words: Mapping[str, str]) -> str:
    return "".join(words.get(word, word) for word in _WORDS.findall(value)) if words else value


def misspelt(counts: Counter[str], most: Callable[[str], int], pulse: Pulse) -> Misspelt:
    """The misspellings among the keys; `most` says how many edits a value of that length may differ by, 0 for none."""
    short = {value: count for value, count in watched(counts.items(), pulse) if len(value) <= _LONGEST}
    common = {value: count for value, count in watched(short.items(), pulse) if count >= _LEAST_COMMON}
    highest = max(common.values(), default=0)
    # Another case or space is another way of writing, and no misspelling.
    written = {_folded(value) for value in watched(common, pulse)}
    rare = [
        value
        for value, count in watched(short.items(), pulse)
        if _RATIO * count <= highest and _folded(value) not in written
    ]
    if not common or not rare:
        return _NOTHING
    near = Neighbours(watched(common, pulse), most)
    drawn = rare[:: len(rare) // _SAMPLE + 1]
    found = _nearest(drawn, near, short, pulse)
    probability = _probability(found, drawn, near, pulse)
    if probability < LEAST:
        return _NOTHING
    if len(drawn) < len(rare):
        found = _nearest(rare, near, short, pulse)
    return Misspelt(found, probability)


def _folded(value: str) -> str:
    return " ".join(value.casefold().split())


def _nearest(values: Collection[str], near: Neighbours, counts: Mapping[str, int], pulse: Pulse) -> dict[str, str]:
    """The one frequent value that each is nearest to; two that are as near and as frequent tell nothing."""
    found = {}
    for value in values:
        pulse()
        others = sorted(
            (cost, -counts[other], other)
            for other, cost in near.of(value)
            if counts[other] >= _RATIO * counts[value] and _word_by_word(value, other)
        )
        if others and (len(others) == 1 or others[0][0] < others[1][0] or others[0][1] <= 10 * others[1][1]):
            found[value] = others[0][2]
    return found


def _probability(found: Mapping[str, str], rare: Collection[str], near: Neighbours, pulse: Pulse) -> float:
    """The share of those found that no chance explains: sound values, too, are sometimes near a frequent one."""
    if not found:
        return 0.0
    sound = sum(value not in found for value in rare)
    asked = near.texts[:: len(near.texts) // _SAMPLE + 1]
    close = 0
    for value in asked:
        pulse()
        close += any(near.of(value))
    chance = (close + _PRIOR) / (len(asked) + 1)
    expected = (sound + 1) * chance / (1 - chance) if chance < 1 else float(len(found))
    return max(0.0, 1 - (expected + _PRIOR) / (len(found) + _PRIOR))
