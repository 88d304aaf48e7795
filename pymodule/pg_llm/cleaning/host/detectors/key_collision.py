"""Values that equal a frequent one of their column but for signs, space, accents and case (key collision).

The method is that of OpenRefine's clustering; here digits count, and the frequent writing is the right one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping

from pg_llm.cleaning.host.table import Finding, Repair, Step, Table
from pg_llm.values.host import spellings
from pg_llm.values.host.characters import folded

DETECTOR = "variant"
_STEP = Step("one writing of values that differ by signs and accents")
_LIKELY, _UNSURE = 0.9, 0.75
# A frequent writing is so many times as common as a variant of it. Accents get lost more often than they are added, so
# that one occurrence with them counts as many without.
_RATIO, _MIN_FREQUENT, _OF_ACCENTS = 3, 4, 12
# Letters of a key; shorter ones are codes.
_MIN_LETTERS = 4
_MAX_LENGTH = 80
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "å": "aa", "ø": "oe", "æ": "ae", "œ": "oe"})


def detect(table: Table) -> Iterator[Finding]:
    """Such values of columns of words, as the most frequent one."""
    for position, column in enumerate(table.columns):
        if column.counts and not column.quantities and not column.is_key:
            yield from table.findings(position, _repairs(column.counts), DETECTOR)


def _repairs(counts: Mapping[str, int]) -> dict[str, Repair]:
    by_key: defaultdict[str, list[str]] = defaultdict(list)
    for value in counts:
        if len(value) <= _MAX_LENGTH:
            for key in {_key(value), _key(value.lower().translate(_UMLAUTS))}:
                if sum(map(str.isalpha, key)) >= _MIN_LETTERS:
                    by_key[key].append(value)
    repairs: dict[str, Repair] = {}
    for group in by_key.values():
        if len(group) == 1:
            continue
        best = max(group, key=lambda value: (counts[value] * _weight(value), value))
        for value in group:
            is_rare = _RATIO * counts[value] * _weight(value) <= counts[best] * _weight(best)
            # Helene is another name than Hélène, whatever accents weigh.
            if is_rare and _is_attested(value) and _letters(value) != _letters(best):
                is_rare = _RATIO * counts[value] <= counts[best]
            if value == best or not is_rare or counts[best] < _MIN_FREQUENT or not _may_be_variants(value, best):
                continue
            # Newtown and New Town are two towns.
            is_joined = value.replace(" ", "").casefold() == best.replace(" ", "").casefold()
            confidence = _LIKELY if _letters(value) == _letters(best) and not is_joined else _UNSURE
            repairs[value] = Repair(best, confidence, f"{best!r} occurs {counts[best]} times", _STEP)
    return repairs


def _is_attested(value: str) -> bool:
    return all(map(spellings.is_attested, re.findall(r"[^\W\d_]+", value)))


def _weight(value: str) -> int:
    return 1 if value.isascii() else _OF_ACCENTS


def _key(value: str) -> str:
    return folded(value).replace(" ", "")


def _may_be_variants(one: str, other: str) -> bool:
    """Whether their numbers are the same, and they differ by more than case and space, which others compare."""
    if re.findall(r"\d+", one) != re.findall(r"\d+", other):
        return False
    return " ".join(one.casefold().split()) != " ".join(other.casefold().split())


def _letters(value: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFC", value).casefold() if c.isalpha())
