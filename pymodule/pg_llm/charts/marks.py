"""Marks and encodings of each kind of chart, as part of a Vega-Lite specification."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pg_llm.charts import aggregation, axes
from pg_llm.charts.aggregation import Points
from pg_llm.charts.axes import Spec
from pg_llm.charts.chart_data import ChartColumn, ChartData
from pg_llm.charts.choice import KINDS, MOST_NUMBERS
from pg_llm.errors import InvalidInput

_MOST_POSITIONS = 50
_MOST_UPRIGHT = 12
_MOST_SERIES = 10
_MOST_SLICES = 8
_MOST_MEASURES = 6
_MOST_TIMES = 60
# Lines with more points have no point marks.
_MOST_POINT_MARKS = 60
_FEW_POINTS, _MANY_POINTS = 200, 2000
_BAR_STEP, _GROUPED_BAR_STEP = 17, 11
_PADDING = 90
# Smaller slices of a pie have no label.
_LEAST_LABELLED_SHARE = 0.04


@dataclass(slots=True)
class Marks:
    """Marks and encodings, their data, how many rows were skipped, and the height that they need."""

    spec: Spec
    skipped: int = 0
    height: int = 0
    values: list[Spec] = field(default_factory=list)


def marks_of(kind: str, table: ChartData, width: int, height: int) -> Marks:
    """The marks of a kind that can show the data."""
    return _MARKS[kind](table, width, height)


def empty_marks() -> Marks:
    """The chart of an empty result, which says so."""
    return Marks(
        {"mark": {"type": "text", "fontSize": 24, "color": "#888"}, "encoding": {"text": {"value": "0 rows"}}},
        values=[{}],
    )


def _line(table: ChartData, width: int, height: int, mark: str = "line") -> Marks:
    times, numbers, categories = (table.with_role(role) for role in ("time", "number", "category"))
    x = times[0] if times else categories[0] if categories and len(numbers) < 2 else numbers[0]
    measures = [column for column in numbers if column is not x]
    others = [column for column in categories if column is not x]
    unit = None
    if not measures and x.role == "time":
        unit, _, binned = aggregation.bin_times(x.values, _MOST_TIMES)
        x = replace(x, values=binned)
    points = _aggregate_series(x, others, measures)
    encoding = _color_encoding(points)
    encoding["x"] = axes.x_axis(x, points, unit)
    encoding["y"] = axes.value_axis(points, {"scale": {"zero": mark == "area"}})
    if x.role != "category":
        points = replace(points, points=sorted(points.points, key=lambda point: point.x))
    with_marks = len(points.points) <= _MOST_POINT_MARKS or len(points.positions) == 1
    spec: Spec = {"mark": {"type": mark, "tooltip": True, "point": with_marks}, "encoding": encoding}
    if len(points.points) > _MANY_POINTS and mark == "line":
        spec["mark"]["strokeWidth"] = 1
    if mark == "area":
        spec["mark"] |= {"opacity": 0.75, "line": True}
    return Marks(spec, points.skipped, values=_data_rows(points))


def _bar(table: ChartData, width: int, height: int) -> Marks:
    times, numbers, categories = (table.with_role(role) for role in ("time", "number", "category"))
    if times:
        return _bars_in_time(times[0], categories, numbers)
    if categories:
        first, others, measures = categories[0], categories[1:], numbers
    elif table.row_count == 1:
        return _bars(_transpose(numbers), width)
    else:
        first, others, measures = aggregation.to_category(numbers[0], _MOST_POSITIONS), [], numbers[1:]
    if others and len(set(first.values)) == table.row_count:
        others = []
    return _bars(aggregation.keep_largest_positions(_aggregate_series(first, others, measures), _MOST_POSITIONS), width)


def _bars(points: Points, width: int) -> Marks:
    positions = points.positions
    series_count = max(1, len(points.series_names))
    upright = (
        len(positions) <= _MOST_UPRIGHT
        and sum(aggregation.label_width(text) + 12 for text in positions) < width - _PADDING
    )
    x, y = ("x", "y") if upright else ("y", "x")
    encoding = _color_encoding(points)
    order = positions if upright else aggregation.positions_by_value(points)
    encoding[x] = {
        "field": "x",
        "type": "nominal",
        "title": points.x.name,
        "sort": order,
        "axis": {"labelAngle": 0, "labelLimit": 180} if upright else _long_labels(width),
    }
    encoding[y] = axes.value_axis(points, {})
    if points.series_names:
        encoding[f"{x}Offset"] = {"field": "series", "type": "nominal", "sort": points.series_names}
    mark: Spec = {"type": "bar", "tooltip": True}
    if upright is False and not points.series_names and (clipped := _clip_others(points)):
        # The bar of the others would dwarf all bars: it is clipped, and its label has the value.
        points, longest = clipped
        encoding[x]["sort"] = aggregation.positions_by_value(points)
        encoding[y]["scale"] = {"domainMax": longest * 1.1}
        mark["clip"] = True
    if len(positions) * series_count <= 3:
        mark["width" if upright else "height"] = {"band": 0.4 if series_count == 1 else 0.9}
    inner = series_count * _GROUPED_BAR_STEP if series_count > 1 else 0
    height = 0 if upright else _PADDING + len(positions) * max(_BAR_STEP, inner)
    return Marks({"mark": mark, "encoding": encoding}, points.skipped, height, _data_rows(points))


def _long_labels(width: int) -> Spec:
    limit = int(width * 0.4)
    # Longer labels would overlap the title.
    return {"labelLimit": limit, "maxExtent": limit + 20}


def _clip_others(points: Points) -> tuple[Points, float] | None:
    """The bars with the others' value in their label, and the longest other bar; None if that is not needed."""
    rest = next((point for point in points.points if str(point.x).startswith(aggregation.OTHERS_PREFIX)), None)
    longest = max((point.value for point in points.points if point is not rest), default=0.0)
    if rest is None or longest <= 0 or rest.value < 3 * longest:
        return None
    labelled = replace(rest, x=f"{rest.x}: {axes.format_number(rest.value)}")
    return replace(points, points=[labelled if point is rest else point for point in points.points]), longest


def _transpose(numbers: list[ChartColumn]) -> Points:
    """The numbers of a single row, as bars with the names of the columns."""
    names = [column.name for column in numbers]
    x = ChartColumn("", "category", names, names)
    values = [column.values[0] for column in numbers]
    return aggregation.aggregate(x, None, [ChartColumn("", "number", values, values)])


def _bars_in_time(time: ChartColumn, categories: list[ChartColumn], numbers: list[ChartColumn]) -> Marks:
    unit, _, binned = aggregation.bin_times(time.values, _MOST_TIMES)
    points = _aggregate_series(replace(time, values=binned), categories, numbers[:1])
    encoding = _color_encoding(points)
    encoding["x"] = axes.x_axis(points.x, points, unit)
    encoding["y"] = axes.value_axis(points, {})
    return Marks(
        {"mark": {"type": "bar", "tooltip": True}, "encoding": encoding}, points.skipped, values=_data_rows(points)
    )


def _scatter(table: ChartData, width: int, height: int) -> Marks:
    times, numbers, categories = (table.with_role(role) for role in ("time", "number", "category"))
    x, *others = [*times[:1], *numbers] if len(numbers) < 2 else numbers
    y = others[0]
    groups = [column for column in categories if 1 < len(set(column.values)) <= _MOST_SERIES]
    color_columns = (groups or others[1:])[:1]
    columns = dict(zip(("x", "y", "color"), (x, y, *color_columns), strict=False))
    rows = [
        {name: column.values[row] for name, column in columns.items()}
        for row in range(table.row_count)
        if x.values[row] is not None and y.values[row] is not None
    ]
    size, opacity = (60, 0.8) if len(rows) <= _FEW_POINTS else (20, 0.5) if len(rows) <= _MANY_POINTS else (8, 0.25)
    encoding: Spec = {
        "x": axes.time_axis(x, None) if x.role == "time" else axes.quantitative_axis("x", x, rows),
        "y": axes.quantitative_axis("y", y, rows),
    }
    if color_columns:
        scale = "nominal" if groups else "quantitative"
        encoding["color"] = {"field": "color", "type": scale, "title": color_columns[0].name}
        if groups:
            encoding["color"]["legend"] = {"symbolOpacity": 1}
    return Marks(
        {
            "mark": {"type": "point", "filled": True, "tooltip": True, "size": size, "opacity": opacity},
            "encoding": encoding,
        },
        table.row_count - len(rows),
        values=rows,
    )


def _histogram(table: ChartData, width: int, height: int) -> Marks:
    column = table.with_role("number")[0]
    known = [value for value in column.values if value is not None]
    if not known:
        return Marks({}, len(column.values))
    values = [
        {"from": start, "to": end, "count": count}
        for start, end, count in aggregation.histogram_bins(known, column.are_integers)
    ]
    x = {"field": "from", "type": "quantitative", "bin": {"binned": True}, "title": column.name}
    x |= {
        "axis": axes.number_axis([value for bar in values for value in (bar["from"], bar["to"])]),
        "scale": {"zero": False},
    }
    if column.are_integers and len(values) <= axes.MOST_TICKS and values[0]["to"] - values[0]["from"] == 1:
        x["axis"] = {"values": [int(bar["from"] + 0.5) for bar in values], "format": "d"}
    counts = axes.number_axis([bar["count"] for bar in values]) | axes.integer_ticks(
        max(bar["count"] for bar in values)
    )
    y = {"field": "count", "type": "quantitative", "title": "count", "axis": counts}
    encoding: Spec = {"x": x, "x2": {"field": "to"}, "y": y}
    mark = {"type": "bar", "tooltip": True}
    return Marks({"mark": mark, "encoding": encoding}, len(column.values) - len(known), values=values)


def _heatmap(table: ChartData, width: int, height: int) -> Marks:
    limit = _MOST_POSITIONS // 2
    pair = [column for column in table.columns if column.role != "number"][:2]
    # The column with fewer values is horizontal, where labels have less room; so is time.
    pair.sort(key=lambda column: (column.role != "time", len(set(column.values))))
    x, y = (aggregation.to_category(column, limit) for column in pair)
    points = aggregation.aggregate(x, y, table.with_role("number")[:1])
    points = aggregation.keep_largest_series(aggregation.keep_largest_positions(points, limit), _MOST_POSITIONS)
    across, down = (
        sorted(points.positions) if pair[0].role == "time" else points.positions,
        sorted(points.series_names) if pair[1].role == "time" else points.series_names,
    )
    color = axes.value_axis(points, {}) | {"scale": {"scheme": "blues"}, "legend": {"gradientLength": 200}}
    color.pop("axis", None)
    if any(point.value < 0 for point in points.points):
        color["scale"] = {"scheme": "blueorange", "domainMid": 0}
    tight = sum(aggregation.label_width(text) + 8 for text in across) > width * 0.6
    encoding = {
        "x": {
            "field": "x",
            "type": "nominal",
            "title": x.name,
            "sort": across,
            "axis": {"labelAngle": -45 if tight else 0, "labelLimit": 120},
        },
        "y": {"field": "series", "type": "nominal", "title": y.name, "sort": down, "axis": _long_labels(width)},
        "color": color,
    }
    needed = _PADDING + 60 + len(down) * _BAR_STEP
    return Marks(
        {"mark": {"type": "rect", "tooltip": True}, "encoding": encoding}, points.skipped, needed, _data_rows(points)
    )


def _pie(table: ChartData, width: int, height: int) -> Marks:
    points = aggregation.aggregate(table.with_role("category")[0], None, table.with_role("number")[:1])
    total = math.fsum(point.value for point in points.points)
    if total <= 0:
        raise InvalidInput(
            "a pie chart does not fit this query: its numbers add up to nothing", hint=_requirement("pie")
        )
    points = aggregation.keep_largest_positions(points, _MOST_SLICES)
    order = aggregation.positions_by_value(points)
    share = {point.x: point.value / total for point in points.points}
    rows = [
        {**row, "rank": order.index(row["x"]), "share": _format_percent(share[row["x"]])} for row in _data_rows(points)
    ]
    rows.sort(key=lambda row: row["rank"])
    radius = int(min(height - _PADDING, width * 0.6) / 2 * 0.9)
    value = axes.value_axis(points, {"stack": True})
    value.pop("axis", None)
    return Marks(
        {
            "encoding": {
                "theta": value,
                "order": {"field": "rank", "type": "quantitative"},
                "color": {
                    "field": "x",
                    "type": "nominal",
                    "title": points.x.name,
                    "sort": order,
                    "legend": {"labelLimit": 200},
                },
            },
            "layer": [
                {"mark": {"type": "arc", "outerRadius": radius, "stroke": "white", "tooltip": True}},
                {
                    "mark": {"type": "text", "radius": radius + 18},
                    "encoding": {"text": {"field": "share", "type": "nominal"}, "color": {"value": "#333"}},
                },
            ],
            "view": {"stroke": None},
        },
        points.skipped,
        values=rows,
    )


def _number(table: ChartData, width: int, height: int) -> Marks:
    numbers = table.with_role("number")[:MOST_NUMBERS]
    rows = [{"name": column.name, "number": axes.format_number(column.exact[0])} for column in numbers]
    longest = max(len(row["number"]) for row in rows)
    size = max(12, min(72, int((width - 40) / len(rows) / max(1, longest) / 0.62)))
    encoding = {"x": {"field": "name", "type": "nominal", "axis": None, "sort": [row["name"] for row in rows]}}
    return Marks(
        {
            "encoding": encoding,
            "layer": [
                {
                    "mark": {"type": "text", "fontSize": size, "fontWeight": "bold", "color": "#2f5d8a"},
                    "encoding": {"text": {"field": "number", "type": "nominal"}},
                },
                {
                    "mark": {
                        "type": "text",
                        "fontSize": 16,
                        "color": "#555",
                        "dy": size * 0.5 + 22,
                        "limit": int((width - 40) / len(rows)),
                    },
                    "encoding": {"text": {"field": "name", "type": "nominal"}},
                },
            ],
            "view": {"stroke": None},
        },
        values=rows,
    )


_MARKS: dict[str, Callable[[ChartData, int, int], Marks]] = {
    "line": _line,
    "area": lambda table, width, height: _line(table, width, height, "area"),
    "bar": _bar,
    "scatter": _scatter,
    "histogram": _histogram,
    "heatmap": _heatmap,
    "pie": _pie,
    "number": _number,
}


def _aggregate_series(x: ChartColumn, categories: list[ChartColumn], measures: list[ChartColumn]) -> Points:
    """Points in the series of a category, or of several measures."""
    if categories and len(measures) < 2:
        points = aggregation.aggregate(x, categories[0], measures)
    elif categories and x.role != "category":
        points = aggregation.aggregate(x, categories[0], measures[:1])
    else:
        points = aggregation.aggregate(x, None, measures[:_MOST_MEASURES])
    return aggregation.keep_largest_series(points, _MOST_SERIES)


def _data_rows(points: Points) -> list[Spec]:
    return [
        {"x": point.x, **({} if point.series is None else {"series": point.series}), "value": _to_integer(point.value)}
        for point in points.points
    ]


def _to_integer(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _color_encoding(points: Points) -> Spec:
    if not points.series_names:
        return {}
    return {
        "color": {
            "field": "series",
            "type": "nominal",
            "title": points.series or None,
            "sort": points.series_names,
            "legend": {"labelLimit": 160},
        }
    }


def _format_percent(share: float) -> str:
    return f"{share * 100:.0f} %" if share >= _LEAST_LABELLED_SHARE else ""


def _requirement(kind: str) -> str:
    return f"It needs {KINDS[kind]}."
