"""Aggregation for charts: sums and counts, top n with a remainder, histogram bins, binned times."""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pg_llm.charts.chart_data import NULL, ChartColumn

# Vega-Lite's time units, the length of their ISO 8601 prefix, and their approximate seconds.
_TIME_UNITS = (
    ("utcyearmonthdatehoursminutesseconds", 19, 1),
    ("utcyearmonthdatehoursminutes", 16, 60),
    ("utcyearmonthdatehours", 13, 3600),
    ("utcyearmonthdate", 10, 86400),
    ("utcyearmonth", 7, 2629746),
    ("utcyear", 4, 31556952),
)
_TIME_ORIGIN = "0000-01-01T00:00:00Z"
_LEAST_BINS, _MOST_BINS = 5, 30
# Prefix of the label that stands for all values beyond the largest.
OTHERS_PREFIX = "… (+"


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a position on the x axis, in a series or none."""

    x: Any
    series: str | None
    value: float


@dataclass(frozen=True, slots=True)
class Points:
    """The points of a chart with their titles, and how many rows could not be drawn."""

    x: ChartColumn
    series: str | None
    value: str
    points: list[Point]
    skipped: int

    @property
    def positions(self) -> list[Any]:
        """The positions on the x axis, in the order of the query."""
        return list(dict.fromkeys(point.x for point in self.points))

    @property
    def series_names(self) -> list[str]:
        """The names of the series, in the order of the query."""
        return list(dict.fromkeys(point.series for point in self.points if point.series is not None))


def aggregate(x: ChartColumn, series: ChartColumn | None, measures: Sequence[ChartColumn]) -> Points:
    """One point per position and series: the sum of its rows, or their number if nothing is measured."""
    totals: dict[tuple[Any, str | None], float] = {}
    summed = False
    skipped = 0
    for row, position in enumerate(x.values):
        if position is None:
            skipped += 1
            continue
        series_name = series.values[row] if series else None
        if not measures:
            totals[position, series_name] = totals.get((position, series_name), 0.0) + 1
        for measure in measures:
            value = measure.values[row]
            key = (position, measure.name if len(measures) > 1 else series_name)
            if value is None:
                skipped += 1
                continue
            summed |= key in totals
            totals[key] = totals.get(key, 0.0) + value
    title = "count" if not measures else measures[0].name if len(measures) == 1 else ""
    return Points(
        x,
        series.name if series else "" if len(measures) > 1 else None,
        f"Σ {title}".strip() if summed else title,
        [Point(position, series_name, value) for (position, series_name), value in totals.items()],
        skipped,
    )


def keep_largest(
    points: Points, limit: int, key_of: Callable[[Point], Any], replace_key: Callable[[Point, str], Point]
) -> Points:
    """Keep the keys (positions or series) with the largest sums; one last key stands for all others."""
    sums: dict[Any, float] = defaultdict(float)
    for point in points.points:
        sums[key_of(point)] += abs(point.value)
    if len(sums) <= limit:
        return points
    kept = set(sorted(sums, key=lambda key: -sums[key])[:limit])
    rest = f"{OTHERS_PREFIX}{len(sums) - len(kept)})"
    merged: dict[tuple[Any, str | None], float] = {}
    unchanged = [point for point in points.points if key_of(point) in kept]
    for point in unchanged + [replace_key(point, rest) for point in points.points if key_of(point) not in kept]:
        merged[point.x, point.series] = merged.get((point.x, point.series), 0.0) + point.value
    return replace(points, points=[Point(position, name, value) for (position, name), value in merged.items()])


def keep_largest_positions(points: Points, limit: int) -> Points:
    """Keep the positions with the largest sums."""
    return keep_largest(points, limit, lambda point: point.x, lambda point, rest: replace(point, x=rest))


def keep_largest_series(points: Points, limit: int) -> Points:
    """Keep the series with the largest sums."""
    return keep_largest(points, limit, lambda point: point.series, lambda point, rest: replace(point, series=rest))


def positions_by_value(points: Points) -> list[Any]:
    """The positions by descending sum, the remainder last."""
    sums: dict[Any, float] = defaultdict(float)
    for point in points.points:
        sums[point.x] += point.value
    return sorted(sums, key=lambda position: (str(position).startswith(OTHERS_PREFIX), -sums[position]))


def bin_times(times: Sequence[str | None], limit: int, gaps: bool = True) -> tuple[str, int, list[str | None]]:
    """The finest time unit with at most `limit` bins, else years; its prefix length, and the times truncated to it.

    With `gaps`, empty bins count as well.
    """
    full = [time + "T00:00:00Z" if time and len(time) == 10 else time for time in times]
    known = sorted({time for time in full if time is not None})
    seconds = (milliseconds(known[-1]) - milliseconds(known[0])) / 1000 if gaps and known else 0.0
    days = all(time is None or len(time) == 10 for time in times)
    units = _TIME_UNITS[3 if days else 0 :]
    for candidate in units:
        unit, length, duration = candidate
        binned = [None if time is None else _without_midnight(time[:length] + _TIME_ORIGIN[length:]) for time in full]
        if candidate is units[-1] or (len(set(binned)) <= limit and seconds / duration <= limit):
            return unit, length, binned
    raise AssertionError


def _without_midnight(time: str) -> str:
    return time[:10] if time.endswith("T00:00:00Z") else time


def time_format(moments: Sequence[str]) -> str:
    """The label format of a time axis, numeric only, no finer than the sorted times differ."""
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
    """Milliseconds since 1970."""
    return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)


def to_category(column: ChartColumn, limit: int) -> ChartColumn:
    """A column as categories: times by the finest unit with at most `limit` values, numbers as text."""
    if column.role == "category":
        return column
    if column.role == "number":
        texts = [NULL if value is None else f"{value:.12g}" for value in column.values]
        return replace(column, role="category", values=texts)
    _, length, binned = bin_times(column.values, limit, gaps=False)
    texts = [NULL if time is None else time[:length].replace("T", " ").removesuffix("Z") for time in binned]
    return replace(column, role="category", values=texts)


def histogram_bins(values: Sequence[float], whole: bool) -> list[tuple[float, float, int]]:
    """Histogram bins of one round width, as start, end and count."""
    least, most = min(values), max(values)
    wanted = min(_MOST_BINS, max(_LEAST_BINS, math.ceil(math.sqrt(len(values)))))
    if least == most:
        half = 0.5 if whole or least == 0 else abs(least) / 20
        return [(least - half, least + half, len(values))]
    if whole and most - least < _MOST_BINS:
        step, start = 1.0, least - 0.5
    else:
        step = _nice_step((most - least) / wanted)
        step = max(step, 1.0) if whole else step
        start = math.floor(least / step) * step
    counts: dict[int, int] = defaultdict(int)
    for value in values:
        counts[int((value - start) / step)] += 1
    return [
        (_rounded(start + n * step), _rounded(start + (n + 1) * step), counts.get(n, 0)) for n in range(max(counts) + 1)
    ]


def _nice_step(step: float) -> float:
    """The nearest round number by ratio (a nice number in the sense of Heckbert 1990)."""
    power = 10.0 ** math.floor(math.log10(step))
    return min(
        (factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0)), key=lambda candidate: abs(math.log(candidate / step))
    )


def _rounded(value: float) -> float:
    return float(f"{value:.12g}")


def label_width(text: str) -> int:
    """The approximate width of a label in pixels."""
    return sum(12 if unicodedata.east_asian_width(sign) in "WF" else 7 for sign in text)
