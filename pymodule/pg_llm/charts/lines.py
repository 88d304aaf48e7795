"""Lines and areas, over time, numbers or categories."""

from __future__ import annotations

from dataclasses import replace

from pg_llm.charts import axes, ordering, times
from pg_llm.charts.aggregation import Point, Points
from pg_llm.charts.axes import Spec
from pg_llm.charts.chart_data import ChartColumn, ChartData
from pg_llm.charts.marks import Marks, aggregate_series, color_encoding, data_rows, gap_rows, on_two_scales

_MOST_TIMES = 60
# Lines with more points have no point marks.
_MOST_POINT_MARKS = 60
_MANY_POINTS = 2000


def line(table: ChartData, width: int, height: int) -> Marks:
    """A line for each series; it is interrupted at NULL."""
    points, unit = _points(table, stacked=False)
    encoding = color_encoding(points) | {"x": axes.x_axis(points.x, points, unit)}
    value: Spec = {"scale": {"zero": axes.begins_at_zero(points)}}
    mark: Spec = {"type": "line", "tooltip": True, "point": _has_point_marks(points)}
    mark["invalid"] = "break-paths-filter-domains"
    if len(points.points) > _MANY_POINTS:
        mark["strokeWidth"] = 1
    two = on_two_scales(points, "y", value, {"mark": mark}, {"mark": mark | {"strokeDash": [6, 3]}})
    spec = {"encoding": encoding} | (
        two or {"mark": mark, "encoding": encoding | {"y": axes.value_axis(points, value)}}
    )
    values = [*data_rows(points), *(gap_rows(points) if points.points else [])]
    if points.x.role != "category":
        values.sort(key=lambda row: row["x"])
    return Marks(spec, points.skipped, values=values, left_out=points.left_out)


def area(table: ChartData, width: int, height: int) -> Marks:
    """Areas, those of series one above the other."""
    points, unit = _points(table, stacked=True)
    encoding = color_encoding(points) | {
        "x": axes.x_axis(points.x, points, unit),
        "y": axes.value_axis(points, {"scale": {"zero": True}}),
    }
    mark = {"type": "area", "tooltip": True, "point": _has_point_marks(points), "opacity": 0.75, "line": True}
    return Marks({"mark": mark, "encoding": encoding}, points.skipped, values=data_rows(points))


def bars_in_time(table: ChartData) -> Marks:
    """Bars as wide as a day, a month or another unit of time."""
    time, categories, numbers = (table.with_role(role) for role in ("time", "category", "number"))
    unit, _, binned = times.bin_times(time[0].values, _MOST_TIMES)
    points = aggregate_series(replace(time[0], values=binned), categories, numbers[:1], stacked=True)
    encoding = color_encoding(points)
    encoding["x"] = axes.x_axis(points.x, points, unit)
    encoding["y"] = axes.value_axis(points, {})
    return Marks(
        {"mark": {"type": "bar", "tooltip": True}, "encoding": encoding}, points.skipped, values=data_rows(points)
    )


def _points(table: ChartData, stacked: bool) -> tuple[Points, str | None]:
    """The points in their order, and the unit of time in which rows are counted, if they are."""
    x = _x(table)
    measures = [column for column in table.with_role("number") if column is not x]
    others = [column for column in table.with_role("category") if column is not x]
    unit, length = None, 0
    if not measures and x.role == "time":
        unit, length, binned = times.bin_times(x.values, _MOST_TIMES)
        x = replace(x, values=binned)
    points = aggregate_series(x, others, measures, stacked)
    if x.role == "category":
        order = (None if table.ordered else ordering.natural(points.positions)) or points.positions
        points = replace(points, points=sorted(points.points, key=lambda point: order.index(point.x)))
    else:
        points = replace(points, points=sorted(points.points, key=lambda point: point.x))
    return _with_empty_bins(points, length) if unit else points, unit


def _x(table: ChartData) -> ChartColumn:
    times, numbers, categories = (table.with_role(role) for role in ("time", "number", "category"))
    if times:
        return times[0]
    return categories[0] if categories and (len(numbers) < 2 or not numbers[0].are_years) else numbers[0]


def _with_empty_bins(points: Points, length: int) -> Points:
    """Where nothing was counted, the count is 0."""
    counted = {(point.x, point.series): point for point in points.points}
    bins = list(times.bins_between(points.positions, length)) if points.points else []
    if len(bins) > _MOST_TIMES + 1:
        return points
    names: list[str | None] = [*points.series_names] or [None]
    keys = [(each, name) for each in bins for name in names]
    return replace(points, points=[counted.get(key, Point(*key, 0.0)) for key in keys])


def _has_point_marks(points: Points) -> bool:
    return len(points.points) <= _MOST_POINT_MARKS or len(points.positions) == 1
