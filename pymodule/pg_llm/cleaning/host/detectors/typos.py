"""Spelling errors: a rare value or word within a small edit distance of a frequent one of the same column."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pg_llm.cleaning.host.detectors import misspellings
from pg_llm.cleaning.host.detectors.misspellings import Level, Misspelling
from pg_llm.cleaning.host.detectors.similarity import is_similar
from pg_llm.cleaning.host.detectors.systematic_deviations import drop_systematic_deviations
from pg_llm.cleaning.host.table import Finding, Repair, Step, Table

DETECTOR = "typo"
_STEP = Step("rare misspellings as the frequent spelling")
# What is not found at one level is looked for at the next, where neighbors are more often sound, with less trust.
_LEVELS = ((Level(ratio=20, min_rows=10), 1.0), (Level(8, 8), 0.9), (Level(5, 50, min_rare=10), 0.8))
# Factor for a repair that yields a value the column does not have.
_UNKNOWN = 0.75
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
    for level, trust in _LEVELS:
        repairs = _repairs_at(counts, level, trust) | repairs
    return repairs


def _repairs_at(counts: Mapping[str, int], level: Level, trust: float) -> dict[str, Repair]:
    values = misspellings.find(counts, _most_edits_of_value, level)
    words = _misspelt_words(counts, level)
    repairs = {}
    for value, found in values.items():
        reason = f"{found.right!r} occurs {counts[found.right]} times, {value!r} {counts[value]}"
        repairs[value] = Repair(found.right, found.probability * trust, reason, _STEP)
    for value in counts if words else ():
        if value in repairs or len(value) > _MAX_TEXT_LENGTH:
            continue
        parts = _WORDS.findall(value)
        changed = [part for part in parts if part in words]
        if changed:
            new = "".join(words[part].right if part in words else part for part in parts)
            if new not in counts:
                new = _nearest_frequent(parts, counts, level) or new
            if new == value or (trust < 1 and new not in counts):
                continue
            reason = ", ".join(f"{words[part].right!r} occurs often, {part!r} hardly" for part in changed)
            # If the repaired value occurs in the column, that confirms it; otherwise other words may be wrong, too.
            confidence = trust * math.prod(words[part].probability for part in changed)
            repairs[value] = Repair(new, confidence * (1.0 if new in counts else _UNKNOWN), reason, _STEP)
    return repairs


def _nearest_frequent(parts: Sequence[str], counts: Mapping[str, int], level: Level) -> str | None:
    """The one frequent value of which every word may have been misspelt so; None if there is none, or are several."""
    found = []
    for value, count in counts.items():
        if count >= level.min_rows * level.ratio and len(value) <= _MAX_LENGTH:
            others = _WORDS.findall(value)
            pairs = zip(parts, others, strict=False)
            if len(others) == len(parts) and all(one == other or is_similar(one, other) for one, other in pairs):
                found.append(value)
    return found[0] if len(found) == 1 else None


def _misspelt_words(counts: Mapping[str, int], level: Level) -> dict[str, Misspelling]:
    occurrences: Counter[str] = Counter()
    for value, count in counts.items():
        # A word that a value repeats counts once.
        for word in set(_WORDS.findall(value[:_MAX_TEXT_LENGTH])):
            if word[0].isalnum() and not word.isdecimal():
                occurrences[word] += count
    return misspellings.find(occurrences, _most_edits_of_word, level)


def _most_edits_of_value(value: str) -> int:
    return min(3, len(value) // 4)


def _most_edits_of_word(word: str) -> int:
    return 0 if len(word) < misspellings.MIN_WORD_LENGTH else 1 if len(word) < 9 else 2
