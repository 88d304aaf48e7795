"""Dates that are written otherwise than their column, and days that a column of dates cannot hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, time

from pg_llm.cleaning.host.types import date_columns
from pg_llm.cleaning.host.types.column_type import ColumnType, Counts, ValueRepair
from pg_llm.values.host import dates

# Days by which programs say that there is none.
_SENTINELS = frozenset(
    (date(1900, 1, 1), date(1899, 12, 30), date(1899, 12, 31), date(1969, 12, 31), date(1970, 1, 1), date(9999, 12, 31))
)
_SURE, _LIKELY = 0.97, 0.9
_MIDNIGHT = time()
_MIN_COUNT = 5
# Years that all but this share of the column's days lie between.
_MAX_OUTSIDE = 0.02


def repairs(counts: Counts, column: ColumnType) -> Iterator[ValueRepair]:
    """Dates of another form in the column's, spreadsheets' serial numbers as dates, and sentinels as suspects."""
    found = date_columns.readings(counts)
    if column.form and sum(counts[value] for value in found) >= _MIN_COUNT:
        clock = _clock(counts, found) if column.name == "timestamp" else None
        step = f"dates are written as {_shown(column.form)}"
        orders = date_columns.orders_of(counts, found, column)
        for value in counts:
            new = _in_form(value, column, clock, orders)
            # AUG is Aug.
            if new is not None and new.casefold() != value.casefold():
                two_digits = re.search(r"(?<!\d)\d{2}(?!\d)(?!.*\d{4})", value) and not re.search(r"\d{4}", value)
                confidence = _LIKELY if two_digits and "%Y" in column.form else _SURE
                yield ValueRepair(value, new, confidence, "date", step, "most other dates are written so")
    yield from _sentinels(counts, found, column)


def _clock(counts: Counts, found: date_columns.Readings) -> str | None:
    """How most times of day after the dates are written."""
    clocks: Counter[str | None] = Counter()
    for value, each in found.items():
        clocks[each[0].clock] += counts[value]
    return clocks.most_common(1)[0][0] if clocks else None


def _in_form(
    value: str, column: ColumnType, clock: str | None, orders: Mapping[date_columns.Population, dates.Order]
) -> str | None:
    assert column.form is not None
    found = dates.readings(value, column.language)
    if any(_is_in_form(each, column, clock) for each in found):
        return None
    order = orders.get(date_columns.population(found[0])) if found else None
    read = dates.read(value, order, column.language) or (None if found else dates.of_serial(value))
    if read is None:
        return None
    # Programs write midnight for a day without a time.
    day = replace(read, time=None) if column.name == "date" and read.time == _MIDNIGHT else read
    return dates.write(day, column.form, column.language, clock)


def _is_in_form(reading: dates.Date, column: ColumnType, clock: str | None) -> bool:
    """Whether a reading is in the column's form, with or without zeros before its numbers."""
    assert column.form is not None
    if reading.time is not None and clock is None:
        return reading.time != _MIDNIGHT
    # Seconds may be left out.
    if clock is not None and (reading.clock or "").replace(":%S", "") != clock.replace(":%S", ""):
        return False
    bare = column.form.replace("%-", "%").replace("%B", "%b")
    fits = (reading.form or "").replace("%-", "%").replace("%B", "%b") == bare
    return fits and ("%-" in column.form or "%-" not in (reading.form or ""))


def _shown(form: str) -> str:
    """The form with an example's parts."""
    words = {"Y": "2021", "y": "21", "m": "03", "d": "05", "B": "March", "b": "Mar", "-m": "3", "-d": "5"}
    return re.sub("%(-?[YymdBb])", lambda match: words[match[1]], form)


def _sentinels(counts: Counts, found: date_columns.Readings, column: ColumnType) -> Iterator[ValueRepair]:
    days: Counter[date] = Counter()
    for value, each in found.items():
        days[each[0].day] += counts[value]
    total = days.total()
    for value, each in found.items():
        day = each[0].day
        if day not in _SENTINELS or len(days) < _MIN_COUNT:
            continue
        near = sum(count for other, count in days.items() if other != day and abs(other.year - day.year) <= 1)
        if near <= _MAX_OUTSIDE * total:
            reason = f"{day.isoformat()} is what programs write where there is no date"
            yield ValueRepair(value, None, 0.7, "range", "days that stand for none", reason, suspect=True)
