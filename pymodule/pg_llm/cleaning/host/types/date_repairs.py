"""Dates that are written otherwise than their column, and days that a column of dates cannot hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
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
        step = f"dates are written as {_shown(column.form)}"
        for value in counts:
            new = _in_form(value, column)
            # AUG is Aug.
            if new is not None and new.casefold() != value.casefold():
                two_digits = re.search(r"(?<!\d)\d{2}(?!\d)(?!.*\d{4})", value) and not re.search(r"\d{4}", value)
                confidence = _LIKELY if two_digits and "%Y" in column.form else _SURE
                yield ValueRepair(value, new, confidence, "date", step, "most other dates are written so")
    yield from _sentinels(counts, found, column)


def _in_form(value: str, column: ColumnType) -> str | None:
    assert column.form is not None
    if any(_is_in_form(each, column) for each in dates.readings(value, column.language)):
        return None
    read = dates.read(value, column.order, column.language) or dates.of_serial(value)
    if read is None:
        return None
    # Programs write midnight for a day without a time.
    day = replace(read, time=None) if column.name == "date" and read.time == _MIDNIGHT else read
    return dates.write(day, column.form, column.language)


def _is_in_form(reading: dates.Date, column: ColumnType) -> bool:
    """Whether a reading is in the column's form, with or without zeros before its numbers."""
    assert column.form is not None
    if reading.time is not None:
        return reading.time != _MIDNIGHT
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
