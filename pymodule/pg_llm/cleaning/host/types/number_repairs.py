"""Numbers that are written otherwise than their column: other marks, units and currencies around them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from pg_llm.cleaning.host.types import number_columns
from pg_llm.cleaning.host.types.column_type import ColumnType, Counts, ValueRepair
from pg_llm.values.host import numbers, units
from pg_llm.values.host.characters import plain
from pg_llm.values.host.numbers import Number
from pg_llm.values.host.units import Unit

NUMERIC = frozenset("integer decimal money percent quantity".split())
_DIGITS = re.compile(r"\d(?:.*\d)?|[.,]\d+")
# The column's own writing has at least this share.
_MIN_DOMINANT_SHARE = 0.6
_MIN_COUNT = 5
_MIN_SENTINELS = 3
# Share of a column's numbers that makes their decimals or their minus the usual one.
_MIN_USUAL = 0.8
# If more of the numbers lack the unit of the others, it is not left out by mistake.
_MAX_BARE = 0.15
# How many times more probable one unit must be than all others for a number without any.
_MIN_ODDS = 10
# Digits and letters in one word; if more of the cells are so, they are codes.
_BROKEN = re.compile(r"-?(?=[^\W_]*\d)(?=\d*[^\W\d_])[\w.,]{2,15} ?[%€$£]?")
_MAX_BROKEN = 0.05
_EXPONENT = re.compile(r"\d[eE][+-]?\d")
_SURE, _LIKELY, _UNSURE = 0.97, 0.9, 0.75
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
    exponents = {value for value in chosen if _EXPONENT.search(value)}
    decimals = _decimals(counts, {value: each for value, each in chosen.items() if value not in noisy | exponents})
    retyped = {value: digits for value in counts if value not in found and (digits := number_columns.retyped(value))}
    for value, digits in retyped.items():
        read = number_columns.chosen(numbers.readings(digits), column.decimal_mark)
        new = _write(read.value, mark, group_mark, writing, digits) if read.unit == unit else digits
        yield ValueRepair(value, new, _LIKELY, "number", "signs that look like digits", "others are numbers")
    yield from _no_numbers(counts, set(found) | set(retyped))
    negative = _negative_style(counts, chosen)
    are_full = _have_all_digits(exponents)
    bare_found = _without_unit(counts, chosen, column)
    for value in bare_found:
        new = _write(chosen[value].value, mark, group_mark, writing, value)
        step = f"numbers are written as {writing.before}1{writing.after}"
        yield ValueRepair(value, new, _UNSURE, "unit", step, "all others have it, and are as large")
    for value, number in chosen.items():
        if value in bare_found:
            continue
        is_whole = column.name == "integer" and number.decimal_mark is not None and _is_whole(number.value)
        if is_whole:
            number = replace(number, value=number.value.to_integral_value(), decimal_mark=None)
        is_turned = number.value < 0 and negative is not None and _style(value) != negative
        is_settled = value not in noisy and not is_whole and not is_turned
        if _is_right(value, number, mark, writing) and group_mark is None and is_settled:
            continue
        if value in exponents:
            # 1e-05 is as good as .00001, and 1.2E+04 may be any number that begins so.
            if abs(number.value) < 1 or 3 * sum(map(counts.__getitem__, exponents)) > written.total():
                continue
            if not are_full and _resolution(value) > -decimals:
                reason = "its last digits may be lost"
                yield ValueRepair(value, None, _LIKELY, "number", "numbers with an exponent", reason, suspect=True)
                continue
            new = _write(_padded(number.value, decimals), mark, group_mark, writing, format(number.value, "f"))
            yield ValueRepair(value, new, _LIKELY, "number", "numbers without exponent", "others have none")
            continue
        if unit is None and number.unit and retyped and re.fullmatch(r"-?\d+[lIOoS]", value):
            digits = number_columns.retyped(value) or ""
            yield ValueRepair(value, digits, _UNSURE, "number", "signs that look like digits", "others are numbers")
            continue
        is_open = len(found[value]) > 1 and (column.decimal_mark is None or is_mixed)
        is_of_another = number.currency and currency and number.currency != currency
        has_no_mark = number.decimal_mark is not None and mark is None
        # 3k may be rounded.
        if is_open or has_no_mark or is_of_another or number.is_scaled:
            continue
        if is_noise_rare and value in noisy:
            number = replace(number, value=_padded(_rounded(number.value), decimals))
        wanted = unit or (named.symbol if named and number.unit else None)
        amount = _in_unit(number, wanted)
        is_bare = (wanted is not None and number.unit is None) or (currency is not None and number.currency is None)
        if amount is None or is_bare:
            # Whether the unit is left out or the number is another one, nothing tells.
            continue
        if wanted is None and number.unit and (len(foreign) > 1 or not min(bare) <= amount <= max(bare)):
            reason = "bare numbers are in one unit, and this one seems to be in another"
            yield ValueRepair(value, None, _LIKELY, "unit", f"numbers in {number.unit}", reason, suspect=True)
            continue
        is_converted = bool(wanted and number.unit and number.unit != wanted)
        amount = _padded(amount, decimals) if is_converted else amount
        new = _write(amount, mark, group_mark, writing, value, negative)
        if new != value:
            confidence = _LIKELY if is_converted or is_whole or is_turned or value in noisy else _SURE
            kind = "unit" if is_converted or number.unit != unit else "number"
            example = f"{writing.before}1{f'{mark}5' if mark else ''}{writing.after}"
            step = f"units become {wanted}" if is_converted else f"numbers are written as {example}"
            yield ValueRepair(value, new, confidence, kind, step, "most other numbers are written so")


def sentinels(counts: Counts) -> Iterator[ValueRepair]:
    """-999 and its like, and -1, among numbers that are none of them negative."""
    found = number_columns.readings(counts)
    marks = [value for value in found if re.fullmatch("-(?:9{2,6}|1)", value)]
    others = [each[0].value for value, each in found.items() if value not in marks]
    nines = sum(counts[value] for value in marks if value != "-1")
    # -1 alone is a number as often as not.
    if nines >= _MIN_SENTINELS and len(others) >= _MIN_COUNT and min(others) >= 0:
        reason = "no other number is negative, and programs write nines where there is none"
        for value in marks:
            step = "numbers that stand for none become NULL"
            # Beside nines, -1 is one of them; still it may be a number.
            yield ValueRepair(value, None, _LIKELY, "missing", step, reason, suspect=value == "-1")


def _without_unit(counts: Counts, chosen: dict[str, Number], column: ColumnType) -> set[str]:
    """The bare numbers of a column where nearly all others have units or currencies, if they are few.

    They are as large as those of the usual one, and much less probable among those of any other one.
    """
    if column.name not in ("money", "percent", "quantity") or column.ambiguous:
        return set()
    bare = {value for value, number in chosen.items() if number.unit is None and number.currency is None}
    cells = sum(counts[value] for value in bare)
    if not cells or cells > _MAX_BARE * sum(counts[value] for value in chosen):
        return set()
    by_unit: defaultdict[tuple[str | None, str | None], list[str]] = defaultdict(list)
    for value, number in chosen.items():
        if value not in bare:
            by_unit[number.unit, number.currency].append(value)
    sizes = [_Sizes([(float(chosen[value].value), counts[value]) for value in values]) for values in by_unit.values()]
    usual = max(sizes, key=lambda each: each.total)
    if usual.total < _MIN_USUAL * sum(each.total for each in sizes):
        return set()
    low, high = usual.quantile(0.02), usual.quantile(0.98)
    found = set()
    for value in bare:
        size = float(chosen[value].value)
        elsewhere = sum(each.near(size) for each in sizes if each is not usual)
        if low <= size <= high and usual.near(size) >= _MIN_ODDS * elsewhere:
            found.add(value)
    return found


class _Sizes:
    """Numbers with how often each occurs."""

    def __init__(self, numbers: list[tuple[float, int]]) -> None:
        numbers.sort()
        self._numbers = np.array([number for number, _ in numbers])
        self._seen = np.cumsum([0, *(count for _, count in numbers)])
        self.total = int(self._seen[-1])

    def quantile(self, share: float) -> float:
        """The number that so many are at most."""
        return float(self._numbers[np.searchsorted(self._seen[1:], share * self.total)])

    def near(self, number: float) -> int:
        """How many are at most a quarter larger or smaller than a number."""
        low, high = sorted((0.75 * number, 1.25 * number))
        first, last = np.searchsorted(self._numbers, low), np.searchsorted(self._numbers, high, "right")
        return int(self._seen[last] - self._seen[first])


def _no_numbers(counts: Counts, known: set[str]) -> Iterator[ValueRepair]:
    """Digits with a letter among them, where nearly all are numbers; ranges and comparisons are none of them."""
    broken = [value for value in counts if value not in known and _BROKEN.fullmatch(value.strip())]
    if sum(counts[value] for value in broken) <= _MAX_BROKEN * sum(counts.values()):
        for value in broken:
            reason = "nearly all others are numbers"
            yield ValueRepair(value, None, _LIKELY, "number", "no numbers", reason, suspect=True)


def _decimals(counts: Counts, chosen: dict[str, Number]) -> int:
    """How many decimals nearly all numbers have, or the fewest that one has."""
    found: Counter[int] = Counter()
    for value, number in chosen.items():
        found[max(0, -_exponent(number.value))] += counts[value]
    if not found:
        return 0
    usual, most = found.most_common(1)[0]
    return usual if most >= _MIN_USUAL * found.total() else min(found)


def _is_whole(value: Decimal) -> bool:
    return value == value.to_integral_value()


def _style(value: str) -> str:
    """How a negative number shows that it is one."""
    text = value.strip()
    return "(" if text.startswith("(") else "-" if "-" in text[:2] else "\u2212" if "\u2212" in text[:2] else "behind"


def _negative_style(counts: Counts, chosen: dict[str, Number]) -> str | None:
    """The sign that most negative numbers have, if that is the minus of programs; None for another one."""
    styles: Counter[str] = Counter()
    for value, number in chosen.items():
        if number.value < 0:
            styles[_style(value)] += counts[value]
    is_usual = styles["-"] >= max(_MIN_COUNT, _MIN_USUAL * styles.total())
    return "-" if is_usual else None


def _have_all_digits(exponents: set[str]) -> bool:
    """Whether numbers with an exponent differ in how many digits they have: a fixed number of them is a rounded one."""
    return len({len(value.partition("E")[0].partition("e")[0].lstrip("-")) for value in exponents}) > 1


def _resolution(value: str) -> int:
    """The exponent of ten of a number's last digit, negated for decimals: above the column's, digits may be lost."""
    return _exponent(Decimal(value.strip()))


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
    is_bare = writing == ("", "") and value.isascii() and value.replace(".", "", 1).isdecimal()
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


def _write(
    value: Decimal, mark: str | None, group_mark: str | None, writing: Writing, old: str, negative: str | None = None
) -> str:
    """The number in the column's writing; `negative` is how it writes the minus, None for as it was."""
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
    is_signed_so = value >= 0 or negative is None or _style(old) == negative
    if _writing(old) == writing and plain(old).strip("-+() ") == digits and old.isascii() and is_signed_so:
        return old
    bracketed = old.strip().startswith("(") and negative is None
    text = f"{writing.before}{digits}{writing.after}"
    return f"({text})" if bracketed and value < 0 else sign + text
