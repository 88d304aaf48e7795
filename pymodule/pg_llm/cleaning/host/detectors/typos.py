"""Spelling errors: a rare value or word within a small edit distance of a frequent one of the same column.

Being rare and near a frequent value is no error by itself: how many sound values would be so by chance is estimated
from the column's other values (a local false discovery rate, Efron 2008).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pg_llm.cleaning.host.detectors.edit_distance_index import EditDistanceIndex
from pg_llm.cleaning.host.detectors.similarity import is_similar
from pg_llm.cleaning.host.detectors.systematic_deviations import drop_systematic_deviations
from pg_llm.cleaning.host.table import Finding, Repair, Step, Table

DETECTOR = "typo"
_STEP = Step("rare misspellings as the frequent spelling")
# A frequent spelling is at least so many times as common as a rare one, and occurs at least so often. What is not found
# so is looked for among less frequent ones, whose neighbors are more often sound.
_TRUST = {20: 1.0, 8: 0.9}
_MIN_COMMON = {20: 10, 8: 8}
# A misspelling that is frequent itself is at most one in so many of what is meant (a noisy channel).
_RATIO_OF_COMMON = 20
# A tie between two frequent spellings is broken if one is so many times as common.
_TIE_RATIO = 10
# Shorter words have too many neighbors that are words themselves.
_MIN_WORD_LENGTH = 5
_MIN_PROBABILITY = 0.05
# Values drawn from all over the column to estimate how near one another its values are.
_SAMPLE = 500
# Factor for a repair that yields a value the column does not have.
_UNKNOWN = 0.75
# Pseudo-count of values near another one, and of rare values that are sound, before any was seen.
_PRIOR = 0.5
_CLOSE = 0.2
_MAX_LENGTH = 100
_MAX_TEXT_LENGTH = 1000
_WORDS = re.compile(r"[^\W_]+|[\W_]+")


def detect(table: Table) -> Iterator[Finding]:
    """Misspelt values, and misspelt words inside values; numbers and codes of digits are left out."""
    for position, column in enumerate(table.columns):
        if column.counts and not column.quantities:
            findings = table.findings(position, _repairs(column.counts), DETECTOR)
            yield from drop_systematic_deviations(table, position, findings)


def _repairs(counts: Mapping[str, int]) -> dict[str, Repair]:
    repairs: dict[str, Repair] = {}
    for ratio, trust in _TRUST.items():
        repairs = _repairs_at(counts, ratio, trust) | repairs
    return repairs


def _repairs_at(counts: Mapping[str, int], ratio: int, trust: float) -> dict[str, Repair]:
    values = find_misspellings(counts, _most_edits_of_value, ratio)
    words = _misspelt_words(counts, ratio)
    repairs = {}
    for value, new in values.corrections.items():
        reason = f"{new!r} occurs {counts[new]} times, {value!r} {counts[value]}"
        repairs[value] = Repair(new, values.probability * trust, reason, _STEP)
    for value in counts if words.corrections else ():
        if value in repairs or len(value) > _MAX_TEXT_LENGTH:
            continue
        parts = _WORDS.findall(value)
        changed = [part for part in parts if part in words.corrections]
        if changed:
            new = "".join(words.corrections.get(part, part) for part in parts)
            if new not in counts:
                new = _nearest_frequent(parts, counts, ratio) or new
            if new == value or (trust < 1 and new not in counts):
                continue
            reason = ", ".join(f"{words.corrections[part]!r} occurs often, {part!r} hardly" for part in changed)
            # If the repaired value occurs in the column, that confirms it; otherwise other words may be wrong, too.
            confidence = trust * words.probability ** len(changed) * (1.0 if new in counts else _UNKNOWN)
            repairs[value] = Repair(new, confidence, reason, _STEP)
    return repairs


def _nearest_frequent(parts: Sequence[str], counts: Mapping[str, int], ratio: int) -> str | None:
    """The one frequent value of which every word may have been misspelt so; None if there is none, or are several."""
    found = []
    for value, count in counts.items():
        if count >= _MIN_COMMON[ratio] * ratio and len(value) <= _MAX_LENGTH:
            others = _WORDS.findall(value)
            pairs = zip(parts, others, strict=False)
            if len(others) == len(parts) and all(one == other or is_similar(one, other) for one, other in pairs):
                found.append(value)
    return found[0] if len(found) == 1 else None


def _differ_by_spelling(old: str, new: str) -> bool:
    """Whether each word of one may be a misspelling of the other's: a replaced word is no misspelling."""
    olds, news = _WORDS.findall(old), _WORDS.findall(new)
    if len(olds) != len(news):
        # A space too many or too few.
        return is_similar(old, new)
    pairs = [pair for pair in zip(olds, news, strict=True) if pair[0] != pair[1]]
    return all(is_similar(*pair) and _are_long_enough(*pair) for pair in pairs)


def _are_long_enough(one: str, other: str) -> bool:
    """Whether two words are no other words: of four letters, one may be missing, added or swapped, but not replaced."""
    shorter = min(len(one), len(other))
    if shorter >= _MIN_WORD_LENGTH:
        return True
    return shorter == _MIN_WORD_LENGTH - 1 and (len(one) != len(other) or sorted(one) == sorted(other))


@dataclass(frozen=True, slots=True)
class Misspellings:
    """Rare spellings with the frequent ones that are probably meant, and the probability of each being an error."""

    corrections: Mapping[str, str]
    probability: float


_NONE = Misspellings({}, 0.0)


def _misspelt_words(counts: Mapping[str, int], ratio: int) -> Misspellings:
    occurrences: Counter[str] = Counter()
    for value, count in counts.items():
        # A word that a value repeats counts once.
        for word in set(_WORDS.findall(value[:_MAX_TEXT_LENGTH])):
            if word[0].isalnum() and not word.isdecimal():
                occurrences[word] += count
    return find_misspellings(occurrences, _most_edits_of_word, ratio)


def _most_edits_of_value(value: str) -> int:
    return min(3, len(value) // 4)


def _most_edits_of_word(word: str) -> int:
    return 0 if len(word) < _MIN_WORD_LENGTH else 1 if len(word) < 9 else 2


def find_misspellings(counts: Mapping[str, int], most: Callable[[str], int], ratio: int) -> Misspellings:
    """The misspellings among the keys; `most` gives the largest edit distance for a text, 0 for none.

    A right spelling is at least `ratio` times as frequent.
    """
    short = {value: count for value, count in counts.items() if len(value) <= _MAX_LENGTH}
    common = {value: count for value, count in short.items() if count >= _MIN_COMMON[ratio]}
    highest = max(common.values(), default=0)
    # A difference of case or space is a difference of format.
    folded = Counter(map(_fold, common))
    rare = [
        value
        for value, count in short.items()
        if ratio * count <= highest and folded[_fold(value)] == (value in common)
    ]
    if not common or not rare:
        return _NONE
    index = EditDistanceIndex(common, most)
    sample = rare[:: len(rare) // _SAMPLE + 1]
    corrections = _nearest(sample, index, short, ratio)
    probability = _probability(corrections, sample, index, short, ratio)
    if probability < _MIN_PROBABILITY:
        return _NONE
    if len(sample) < len(rare):
        corrections = _nearest(rare, index, short, ratio)
    return Misspellings(corrections, probability)


def _fold(value: str) -> str:
    return " ".join(value.casefold().split())


def _nearest(
    values: Collection[str], index: EditDistanceIndex, counts: Mapping[str, int], ratio: int
) -> dict[str, str]:
    """The nearest frequent value of each; none where two are as near and about as frequent."""
    nearest: dict[str, str] = {}
    # What is a misspelling itself, and more frequent, is nobody's right spelling.
    for value in sorted(values, key=lambda value: -counts[value]):
        candidates = sorted(
            (distance, -counts[other], other)
            for other, distance in index.neighbors(value)
            if counts[other] >= (ratio if counts[value] < _MIN_COMMON[ratio] else _RATIO_OF_COMMON) * counts[value]
            and other not in nearest
            and _differ_by_spelling(value, other)
        )
        if candidates and (
            len(candidates) == 1
            or candidates[0][0] < candidates[1][0]
            or candidates[0][1] <= _TIE_RATIO * candidates[1][1]
        ):
            nearest[value] = candidates[0][2]
    return nearest


def _probability(
    corrections: Mapping[str, str],
    rare: Collection[str],
    index: EditDistanceIndex,
    counts: Mapping[str, int],
    ratio: int,
) -> float:
    """One minus the false discovery rate: sound values, too, are sometimes near a frequent one.

    How often is seen where neither of two near values is so much rarer that it may be a misspelling of the other.
    """
    if not corrections:
        return 0.0
    sound = sum(value not in corrections for value in rare)
    sample = index.texts[:: len(index.texts) // _SAMPLE + 1]

    def may_both_be_sound(one: str, other: str) -> bool:
        are_alike_frequent = counts[one] < ratio * counts[other] and counts[other] < ratio * counts[one]
        # Two misspellings of one value are near each other.
        return are_alike_frequent and (one not in corrections or corrections[one] != corrections.get(other))

    close = sum(any(may_both_be_sound(value, other) for other, _ in index.neighbors(value)) for value in sample)
    chance = (close + _CLOSE) / (len(sample) + 1)
    expected = (sound + 1) * chance / (1 - chance) if chance < 1 else float(len(corrections))
    return max(0.0, 1 - (expected + _PRIOR) / (len(corrections) + _PRIOR))
