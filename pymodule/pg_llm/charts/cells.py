"""Rows brought down to what a chart can show: sums and counts, the largest and a rest, bins, units of time."""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pg_llm.charts.table import NULL, Column

# Vega-Lite's names of units, how many characters of ISO 8601 they are, and about how many seconds.
_TIME_UNITS = (
    ("utcyearmonthdatehoursminutesseconds", 19, 1),
    ("utcyearmonthdatehoursminutes", 16, 60),
    ("utcyearmonthdatehours", 13, 3600),
    ("utcyearmonthdate", 10, 86400),
    ("utcyearmonth", 7, 2629746),
    ("utcyear", 4, 31556952),
)
_START = "0000-01-01T00:00:00Z"
_FEWEST_BINS, _MOST_BINS = 5, 30
# The beginning of the name that all which is not among the largest bears together.
REST = "… (+"


@dataclass(frozen=True, slots=True)
class Cell:
    """A value at a place on the first axis, in a series or none."""

    x: Any
    series: str | None
    value: float


@dataclass(frozen=True, slots=True)
class Cells:
    """What is drawn: cells with the titles of their three parts, and how many rows had nothing to draw."""

    x: Column
    series: str | None
    value: str
    cells: list[Cell]
    left_out: int

    @property
    def places(self) -> list[Any]:
        """What there is on the first axis, in the order of the query."""
        return list(dict.fromkeys(cell.x for cell in self.cells))

    @property
    def names(self) -> list[str]:
        """The series, in the order of the query."""
        return list(dict.fromkeys(cell.series for cell in self.cells if cell.series is not None))


def cells(x: Column, series: Column | None, measures: Sequence[Column]) -> Cells:
    """One cell per place and series: the sum where there are several rows, their number where nothing is measured."""
    found: dict[tuple[Any, str | None], float] = {}
    summed = False
    left_out = 0
    for row, place in enumerate(x.values):
        if place is None:
            left_out += 1
            continue
        name = series.values[row] if series else None
        if not measures:
            found[place, name] = found.get((place, name), 0.0) + 1
        for measure in measures:
            value = measure.values[row]
            key = (place, measure.name if len(measures) > 1 else name)
            if value is None:
                left_out += 1
                continue
            summed |= key in found
            found[key] = found.get(key, 0.0) + value
    title = "count" if not measures else measures[0].name if len(measures) == 1 else ""
    return Cells(
        x,
        series.name if series else "" if len(measures) > 1 else None,
        f"Σ {title}".strip() if summed else title,
        [Cell(place, name, value) for (place, name), value in found.items()],
        left_out,
    )


def largest(of: Cells, most: int, part: Callable[[Cell], Any], put: Callable[[Cell, str], Cell]) -> Cells:
    """The parts (places, series) with the largest sums, and one that stands for all the rest, last."""
    sums: dict[Any, float] = defaultdict(float)
    for cell in of.cells:
        sums[part(cell)] += abs(cell.value)
    if len(sums) <= most:
        return of
    kept = set(sorted(sums, key=lambda each: -sums[each])[:most])
    rest = f"{REST}{len(sums) - len(kept)})"
    merged: dict[tuple[Any, str | None], float] = {}
    held = [cell for cell in of.cells if part(cell) in kept]
    for cell in held + [put(cell, rest) for cell in of.cells if part(cell) not in kept]:
        merged[cell.x, cell.series] = merged.get((cell.x, cell.series), 0.0) + cell.value
    return replace(of, cells=[Cell(place, name, value) for (place, name), value in merged.items()])


def largest_places(of: Cells, most: int) -> Cells:
    """The places with the largest sums, and one for the rest."""
    return largest(of, most, lambda cell: cell.x, lambda cell, rest: replace(cell, x=rest))


def largest_series(of: Cells, most: int) -> Cells:
    """The series with the largest sums, and one for the rest."""
    return largest(of, most, lambda cell: cell.series, lambda cell, rest: replace(cell, series=rest))


def by_value(of: Cells) -> list[Any]:
    """The places from the largest sum to the smallest, the rest last."""
    sums: dict[Any, float] = defaultdict(float)
    for cell in of.cells:
        sums[cell.x] += cell.value
    return sorted(sums, key=lambda each: (str(each).startswith(REST), -sums[each]))


def coarser(times: Sequence[str | None], most: int, gaps: bool = True) -> tuple[str, int, list[str | None]]:
    """The finest unit of time that gives at most so many places, or years; its length, and the times cut to it.

    With `gaps`, units that no time falls in have a place as well.
    """
    full = [time + "T00:00:00Z" if time and len(time) == 10 else time for time in times]
    known = sorted({time for time in full if time is not None})
    seconds = (milliseconds(known[-1]) - milliseconds(known[0])) / 1000 if gaps and known else 0.0
    days = all(time is None or len(time) == 10 for time in times)
    units = _TIME_UNITS[3 if days else 0 :]
    for found in units:
        unit, length, duration = found
        cut = [None if time is None else _at(time[:length] + _START[length:]) for time in full]
        if found is units[-1] or (len(set(cut)) <= most and seconds / duration <= most):
            return unit, length, cut
    raise AssertionError


def _at(time: str) -> str:
    return time[:10] if time.endswith("T00:00:00Z") else time


def time_format(moments: Sequence[str]) -> str:
    """How the labels of an axis write these times, which are in order: no finer than they differ, in no language."""
    if all(len(moment) == 10 for moment in moments):
        if len(moments) > 1 and all(moment.endswith("-01") for moment in moments):
            return "%Y" if all(moment.endswith("-01-01") for moment in moments) else "%Y-%m"
        return "%Y-%m-%d"
    seconds = (milliseconds(moments[-1]) - milliseconds(moments[0])) / 1000
    if len(moments) == 1:
        return "%Y-%m-%d %H:%M:%S"
    if moments[0][:10] == moments[-1][:10]:
        return "%H:%M:%S" if seconds < 600 else "%H:%M"
    return "%m-%d %H:%M" if seconds < 8 * 86400 else "%Y-%m-%d"


def milliseconds(moment: str) -> int:
    """Since 1970."""
    return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)


def as_category(column: Column, most: int) -> Column:
    """A time as a category of the finest unit that gives at most so many; a category or number as it is."""
    if column.role == "category":
        return column
    if column.role == "number":
        texts = [NULL if value is None else f"{value:.12g}" for value in column.values]
        return replace(column, role="category", values=texts)
    _, length, cut = coarser(column.values, most, gaps=False)
    texts = [NULL if time is None else time[:length].replace("T", " ").removesuffix("Z") for time in cut]
    return replace(column, role="category", values=texts)


def bins(values: Sequence[float], whole: bool) -> list[tuple[float, float, int]]:
    """From, to and count of bins of one round width."""
    least, most = min(values), max(values)
    wanted = min(_MOST_BINS, max(_FEWEST_BINS, math.ceil(math.sqrt(len(values)))))
    if least == most:
        half = 0.5 if whole or least == 0 else abs(least) / 20
        return [(least - half, least + half, len(values))]
    if whole and most - least < _MOST_BINS:
        step, start = 1.0, least - 0.5
    else:
        step = _round((most - least) / wanted)
        step = max(step, 1.0) if whole else step
        start = math.floor(least / step) * step
    counts: dict[int, int] = defaultdict(int)
    for value in values:
        counts[int((value - start) / step)] += 1
    return [
        (_plain(start + n * step), _plain(start + (n + 1) * step), counts.get(n, 0)) for n in range(max(counts) + 1)
    ]


def _round(step: float) -> float:
    """The round number that is nearest by ratio."""
    power = 10.0 ** math.floor(math.log10(step))
    return min((factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0)), key=lambda each: abs(math.log(each / step)))


def _plain(value: float) -> float:
    return float(f"{value:.12g}")


def width(text: str) -> int:
    """About how many pixels a label of the usual size takes."""
    return sum(12 if unicodedata.east_asian_width(sign) in "WF" else 7 for sign in text)
