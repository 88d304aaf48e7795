"""Columns of numbers: integers, decimals, amounts of money, percentages and quantities, and their decimal mark."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from pg_llm.cleaning.host.types.column_type import ColumnType, Counts
from pg_llm.values.host import numbers
from pg_llm.values.host.numbers import Number

_MIN_SHARE = 0.9
# Of the values that show a decimal mark, at most this share may show another one.
_MAX_CONTRARY = 0.05
# A unit or currency that so many of the numbers carry is the column's.
_UNIT_SHARE = 0.5
_LOOK_ALIKE = str.maketrans("OolI|S", "001115")
# Share of an integer column's numbers that may be written with decimals of zero.
_MAX_WHOLE_DECIMALS = 0.3
_MAX_LENGTH = 30
# So many different numbers below a thousand tell what a mark in the larger ones is.
_MIN_SMALL = 3

Readings = Mapping[str, list[Number]]


def infer(counts: Counts, locale: str | None = None) -> ColumnType | None:
    """The type of a column of numbers; None for another one."""
    found = readings(counts)
    total = sum(counts.values())
    numeric = sum(counts[value] for value in found)
    # Among numbers, 1O0 is one as well.
    mistyped = sum(counts[value] for value in counts if value not in found and retyped(value))
    if 2 * numeric < total or numeric + mistyped < _MIN_SHARE * total or any(_is_padded(value) for value in counts):
        return None
    mark, ambiguous = decimal_mark_of(counts, found, locale)
    with_unit: Counter[str] = Counter()
    with_currency: Counter[str] = Counter()
    decimals = parts = 0
    for value, each in found.items():
        number = chosen(each, mark)
        with_unit[number.unit or ""] += counts[value]
        with_currency[number.currency or ""] += counts[value]
        decimals += counts[value] if number.decimal_mark else 0
        parts += counts[value] if number.value != number.value.to_integral_value() else 0
    share = (numeric + mistyped) / total
    if numeric - with_currency[""] > _UNIT_SHARE * numeric:
        return ColumnType("money", share, mark, unit=_most(with_currency), ambiguous=ambiguous)
    if numeric - with_unit[""] > _UNIT_SHARE * numeric:
        unit = _most(with_unit)
        return ColumnType("percent" if unit == "%" else "quantity", share, mark, unit=unit, ambiguous=ambiguous)
    # Here and there a spreadsheet writes 3.0 for 3.
    is_integer = parts == 0 and decimals <= _MAX_WHOLE_DECIMALS * numeric
    return ColumnType("integer" if is_integer else "decimal", share, mark, ambiguous=ambiguous)


def readings(counts: Counts) -> Readings:
    """The values that are numbers, with all numbers that each may be."""
    found = {value: numbers.readings(value) for value in counts}
    return {value: each for value, each in found.items() if each}


def decimal_mark_of(counts: Counts, found: Readings, locale: str | None = None) -> tuple[str | None, bool]:
    """The decimal mark that the column shows, and whether values stay ambiguous without one.

    1,5 shows a comma, 1,234.5 a point; 1,234 and 1.234 show nothing, and a grouping mark shows which one it is not.
    """
    shown: Counter[str] = Counter()
    open_values = 0
    for value, each in found.items():
        if len(each) > 1:
            open_values += 1
        elif each[0].decimal_mark:
            shown[each[0].decimal_mark] += counts[value]
        elif each[0].group_mark in (",", "."):
            shown["." if each[0].group_mark == "," else ","] += counts[value]
    if not shown and open_values and (mark := _mark_by_small_numbers(found)):
        return mark, False
    if not shown:
        if open_values and locale is not None:
            return numbers.locale_marks(locale)[0], False
        return None, bool(open_values)
    (best, most), *others = shown.most_common()
    if sum(count for _, count in others) > _MAX_CONTRARY * most:
        return None, bool(open_values)
    return best, False


def _mark_by_small_numbers(found: Readings) -> str | None:
    """The decimal mark of a column where 1,234 stands beside 900: fixed decimals would make 900,000 of that.

    It is the mark that does not group, where all marks are one and all numbers without it are below a thousand.
    """
    marks = {number.group_mark for each in found.values() for number in each if number.group_mark}
    bare = [each[0].value for each in found.values() if len(each) == 1]
    if len(marks) != 1 or len(bare) < _MIN_SMALL or any(abs(value) >= 1000 for value in bare):
        return None
    return {",": ".", ".": ","}.get(marks.pop())


def retyped(value: str) -> str | None:
    """A number in which letters stand for the digits that they look like, or that has a space beside its mark, mended.

    None for another value.
    """
    if len(value) > _MAX_LENGTH or not re.search(r"\d", value) or not re.fullmatch(r"[\dOolIS|., +-]+", value):
        return None
    digits = re.sub(r"(?<=\d) ?([.,]) ?(?=\d)", r"\1", value.translate(_LOOK_ALIKE).strip())
    return digits if digits != value and numbers.readings(digits) else None


def _is_padded(value: str) -> bool:
    """Whether it is a code of digits: numbers have no zeros before them."""
    return len(value) > 1 and value[0] == "0" and value.isdecimal()


def chosen(found: list[Number], mark: str | None) -> Number:
    """The reading that a column's decimal mark decides for; the first one where it decides nothing."""
    if len(found) == 1 or mark is None:
        return found[0]
    for number in found:
        if number.decimal_mark == mark or (number.group_mark is not None and number.group_mark != mark):
            return number
    return found[0]


def _most(counted: Counter[str]) -> str | None:
    named = Counter({name: count for name, count in counted.items() if name})
    return named.most_common(1)[0][0] if named else None
