"""Numbers that are written otherwise than their column: other marks, units and currencies around them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from pg_llm.cleaning.host.types import number_columns
from pg_llm.cleaning.host.types.column_type import ColumnType, Counts, ValueRepair
from pg_llm.values.host import units
from pg_llm.values.host.characters import plain
from pg_llm.values.host.numbers import Number
from pg_llm.values.host.units import Unit

NUMERIC = frozenset("integer decimal money percent quantity".split())
_DIGITS = re.compile(r"\d(?:.*\d)?|[.,]\d+")
# The column's own writing has at least this share.
_MIN_DOMINANT_SHARE = 0.6
_MIN_COUNT = 5
_MIN_SENTINELS = 3
_SURE, _LIKELY = 0.97, 0.9
_THOUSAND = 1000
# Decimals of a number that arithmetic has left its error in, and the digits that it is true to.
_FLOAT_DECIMALS, _FLOAT_DIGITS = 13, 12
_MAX_NOISY = 0.5


class Writing(NamedTuple):
    """What stands before and after a number's digits."""

    before: str
    after: str


def repairs(counts: Counts, column: ColumnType, named: Unit | None = None) -> Iterator[ValueRepair]:
    """Values in another writing than the column's, in that of the column; converted where the unit is another.

    `named` is the unit that the column's name tells.
    """
    found = number_columns.readings(counts)
    chosen = {value: number_columns.chosen(each, column.decimal_mark) for value, each in found.items()}
    written: Counter[Writing] = Counter()
    for value in found:
        written[_writing(value)] += counts[value]
    if not written:
        return
    writing, most = written.most_common(1)[0]
    if most < _MIN_DOMINANT_SHARE * written.total() or most < _MIN_COUNT:
        return
    group_mark = _group_mark(counts, chosen)
    mark = column.decimal_mark or _most_frequent_mark(counts, found)
    is_mixed = _is_mixed(found, column.decimal_mark)
    unit = next((number.unit for value, number in chosen.items() if _writing(value) == writing), None)
    currency = next((number.currency for value, number in chosen.items() if _writing(value) == writing), None)
    foreign = {number.unit for number in chosen.values()} - {None, unit}
    bare = [number.value for number in chosen.values() if number.unit is None]
    # By arithmetic of 53 bits, 0.056 becomes 0.055999999999999994.
    noisy = {value for value, number in chosen.items() if _has_float_error(number.value)}
    is_noise_rare = sum(counts[value] for value in noisy) < _MAX_NOISY * written.total()
    decimals = min((-_exponent(number.value) for value, number in chosen.items() if value not in noisy), default=0)
    for value in counts:
        if value not in found and (digits := number_columns.retyped(value)):
            yield ValueRepair(value, digits, _LIKELY, "number", "letters that look like digits", "others are numbers")
    for value, number in chosen.items():
        if _is_right(value, number, mark, writing) and group_mark is None and value not in noisy:
            continue
        is_open = len(found[value]) > 1 and (column.decimal_mark is None or is_mixed)
        is_of_another = number.currency and currency and number.currency != currency
        has_no_mark = number.decimal_mark is not None and mark is None
        # 1e-05 is as good as .00001, and 3k may be rounded.
        if is_open or has_no_mark or is_of_another or number.is_scaled or re.search(r"\d[eE]", value):
            continue
        if is_noise_rare and value in noisy:
            number = replace(number, value=_padded(_rounded(number.value), decimals))
        wanted = unit or (named.symbol if named and number.unit else None)
        amount = _in_unit(number, wanted)
        if amount is None or (wanted is not None and number.unit is None):
            # Whether the unit is left out or the number is another one, nothing tells.
            continue
        if wanted is None and number.unit and (len(foreign) > 1 or not min(bare) <= amount <= max(bare)):
            reason = "bare numbers are in one unit, and this one seems to be in another"
            yield ValueRepair(value, None, _LIKELY, "unit", f"numbers in {number.unit}", reason, suspect=True)
            continue
        new = _write(amount, mark, group_mark, writing, value)
        if new != value:
            is_converted = bool(wanted and number.unit and number.unit != wanted)
            confidence = _LIKELY if is_converted or value in noisy else _SURE
            kind = "unit" if is_converted or number.unit != unit else "number"
            example = f"{writing.before}1{f'{mark}5' if mark else ''}{writing.after}"
            step = f"units become {wanted}" if is_converted else f"numbers are written as {example}"
            yield ValueRepair(value, new, confidence, kind, step, "most other numbers are written so")


def sentinels(counts: Counts) -> Iterator[ValueRepair]:
    """-999 and its like among numbers that are none of them negative."""
    found = number_columns.readings(counts)
    nines = [value for value in found if re.fullmatch("-9{2,6}", value)]
    others = [each[0].value for value, each in found.items() if value not in nines]
    if len(nines) == 1 and len(others) >= _MIN_COUNT and min(others) >= 0 and counts[nines[0]] >= _MIN_SENTINELS:
        reason = "no other number is negative, and programs write nines where there is none"
        yield ValueRepair(nines[0], None, _LIKELY, "missing", "numbers that stand for none become NULL", reason)


def _writing(value: str) -> Writing:
    """The text around the digits, a sign left out."""
    match = None if value.isdecimal() else _DIGITS.search(value)
    if match is None:
        return Writing("", "")
    before, after = value[: match.start()].lstrip(), value[match.end() :].rstrip()
    return Writing(re.sub(r"[-+\u2212(]", "", before), re.sub(r"[-)]$", "", after))


def _group_mark(counts: Counts, chosen: dict[str, Number]) -> str | None:
    """The mark by which most numbers above a thousand are grouped."""
    marks: Counter[str] = Counter()
    for value, number in chosen.items():
        if abs(number.value) >= _THOUSAND:
            marks[number.group_mark or ""] += counts[value]
    return marks.most_common(1)[0][0] or None if marks else None


def _most_frequent_mark(counts: Counts, found: number_columns.Readings) -> str | None:
    """The decimal mark that most numbers with one show."""
    marks: Counter[str] = Counter()
    for value, each in found.items():
        if len(each) == 1 and each[0].decimal_mark:
            marks[each[0].decimal_mark] += counts[value]
    mark, most = next(iter(marks.most_common(1)), (None, 0))
    return mark if most >= _MIN_DOMINANT_SHARE * marks.total() else None


def _is_mixed(found: number_columns.Readings, mark: str | None) -> bool:
    """Whether some value shows another decimal mark than the column's, so that 1,234 may mean either."""
    return any(
        len(each) == 1
        and (each[0].decimal_mark not in (None, mark) or (mark is not None and each[0].group_mark == mark))
        for each in found.values()
    )


def _is_right(value: str, number: Number, mark: str | None, writing: Writing) -> bool:
    """Whether digits with nothing around them are what the column has."""
    is_bare = writing == ("", "") and value.replace(".", "", 1).isdecimal()
    return is_bare and number.decimal_mark in (None, mark) and number.group_mark is None


def _has_float_error(value: Decimal) -> bool:
    """Whether it has more decimals than anybody writes, and few of them but for an error at its end."""
    return -_exponent(value) >= _FLOAT_DECIMALS and -_exponent(_rounded(value).normalize()) <= _FLOAT_DECIMALS // 2


def _rounded(value: Decimal) -> Decimal:
    return Decimal(f"{float(value):.{_FLOAT_DIGITS}g}")


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _padded(value: Decimal, decimals: int) -> Decimal:
    """The value with so many decimals at least."""
    return value.quantize(Decimal(1).scaleb(-decimals)) if -_exponent(value) < decimals else value


def _in_unit(number: Number, unit: str | None) -> Decimal | None:
    """The value in the column's unit; None where it cannot be said."""
    if number.unit == unit or number.unit is None or unit is None:
        # A percent sign that the others lack may stand for a hundredth.
        return None if number.unit == "%" and unit is None else number.value
    ours, wanted = units.find(number.unit), units.find(unit)
    return None if ours is None or wanted is None else units.convert(number.value, ours, wanted)


def _write(value: Decimal, mark: str | None, group_mark: str | None, writing: Writing, old: str) -> str:
    match = _DIGITS.search(old)
    assert match is not None
    sign = "-" if value < 0 else ""
    whole, _, decimals = format(abs(value), "f").partition(".")
    is_grouped = group_mark is not None and abs(value) >= _THOUSAND
    # What is not grouped among grouped numbers stays so: a year, a number below ten thousand.
    if is_grouped and not re.search(r"[.,' ]", plain(match[0])[: -len(decimals) or None][:-1]):
        is_grouped = False
    if is_grouped and group_mark:
        whole = f"{int(whole):,}".replace(",", group_mark)
    if whole == "0" and match[0][0] in ".,":
        # Some write .5, which is no error.
        whole = ""
    digits = f"{whole}{mark or '.'}{decimals}" if decimals else whole
    if _writing(old) == writing and plain(old).strip("-+() ") == digits:
        return old
    bracketed = old.strip().startswith("(")
    text = f"{writing.before}{digits}{writing.after}"
    return f"({text})" if bracketed and value < 0 else sign + text
