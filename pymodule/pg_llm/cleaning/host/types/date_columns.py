"""Columns of dates: the order of day and month that all of their values allow, and the form that most have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pg_llm.cleaning.host.types.column_type import ColumnType, Counts
from pg_llm.values.host import dates
from pg_llm.values.host.dates import Date, Order

# Share of the cells that are dates, and of the dates that fit one order.
_MIN_SHARE = 0.9
# Of the values that show an order, at most this share may show another one.
_MAX_CONTRARY = 0.05
_TIME_SHARE = 0.5

Readings = Mapping[str, list[Date]]


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
    """The order of the parts that the column shows, and whether values stay ambiguous without one.

    A value that only one order can read (25/03/2021) shows it.
    """
    shown: Counter[Order] = Counter()
    open_values = 0
    for value, each in found.items():
        orders = {reading.order for reading in each if reading.order is not None}
        if len({reading.day for reading in each}) > 1:
            open_values += 1
        # A year of four digits at the front, or a month's name, tells nothing about 03/04/2021.
        elif len(orders) == 1 and each[0].form and "%b" not in each[0].form.lower():
            order = each[0].order
            if order is not None and (order != "YMD" or "%y" in each[0].form):
                shown[order] += counts[value]
    if not shown:
        if open_values and locale is not None:
            return dates.order_of(locale), False
        order = _common_order(found)
        return (None if open_values else order), bool(open_values)
    (best, most), *others = shown.most_common()
    contrary = sum(count for _, count in others)
    if contrary > _MAX_CONTRARY * most:
        return None, bool(open_values)
    return best, False


def _common_order(found: Readings) -> Order | None:
    orders = {each[0].order for each in found.values()}
    return orders.pop() if len(orders) == 1 else None


def form_of(counts: Counts, found: Readings, order: Order | None) -> tuple[str | None, str | None]:
    """The form that most of the dates have, with the language of its months; (None, None) if none has two thirds."""
    forms: Counter[tuple[str | None, str | None]] = Counter()
    for value, each in found.items():
        reading = next((one for one in each if order in (None, one.order)), each[0])
        if len({one.day for one in each}) == 1 or order is not None:
            forms[reading.form, reading.language] += counts[value]
    total = sum(counts[value] for value in found)
    if not forms:
        return None, None
    padded = _as_padded(forms)
    (form, language), most = padded.most_common(1)[0]
    return (form, language) if 3 * most >= 2 * total else (None, None)


def _as_padded(forms: Counter[tuple[str | None, str | None]]) -> Counter[tuple[str | None, str | None]]:
    """The same with 12/11 counted where 1/5 stands as %-d, and with 12/11 as %d: two digits fit both forms."""
    joined: Counter[tuple[str | None, str | None]] = Counter()
    bare = {form for form, _ in forms if form and "%-" in form}
    for (form, language), count in forms.items():
        if form is None:
            joined[form, language] += count
            continue
        fitting = [each for each in bare if _same_but_padding(each, form)]
        joined[max(fitting, key=lambda each: each.count("%-")) if fitting else form, language] += count
    return joined


def _same_but_padding(bare: str, form: str) -> bool:
    return bare.replace("%-", "%") == form.replace("%-", "%")


def _times(counts: Counts, total: int) -> ColumnType | None:
    from pg_llm.values.host import times_of_day

    fitting = sum(count for value, count in counts.items() if _is_time(times_of_day.split(value.strip())))
    return ColumnType("time", fitting / total) if fitting >= _MIN_SHARE * total else None


def _is_time(parted: tuple[str, object] | None) -> bool:
    return parted is not None and parted[0] == "" and parted[1] is not None


def rewritten(value: str, column: ColumnType, locale: str | None = None) -> str | None:
    """A date of another form in the column's; None where it is not certain which day it is."""
    if column.form is None:
        return None
    date = dates.read(value, column.order, locale)
    return None if date is None else dates.write(date, column.form, column.language)
