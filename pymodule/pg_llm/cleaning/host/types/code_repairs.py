"""Codes in another pattern than their column's: other signs, case, lost zeros."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from pg_llm.cleaning.host.types.column_type import ColumnType, Counts, ValueRepair
from pg_llm.values.host import codes
from pg_llm.values.host.characters import plain

_MIN_DOMINANT_SHARE = 0.6
_MIN_COUNT = 5
# Where so many have one build, another one is a slip.
_MIN_STRICT = 0.95
_SURE, _LIKELY, _UNSURE = 0.97, 0.9, 0.75
# One code of digits in ten begins with a zero, in the long run; if more are too short, they are others.
_MAX_SHORT, _MIN_RECURRING = 0.15, 3
_DIGITS = dict(zip("OoIl|SBZ", "00111582", strict=True))
_LETTERS = {"0": "O", "1": "I", "5": "S", "8": "B", "2": "Z"}
# Digits alone, or before a sign.
_ZEROS = re.compile("9{3,}$|9{2,}[-/. ]")
_SIGNS = re.compile(r"[ .()/_-]")


def repairs(counts: Counts, column: ColumnType) -> Iterator[ValueRepair]:
    """Values that hold the letters and digits of the column's one pattern, with its signs."""
    patterns: Counter[str] = Counter()
    for value, count in counts.items():
        patterns[shape(value)] += count
    dominant, most = patterns.most_common(1)[0]
    if most < max(_MIN_COUNT, _MIN_DOMINANT_SHARE * patterns.total()) or not re.search("9", dominant):
        return
    step = f"{column.name}s are written as {dominant}"
    zeros = _has_lost_zeros(counts, dominant)
    short = sum(count for value, count in counts.items() if zeros and _with_zeros(value, dominant))
    for value in counts:
        if shape(value) == dominant:
            continue
        text = plain(value).strip("'\"")
        # Spreadsheets write 12345.0 for a code of digits.
        text = re.sub(r"(?<=\d)\.0+$", "", text) if dominant.isdecimal() else text
        if (new := filled(text, dominant)) is not None and new != value:
            yield ValueRepair(value, new, _SURE, "variant", step, f"most others are written {dominant}")
        elif (new := _retyped(text, dominant)) is not None:
            reason = f"most others are written {dominant}"
            yield ValueRepair(value, new, _LIKELY, "variant", "signs that look alike in codes", reason)
        elif zeros and (padded := _with_zeros(text, dominant)):
            # A code that never has the zero may be another country's.
            is_known = padded in counts
            zeros_before = padded[: len(padded) - len(text)]
            begins_so = any(value.startswith(zeros_before) for value in counts if shape(value) == dominant)
            # Where it recurs without, it is one without.
            is_rare = counts[value] < _MIN_RECURRING and short <= _MAX_SHORT * patterns.total()
            is_lost = is_known or (begins_so and is_rare)
            reason = f"{padded} occurs too" if is_known else "most others have more digits"
            yield ValueRepair(
                value,
                padded if is_lost else None,
                _LIKELY if is_known else _UNSURE,
                "variant",
                "zeros before codes",
                reason,
                not is_lost,
            )
        elif most >= _MIN_STRICT * patterns.total() and _is_broken(text, dominant):
            reason = f"most others are written {dominant}"
            yield ValueRepair(value, None, _LIKELY, "variant", "codes of another build", reason, suspect=True)


def of_checked(counts: Counts, name: str) -> Iterator[ValueRepair]:
    """Codes with check digits in the grouping that most have; those whose check digits are wrong are suspects."""
    is_right = codes.CHECKED[name]
    grouped = sum(count for value, count in counts.items() if value != codes.compact(value))
    total = sum(counts.values())
    for value in counts:
        text = plain(value)
        if not is_right(text.upper()):
            reason = "its check digits are wrong"
            yield ValueRepair(value, None, _LIKELY, "variant", "codes with wrong digits", reason, suspect=True)
            continue
        compact = codes.compact(text).upper()
        if grouped < (1 - _MIN_DOMINANT_SHARE) * total:
            new = compact
        elif grouped > _MIN_DOMINANT_SHARE * total and name == "iban":
            new = " ".join(re.findall(".{1,4}", compact))
        else:
            continue
        if new != value:
            yield ValueRepair(value, new, _SURE, "variant", "codes as most are written", "the same code")


def shape(value: str) -> str:
    """The value with each digit as 9, capital as A and small letter as a."""
    return re.sub("[a-z]", "a", re.sub("[A-Z]", "A", re.sub(r"\d", "9", value)))


def filled(value: str, dominant: str) -> str | None:
    """The value's letters and digits in the dominant shape; None where their number or kind is another."""
    kept = _SIGNS.sub("", value)
    slots = re.sub("[^9Aa]", "", dominant)
    if re.search(_SIGNS, value) and _runs(value) != _runs(dominant):
        # 160-15 is not 16-015.
        return None
    if len(kept) != len(slots) or not kept.isascii() or not kept.isalnum():
        return None
    # Letters tell nothing of their case: ab-12 is AB-12 where all others have capitals.
    if any((slot == "9") != c.isdecimal() for slot, c in zip(slots, kept, strict=True)):
        return None
    return _in_shape(kept, dominant)


def _in_shape(kept: str, dominant: str) -> str:
    characters = iter(kept)
    return "".join(_as(next(characters), slot) if slot in "9Aa" else slot for slot in dominant)


def _retyped(value: str, dominant: str) -> str | None:
    """The value in the dominant shape where letters stand for digits that look alike, or the other way round."""
    if len(value) != len(dominant):
        return None
    made = []
    for character, slot in zip(value, dominant, strict=True):
        if slot == "9":
            character = _DIGITS.get(character, character)
        elif slot in "Aa":
            character = _as(_LETTERS.get(character, character), slot)
        made.append(character)
    new = "".join(made)
    return new if new != value and shape(new) == dominant else None


def _is_broken(value: str, dominant: str) -> bool:
    """Whether a value has the dominant length, and a character of another kind in less than half of its places."""
    if len(value) != len(dominant) or "9" not in dominant:
        return False
    others = sum(one != other for one, other in zip(shape(value), dominant, strict=True))
    return 0 < others < len(dominant) / 2


def _runs(value: str) -> list[int]:
    """The lengths of the parts between signs."""
    return [len(part) for part in _SIGNS.split(value) if part]


def _as(character: str, slot: str) -> str:
    return character.upper() if slot == "A" else character.lower() if slot == "a" else character


def _has_lost_zeros(counts: Counts, dominant: str) -> bool:
    """Whether the codes begin with digits of one length, and some with the zero that spreadsheets take away."""
    if not _ZEROS.match(dominant):
        return False
    return any(value.startswith("0") for value in counts if len(value) == len(dominant))


def _with_zeros(value: str, dominant: str) -> str | None:
    """The value with zeros before it, in the dominant shape; None where zeros alone do not make it so."""
    padded = value.rjust(len(dominant), "0")
    return padded if len(value) < len(dominant) and value[:1].isdecimal() and shape(padded) == dominant else None
