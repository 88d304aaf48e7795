"""Balance edits (Fellegi and Holt 1976): columns of numbers that are nearly everywhere a sum or product of two others.

Where one number of such a row is missing, the others give it; where they do not agree, one of them may be misspelt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pg_llm.cleaning.host.detectors.similarity import edit_distance
from pg_llm.cleaning.host.table import Column, Finding, Step, Table, parse_number

DETECTOR = "balance"
# Share of the rows that an equation holds in, and how many must be no trivial case of it: 0 + 5 = 5, 1 · 5 = 5.
_MIN_SHARE, _MIN_ROWS, _MIN_DISTINCT = 0.9, 20, 10
_MIN_NUMERIC = 0.9
# Rows by which equations are looked for, and columns of numbers that take part.
_SAMPLE, _MAX_COLUMNS = 300, 40
_MIN_USUAL = 0.8
_MAX_CONFIDENCE = 0.97
# Factor where a number is written, with the digits of what the others give.
_MISSPELT = 0.95
# Half of the last decimal, and what binary fractions add.
_TOLERANCE = 0.501
_MAX_NUMBER = 1e12

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Numbers:
    """A column's numbers by row, nan where there is none; the most decimals that one has, the usual ones if any."""

    place: int
    values: Floats
    decimals: int
    usual: int | None

    def written(self, number: float) -> str:
        """A number as the column writes it."""
        digits = self.decimals if self.usual is None else self.usual
        text = format(Decimal(repr(round(number, self.decimals))), f".{digits}f")
        return text if self.usual is not None or "." not in text else text.rstrip("0").rstrip(".")


def detect(table: Table) -> Iterator[Finding]:
    """Cells that an equation gives another number for, or one where they have none."""
    known = [each for place, column in enumerate(table.columns) if (each := _numbers(place, column))][:_MAX_COLUMNS]
    rows = np.arange(table.row_count)[:: table.row_count // _SAMPLE + 1]
    for total in known:
        others = [each for each in known if each is not total]
        for one, other in combinations(others, 2):
            for is_product in (False, True):
                if _holds(total, one, other, is_product, rows, 1):
                    everywhere = np.arange(table.row_count)
                    if _holds(total, one, other, is_product, everywhere, table.row_count // _SAMPLE + 1):
                        yield from _findings(table, total, one, other, is_product)


def _numbers(place: int, column: Column) -> _Numbers | None:
    """None for a column where not nearly all values are plain numbers."""
    few = column.values[:: len(column.values) // _SAMPLE + 1]
    if sum(parse_number(value) is not None for value in few) < len(few) / 2:
        return None
    parsed = [parse_number(value) if value.isascii() else None for value in column.values]
    by_code = np.array([np.nan, *(np.nan if number is None else number for number in parsed)])
    by_code[~(np.abs(by_code) < _MAX_NUMBER)] = np.nan
    numeric = int(column.occurrences[~np.isnan(by_code)].sum())
    if numeric < max(_MIN_ROWS, _MIN_NUMERIC * column.filled):
        return None
    decimals: Counter[int] = Counter()
    for value, number, count in zip(column.values, by_code[1:].tolist(), column.occurrences[1:].tolist(), strict=True):
        if number == number:
            decimals[len(value.partition(".")[2]) if "e" not in value.lower() else 0] += count
    usual, most = decimals.most_common(1)[0]
    # One number with more decimals than the others is a slip.
    often = (each for each, count in decimals.items() if count >= (1 - _MIN_SHARE) * numeric / 2)
    most_decimals = max(often, default=usual)
    is_usual = most >= _MIN_USUAL * numeric
    return _Numbers(place, by_code[column.codes], most_decimals, usual if is_usual else None)


def _made(one: Floats, other: Floats, is_product: bool) -> Floats:
    return one * other if is_product else one + other


def _holds(
    total: _Numbers, one: _Numbers, other: _Numbers, is_product: bool, rows: NDArray[np.int64], times: int
) -> bool:
    """Whether the equation holds in nearly all rows, and in so many that are no trivial case."""
    a, b, c = one.values[rows], other.values[rows], total.values[rows]
    filled = ~np.isnan(a + b + c)
    trivial = (a == 0) | (b == 0) | (((a == 1) | (b == 1)) if is_product else False)
    filled &= ~trivial
    right = np.abs(_made(a, b, is_product) - c)[filled] <= _TOLERANCE * 10.0**-total.decimals
    if len(right) < _MIN_ROWS or right.sum() < _MIN_SHARE * len(right) or right.sum() < _MIN_ROWS * min(times, 2):
        return False
    return len(np.unique(c[filled][right])) >= _MIN_DISTINCT


def _findings(table: Table, total: _Numbers, one: _Numbers, other: _Numbers, is_product: bool) -> Iterator[Finding]:
    a, b, c = one.values, other.values, total.values
    with np.errstate(divide="ignore", invalid="ignore"):
        given = {
            total.place: (total, _made(a, b, is_product), one),
            one.place: (one, c / b if is_product else c - b, total),
            other.place: (other, c / a if is_product else c - a, total),
        }
    difference = np.abs(_made(a, b, is_product) - c)
    agree = difference <= _TOLERANCE * 10.0**-total.decimals
    filled = ~np.isnan(difference)
    share = float(agree[filled].mean())
    names = [table.columns[each.place].name for each in (total, one, other)]
    step = Step(f"as {names[0]} = {names[1]} {'·' if is_product else '+'} {names[2]}")
    single = {each.place: np.isnan(each.values) for each in (total, one, other)}
    missing = sum(mask.astype(int) for mask in single.values()) == 1
    candidates: dict[int, list[tuple[int, str]]] = {}
    for place, (numbers, made, _) in given.items():
        column = table.columns[place]
        for row in np.flatnonzero((missing & single[place]) | (filled & ~agree)).tolist():
            if not np.isfinite(made[row]) or abs(made[row]) >= _MAX_NUMBER:
                continue
            new = numbers.written(float(made[row]))
            if _agrees(float(new), row, place, total, one, other, is_product):
                old = column.value(row)
                if not filled[row] or _is_slip(old, new):
                    candidates.setdefault(row, []).append((place, new))
    for row, found in candidates.items():
        if len(found) != 1:
            continue
        place, new = found[0]
        column = table.columns[place]
        # The more often a column is empty, the likelier it is empty for a reason.
        factor = _MISSPELT if filled[row] else column.filled / table.row_count
        by = given[place][2].place
        yield Finding(
            place,
            np.array([row]),
            new,
            min(_MAX_CONFIDENCE, share) * factor,
            DETECTOR,
            f"{step.description} in {share:.0%} of the rows",
            (by, table.columns[by].value(row)),
            step,
        )


def _is_slip(old: str, new: str) -> bool:
    """Whether the decimal mark is lost or misplaced, or two digits are swapped: another digit may be another number."""
    digits, others = (sorted(filter(str.isdecimal, text)) for text in (old, new))
    return old != new and digits == others and edit_distance(old, new, 2) <= 2


def _agrees(
    new: float, row: int, place: int, total: _Numbers, one: _Numbers, other: _Numbers, is_product: bool
) -> bool:
    """Whether the equation holds with the number as it is written."""
    a, b, c = (new if each.place == place else float(each.values[row]) for each in (one, other, total))
    return abs((a * b if is_product else a + b) - c) <= _TOLERANCE * 10.0**-total.decimals
