"""Bars: upright where their labels have room, else one below the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pg_llm.charts import aggregation, axes, lines, ordering
from pg_llm.charts.aggregation import Points
from pg_llm.charts.axes import Spec
from pg_llm.charts.chart_data import ChartColumn, ChartData
from pg_llm.charts.marks import (
    BAR_STEP,
    MOST_POSITIONS,
    PADDING,
    Marks,
    aggregate_series,
    color_encoding,
    data_rows,
    long_labels,
    on_two_scales,
)

_MOST_UPRIGHT = 12
_GROUPED_BAR_STEP = 11


def bar(table: ChartData, width: int, height: int) -> Marks:
    """Bars of each category, of each number column of a single row, or of units of time."""
    times, numbers, categories = (table.with_role(role) for role in ("time", "number", "category"))
    if times:
        return lines.bars_in_time(table)
    if categories:
        points = _of_categories(table, categories, numbers)
        return _bars(points, ordering.positions(points, table.ordered), width)
    if table.row_count == 1:
        points = _transpose(numbers)
        return _bars(points, points.positions, width)
    steps = aggregation.to_category(numbers[0], MOST_POSITIONS)
    points = aggregation.keep_largest_positions(aggregate_series(steps, [], numbers[1:]), MOST_POSITIONS)
    order = dict(sorted(zip(steps.values, numbers[0].values, strict=True), key=lambda pair: (pair[1] is None, pair[1])))
    return _bars(points, [label for label in order if label in set(points.positions)], width)


def _of_categories(table: ChartData, categories: list[ChartColumn], numbers: list[ChartColumn]) -> Points:
    first, *others = categories
    if others and len(set(first.values)) == table.row_count:
        others = []
    return aggregation.keep_largest_positions(aggregate_series(first, others, numbers), MOST_POSITIONS)


def _bars(points: Points, order: list[Any], width: int) -> Marks:
    series_count = max(1, len(points.series_names))
    upright = (
        len(order) <= _MOST_UPRIGHT and sum(aggregation.label_width(text) + 12 for text in order) < width - PADDING
    )
    x, y = ("x", "y") if upright else ("y", "x")
    mark: Spec = {"type": "bar", "tooltip": True}
    value: Spec = {}
    if not points.series_names and (clipped := _clip_others(points)):
        # The bar of the others would dwarf all bars: it is clipped, and its label has the value.
        points, label, longest = clipped
        order = [*order[:-1], label]
        value = {"scale": {"domainMax": longest * 1.1}}
        mark["clip"] = True
    if len(order) * series_count <= 3:
        mark["width" if upright else "height"] = {"band": 0.4 if series_count == 1 else 0.9}
    encoding = color_encoding(points)
    encoding[x] = {
        "field": "x",
        "type": "nominal",
        "title": points.x.name,
        "sort": order,
        "axis": {"labelAngle": 0, "labelLimit": 180} if upright else long_labels(width),
    }
    offset = {f"{x}Offset": {"field": "series", "type": "nominal", "sort": encoding.get("color", {}).get("sort")}}
    point = {"type": "point", "filled": True, "size": 90, "tooltip": True}
    two = on_two_scales(points, y, value, {"mark": mark, "encoding": offset}, {"mark": point})
    if two is None:
        encoding |= (offset if points.series_names else {}) | {y: axes.value_axis(points, value)}
    inner = series_count * _GROUPED_BAR_STEP if series_count > 1 else 0
    height = 0 if upright else PADDING + len(order) * max(BAR_STEP, inner)
    spec = {"encoding": encoding} | (two or {"mark": mark})
    return Marks(spec, points.skipped, height, data_rows(points), points.left_out)


def _clip_others(points: Points) -> tuple[Points, str, float] | None:
    """The bars with the others' value in their label, and the longest other bar; None if that is not needed."""
    rest = next((point for point in points.points if str(point.x).startswith(aggregation.OTHERS_PREFIX)), None)
    longest = max((point.value for point in points.points if point is not rest), default=0.0)
    if rest is None or longest <= 0 or rest.value < 3 * longest:
        return None
    label = f"{rest.x}: {axes.format_number(rest.value)}"
    labelled = [replace(rest, x=label) if point is rest else point for point in points.points]
    return replace(points, points=labelled), label, longest


def _transpose(numbers: list[ChartColumn]) -> Points:
    """The numbers of a single row, as bars with the names of the columns."""
    names = [column.name for column in numbers]
    x = ChartColumn("", "category", names, names)
    values = [column.values[0] for column in numbers]
    return aggregation.aggregate(x, None, [ChartColumn("", "number", values, values)])
