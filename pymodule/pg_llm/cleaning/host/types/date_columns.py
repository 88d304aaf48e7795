"""Columns of dates: the order of day and month that all of their values allow, and the form that most have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

from pg_llm.cleaning.host.types.column_type import ColumnType, Counts
from pg_llm.values.host import dates
from pg_llm.values.host.dates import Date, Order

# Share of the cells that are dates, and of the dates that fit one order.
_MIN_SHARE = 0.9
# Of the values that show an order, at most this share may show another one.
_MAX_CONTRARY = 0.05
# If more do, nothing says what the column's order is.
_MAX_MIXED = 0.35
# The form of a column has this share of its dates, and so many dates with a zero before a digit to one without.
_DOMINANT, _TO_ONE = 0.6, 2
_ZERO = re.compile(r"(?<!\d)0\d(?!\d)")
_TIME_SHARE = 0.5

_MIN_SHOWING = 2

Readings = Mapping[str, list[Date]]
# Dates that one program or person writes alike.
Population = tuple[str, bool, bool, bool]
_Group = TypeVar("_Group", str, Population)


def infer(counts: Counts, locale: str | None = None) -> ColumnType | None:
    """The type of a column of dates, or of times of day; None for another one."""
    found = readings(counts, locale)
    total = sum(counts.values())
    dated = sum(counts[value] for value in found)
    # Among dates, a spreadsheet's serial numbers are dates as well.
    serials = sum(counts[value] for value in counts if dates.of_serial(value)) if 2 * dated >= total else 0
    if dated + serials < _MIN_SHARE * total:
        return _times(counts, total)
    order, ambiguous = order_of(counts, found, locale)
    timed = sum(counts[value] for value, each in found.items() if each[0].time is not None)
    form, language = form_of(counts, found, order)
    name = "timestamp" if timed > _TIME_SHARE * dated else "date"
    return ColumnType(name, (dated + serials) / total, order=order, form=form, language=language, ambiguous=ambiguous)


def readings(counts: Counts, locale: str | None = None) -> Readings:
    """The values that are dates, with all days that each may be."""
    found = {value: dates.readings(value, locale) for value in counts}
    return {value: each for value, each in found.items() if each}


def order_of(counts: Counts, found: Readings, locale: str | None = None) -> tuple[Order | None, bool]:
    """The order of the parts that most of the column's dates show, and whether values stay ambiguous without one.

    It is that of the mark that most numeric dates have: 03/04/2021 is not read as 25.03.2021 is.
    """
    marks: Counter[str] = Counter()
    for value, each in found.items():
        if each[0].order != "YMD" or (each[0].form or "%Y").startswith("%y"):
            marks[mark_of(each[0])] += counts[value]
    shown = _shown(counts, found, mark_of)
    numeric = [mark for mark, _ in marks.most_common() if mark]
    for mark in numeric:
        if mark in shown:
            (best, most), *others = shown[mark].most_common()
            contrary = sum(count for _, count in others)
            is_mixed = contrary > _MAX_CONTRARY * most and any(
                len({reading.day for reading in each}) > 1 for each in found.values()
            )
            return (None if contrary > _MAX_MIXED * most else best), is_mixed
        break
    open_values = any(len({reading.day for reading in each}) > 1 for each in found.values())
    if open_values and locale is not None:
        return dates.order_of(locale), False
    return (None if open_values else _common_order(found)), open_values


def orders_of(counts: Counts, found: Readings, column: ColumnType) -> dict[Population, Order]:
    """The order that the dates of each population are certain to have."""
    shown = _shown(counts, found, population)
    by_mark = _shown(counts, found, mark_of)
    certain: dict[Population, Order] = {}
    for each in {population(readings[0]) for readings in found.values()}:
        for orders in (shown.get(each), by_mark.get(each[0])):
            if orders and orders.total() >= _MIN_SHOWING:
                (best, most), *others = orders.most_common()
                if sum(count for _, count in others) <= _MAX_CONTRARY * most:
                    certain[each] = best
                break
        else:
            if column.order is not None and each[0] and column.form and each[0] in column.form:
                certain[each] = column.order
    return certain


def _shown(counts: Counts, found: Readings, group: Callable[[Date], _Group]) -> dict[_Group, Counter[Order]]:
    """How many cells of each group can be read in one order only, as 25/03/2021 can."""
    shown: dict[_Group, Counter[Order]] = {}
    for value, each in found.items():
        orders = {reading.order for reading in each if reading.order is not None}
        # A year of four digits at the front, or a month's name, tells nothing about 03/04/2021.
        if len(orders) == 1 and each[0].form and "%b" not in each[0].form.lower():
            order = each[0].order
            if order is not None and (order != "YMD" or "%y" in each[0].form):
                shown.setdefault(group(each[0]), Counter())[order] += counts[value]
    return shown


def mark_of(reading: Date) -> str:
    """What stands between the numbers of a date; empty where it is no date of numbers."""
    form = reading.form or ""
    return "" if "%b" in form.lower() else re.sub("%-?[A-Za-z]", "", form)[:1]


def population(reading: Date) -> Population:
    """The mark between a date's numbers, and whether it has a time, a short year, and numbers without zeros before."""
    form = reading.form or ""
    return mark_of(reading), reading.time is not None, "%y" in form, "%-" in form


def _common_order(found: Readings) -> Order | None:
    orders = {each[0].order for each in found.values()}
    return orders.pop() if len(orders) == 1 else None


def form_of(counts: Counts, found: Readings, order: Order | None) -> tuple[str | None, str | None]:
    """The form that most of the dates have, with the language of its months; (None, None) if none has most."""
    forms: Counter[tuple[str | None, str | None]] = Counter()
    padded: Counter[str] = Counter()
    for value, each in found.items():
        reading = next((one for one in each if order in (None, one.order)), each[0])
        if len({one.day for one in each}) == 1 or order is not None:
            bare = reading.form and reading.form.replace("%-", "%")
            forms[bare, reading.language] += counts[value]
            # Two digits fit both forms: 12/11 shows nothing, 05/11 and 5/11 do.
            if bare and reading.form != bare:
                padded[bare] -= _TO_ONE * counts[value]
            elif bare and _ZERO.search(value):
                padded[bare] += counts[value]
    total = sum(counts[value] for value in found)
    if not forms:
        return None, None
    (form, language), most = forms.most_common(1)[0]
    if form and padded[form] < 0:
        form = re.sub("%(?=[md])", "%-", form)
    return (form, language) if _DOMINANT * total <= most else (None, None)


def _times(counts: Counts, total: int) -> ColumnType | None:
    from pg_llm.values.host import times_of_day

    times = sum(count for value, count in counts.items() if times_of_day.parse(value) is not None)
    # Among times, 10.30 is one as well.
    if 2 * times < total:
        return None
    pointed = sum(count for value, count in counts.items() if times_of_day.parse_pointed(value) is not None)
    return ColumnType("time", (times + pointed) / total) if times + pointed >= _MIN_SHARE * total else None
