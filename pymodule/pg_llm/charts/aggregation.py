"""Aggregation for charts: sums and counts, top n with a remainder, histogram bins."""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pg_llm.charts import times
from pg_llm.charts.chart_data import NULL, ChartColumn

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
    """The points of a chart with their titles, and how many rows could not be drawn.

    `gaps` are positions and series that have nothing but NULL; `left_out` is how many positions and series the
    chart does not show. `are_counts`: the values count something, so that their axis begins at 0.
    """

    x: ChartColumn
    series: str | None
    value: str
    points: list[Point]
    skipped: int
    gaps: list[tuple[Any, str | None]] = field(default_factory=list)
    are_counts: bool = False
    are_additive: bool = False
    left_out: int = 0

    @property
    def positions(self) -> list[Any]:
        """The positions on the x axis, in the order of the query."""
        return list(dict.fromkeys(point.x for point in self.points))

    @property
    def series_names(self) -> list[str]:
        """The names of the series, in the order of the query, a remainder last."""
        names = dict.fromkeys(point.series for point in self.points if point.series is not None)
        return sorted(names, key=lambda name: name.startswith(OTHERS_PREFIX))


def aggregate(x: ChartColumn, series: ChartColumn | None, measures: Sequence[ChartColumn]) -> Points:
    """One point per position and series: the sum of its rows, or their number if nothing is measured."""
    totals: dict[tuple[Any, str | None], float] = {}
    unknown: dict[tuple[Any, str | None], None] = {}
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
                unknown[key] = None
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
        [key for key in unknown if key not in totals],
        all(measure.are_counts for measure in measures) and all(value >= 0 for value in totals.values()),
        summed or not measures,
    )


def keep_largest(
    points: Points, limit: int, key_of: Callable[[Point], Any], replace_key: Callable[[Point, str], Point]
) -> Points:
    """Keep the keys (positions or series) with the largest sums.

    Where the values are counts or sums, the last of `limit` keys stands for all others; the sum of what may be
    averages or shares would mean nothing.
    """
    sums: dict[Any, float] = defaultdict(float)
    for point in points.points:
        sums[key_of(point)] += abs(point.value)
    if len(sums) <= limit:
        return points
    kept = set(sorted(sums, key=lambda key: -sums[key])[: limit - points.are_additive])
    unchanged = [point for point in points.points if key_of(point) in kept]
    gaps = [(x, series) for x, series in points.gaps if key_of(Point(x, series, 0.0)) in kept]
    if not points.are_additive:
        return replace(points, points=unchanged, gaps=gaps, left_out=points.left_out + len(sums) - limit)
    rest = f"{OTHERS_PREFIX}{len(sums) - len(kept)})"
    merged: dict[tuple[Any, str | None], float] = {}
    for point in unchanged + [replace_key(point, rest) for point in points.points if key_of(point) not in kept]:
        merged[point.x, point.series] = merged.get((point.x, point.series), 0.0) + point.value
    return replace(
        points, points=[Point(position, name, value) for (position, name), value in merged.items()], gaps=gaps
    )


def keep_largest_positions(points: Points, limit: int) -> Points:
    """Keep the positions with the largest sums."""
    return keep_largest(points, limit, lambda point: point.x, lambda point, rest: replace(point, x=rest))


def keep_largest_series(points: Points, limit: int) -> Points:
    """Keep the series with the largest sums."""
    return keep_largest(points, limit, lambda point: point.series, lambda point, rest: replace(point, series=rest))


def to_category(column: ChartColumn, limit: int) -> ChartColumn:
    """A column as categories: times by the finest unit with at most `limit` values, numbers as text."""
    if column.role == "category":
        return column
    if column.role == "number":
        texts = [NULL if value is None else f"{value:.12g}" for value in column.values]
        return replace(column, role="category", values=texts)
    _, length, binned = times.bin_times(column.values, limit, gaps=False)
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
