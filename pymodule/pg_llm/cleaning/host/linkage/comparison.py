"""Comparison vectors: how far two rows agree in each field, in levels, by the field's kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA, JaroWinkler

from pg_llm.cleaning.host.linkage.fields import Field

Levels = NDArray[np.uint8]
# Levels of agreement, the best first; the last stands for a value that is missing.
SAME, CLOSE, NEAR, OTHER, MISSING = range(5)
_CLOSE_NAME, _NEAR_NAME = 0.92, 0.8
_CLOSE_TEXT, _NEAR_TEXT = 88.0, 70.0
_MIN_CODE = 4


class Comparison:
    """Compares rows of a table in its fields."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.fields = fields
        names = [place for place, field in enumerate(fields) if field.kind == "name"]
        self._swapped = [(one, other) for i, one in enumerate(names) for other in names[i + 1 :]]
        self._shared: dict[tuple[int, int], NDArray[np.int32]] = {}
        for pair in self._swapped:
            self._shared[pair] = _translation(fields[pair[0]], fields[pair[1]])

    def levels(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> Levels:
        """For each pair of rows the level in each field."""
        levels = np.empty((len(first), len(self.fields)), dtype=np.uint8)
        for place, field in enumerate(self.fields):
            levels[:, place] = _field_levels(field, field.codes[first], field.codes[second])
        for one, other in self._swapped:
            self._find_swapped(levels, one, other, first, second)
        return levels

    def _find_swapped(
        self, levels: Levels, one: int, other: int, first: NDArray[np.int64], second: NDArray[np.int64]
    ) -> None:
        """Count first and last name that changed places as close."""
        places = np.flatnonzero((levels[:, one] == OTHER) & (levels[:, other] == OTHER))
        left, right = first[places], second[places]
        of_one, of_other = self.fields[one].codes, self.fields[other].codes
        shared = self._shared[one, other]
        swapped = places[(shared[of_one[left]] == of_other[right]) & (shared[of_one[right]] == of_other[left])]
        levels[swapped, one] = levels[swapped, other] = CLOSE


def _translation(one: Field, other: Field) -> NDArray[np.int32]:
    """For each code of a field the code of the same form in another, -1 if that has not got it."""
    codes = {form: code for code, form in enumerate(other.forms, 1)}
    return np.array([-1, *(codes.get(form, -1) for form in one.forms)], dtype=np.int32)


def _field_levels(field: Field, one: NDArray[np.int32], other: NDArray[np.int32]) -> Levels:
    levels = np.full(len(one), OTHER, dtype=np.uint8)
    levels[one == other] = SAME
    levels[(one == 0) | (other == 0)] = MISSING
    compare = _COMPARISONS.get(field.kind)
    if compare is None:
        return levels
    places = np.flatnonzero(levels == OTHER)
    if not len(places):
        return levels
    low, high = np.minimum(one[places], other[places]), np.maximum(one[places], other[places])
    distinct, inverse = np.unique(low.astype(np.int64) << 32 | high, return_inverse=True)
    forms = field.forms
    left = [forms[code - 1] for code in (distinct >> 32).tolist()]
    right = [forms[code - 1] for code in (distinct & 0xFFFFFFFF).tolist()]
    levels[places] = compare(left, right)[inverse]
    return levels


def _graded(close: NDArray[np.bool_], near: NDArray[np.bool_]) -> Levels:
    return np.where(close, CLOSE, np.where(near, NEAR, OTHER)).astype(np.uint8)


def _names(left: list[str], right: list[str]) -> Levels:
    alike = process.cpdist(left, right, scorer=JaroWinkler.normalized_similarity, score_cutoff=_NEAR_NAME)
    # An initial, or one of two names.
    part = np.fromiter((_is_part(a, b) for a, b in zip(left, right, strict=True)), bool, len(left))
    return _graded(alike >= _CLOSE_NAME, (alike >= _NEAR_NAME) | part)


def _is_part(one: str, other: str) -> bool:
    shorter, longer = (one, other) if len(one) < len(other) else (other, one)
    if len(shorter) == 1:
        return longer.startswith(shorter)
    return longer.startswith(f"{shorter} ") or longer.endswith(f" {shorter}")


def _texts(left: list[str], right: list[str]) -> Levels:
    alike = process.cpdist(left, right, scorer=fuzz.token_sort_ratio, score_cutoff=_NEAR_TEXT)
    return _graded(alike >= _CLOSE_TEXT, alike >= _NEAR_TEXT)


def _codes(left: list[str], right: list[str]) -> Levels:
    distance = process.cpdist(left, right, scorer=OSA.distance, score_cutoff=2)
    shortest = np.fromiter((min(len(a), len(b)) for a, b in zip(left, right, strict=True)), int, len(left))
    part = np.fromiter((a.startswith(b) or b.startswith(a) for a, b in zip(left, right, strict=True)), bool, len(left))
    long = shortest >= _MIN_CODE
    return _graded(long & ((distance <= 1) | part), long & (distance <= 2) & (shortest >= 2 * _MIN_CODE))


def _emails(left: list[str], right: list[str]) -> Levels:
    distance = process.cpdist(left, right, scorer=OSA.distance, score_cutoff=1)
    pairs = zip(left, right, strict=True)
    # Another number is another person's.
    same_number = np.fromiter((_digits(a) == _digits(b) for a, b in pairs), bool, len(left))
    return _graded((distance <= 1) & same_number, np.zeros(len(left), dtype=bool))


def _digits(text: str) -> str:
    return "".join(filter(str.isdecimal, text))


def _dates(left: list[str], right: list[str]) -> Levels:
    distance = process.cpdist(left, right, scorer=OSA.distance, score_cutoff=1)
    pairs = list(zip(left, right, strict=True))
    swapped = np.fromiter((a[:4] + a[6:8] + a[4:6] == b for a, b in pairs), bool, len(left))
    year = np.fromiter((a[:4] == b[:4] or a[4:] == b[4:] for a, b in pairs), bool, len(left))
    return _graded((distance <= 1) | swapped, year)


def _numbers(left: list[str], right: list[str]) -> Levels:
    distance = process.cpdist(left, right, scorer=OSA.distance, score_cutoff=1)
    shortest = np.fromiter((min(len(a), len(b)) for a, b in zip(left, right, strict=True)), int, len(left))
    return _graded((distance <= 1) & (shortest >= _MIN_CODE), np.zeros(len(left), dtype=bool))


_COMPARISONS: dict[str, Callable[[list[str], list[str]], Levels]] = {
    "name": _names,
    "text": _texts,
    "code": _codes,
    "phone": _codes,
    "email": _emails,
    "date": _dates,
    "number": _numbers,
}
