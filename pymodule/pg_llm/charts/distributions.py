"""Scatter plots, histograms and heat maps."""

from __future__ import annotations

from pg_llm.charts import aggregation, axes, ordering
from pg_llm.charts.axes import Spec
from pg_llm.charts.chart_data import ChartData
from pg_llm.charts.marks import BAR_STEP, MOST_POSITIONS, MOST_SERIES, PADDING, Marks, data_rows, long_labels

_FEW_POINTS, _MANY_POINTS = 200, 2000


def scatter(table: ChartData, width: int, height: int) -> Marks:
    """A point for each row; a text or a third number is its colour."""
    times, numbers, categories = (table.with_role(role) for role in ("time", "number", "category"))
    x, *others = [*times[:1], *numbers] if len(numbers) < 2 else numbers
    y = others[0]
    groups = [column for column in categories if 1 < len(set(column.values)) <= MOST_SERIES]
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


def histogram(table: ChartData, width: int, height: int) -> Marks:
    """How many values lie in each bin."""
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
    counts = axes.number_axis([0, *(bar["count"] for bar in values)])
    y = {"field": "count", "type": "quantitative", "title": "count", "axis": counts}
    encoding: Spec = {"x": x, "x2": {"field": "to"}, "y": y}
    mark = {"type": "bar", "tooltip": True}
    return Marks({"mark": mark, "encoding": encoding}, len(column.values) - len(known), values=values)


def heatmap(table: ChartData, width: int, height: int) -> Marks:
    """Two texts or times across and down; the colour is a number, or how many rows there are."""
    limit = MOST_POSITIONS // 2
    pair = [column for column in table.columns if column.role != "number"][:2]
    # The column with fewer values is horizontal, where labels have less room; so is time.
    pair.sort(key=lambda column: (column.role != "time", len(set(column.values))))
    x, y = (aggregation.to_category(column, limit) for column in pair)
    points = aggregation.aggregate(x, y, table.with_role("number")[:1])
    points = aggregation.keep_largest_series(aggregation.keep_largest_positions(points, limit), MOST_POSITIONS)
    across, down = (
        labels if table.ordered else ordering.natural(labels) or labels
        for labels in (points.positions, points.series_names)
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
        "y": {"field": "series", "type": "nominal", "title": y.name, "sort": down, "axis": long_labels(width)},
        "color": color,
    }
    needed = PADDING + 60 + len(down) * BAR_STEP
    return Marks(
        {"mark": {"type": "rect", "tooltip": True}, "encoding": encoding}, points.skipped, needed, data_rows(points)
    )
