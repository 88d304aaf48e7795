"""What the kinds of charts share: marks with their encodings and data, series, colours, axes of two scales."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from pg_llm.charts import aggregation, axes, ordering
from pg_llm.charts.aggregation import Points
from pg_llm.charts.axes import Spec
from pg_llm.charts.chart_data import ChartColumn

MOST_POSITIONS = 50
# As many as there are colours; a remainder is one of them.
MOST_SERIES = 10
BAR_STEP = 17
PADDING = 90
_MOST_MEASURES = 6


@dataclass(slots=True)
class Marks:
    """Marks and encodings, their data, how many rows were skipped or left out, and the height that they need."""

    spec: Spec
    skipped: int = 0
    height: int = 0
    values: list[Spec] = field(default_factory=list)
    left_out: int = 0


def empty_marks() -> Marks:
    """The chart of an empty result, which says so."""
    return Marks(
        {"mark": {"type": "text", "fontSize": 24, "color": "#888"}, "encoding": {"text": {"value": "0 rows"}}},
        values=[{}],
    )


def aggregate_series(
    x: ChartColumn, categories: list[ChartColumn], measures: list[ChartColumn], stacked: bool = False
) -> Points:
    """Points in the series of a category, or of several measures; those of a stack are parts of one whole."""
    if categories and len(measures) < 2:
        points = aggregation.aggregate(x, categories[0], measures)
    elif categories and x.role != "category":
        points = aggregation.aggregate(x, categories[0], measures[:1])
    else:
        points = aggregation.aggregate(x, None, measures[:_MOST_MEASURES])
    return aggregation.keep_largest_series(replace(points, are_additive=points.are_additive or stacked), MOST_SERIES)


def data_rows(points: Points) -> list[Spec]:
    """The points as the data of the specification."""
    return [_row(point.x, point.series) | {"value": _to_integer(point.value)} for point in points.points]


def gap_rows(points: Points) -> list[Spec]:
    """The places where a line is interrupted."""
    return [_row(x, series) | {"value": None} for x, series in points.gaps]


def _row(x: Any, series: str | None) -> Spec:
    return {"x": x} if series is None else {"x": x, "series": series}


def _to_integer(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def color_encoding(points: Points) -> Spec:
    """The colours of the series."""
    if not points.series_names:
        return {}
    return {
        "color": {
            "field": "series",
            "type": "nominal",
            "title": points.series or None,
            "sort": ordering.natural(points.series_names) or points.series_names,
            "legend": {"labelLimit": 160},
        }
    }


def on_two_scales(points: Points, direction: str, value: Spec, first: Spec, second: Spec) -> Spec | None:
    """Two layers with an axis each where the measures differ much in size: `first` and `second` are their parts.

    `direction` is the channel of the values, and `value` its encoding. None where one axis is enough.
    """
    groups = axes.two_scales(points) if points.series == "" else None
    if groups is None:
        return None
    layers = []
    for place, (names, layer) in enumerate(zip(groups, (first, second), strict=True)):
        shown = [point for point in points.points if point.series in names]
        axis = axes.value_axis(replace(points, points=shown), {})
        axis |= {name: each for name, each in value.items() if name == "scale"}
        axis["title"] = " ".join(filter(None, [points.value, ", ".join(names)]))
        if place:
            axis["axis"] |= {"orient": "right" if direction == "y" else "top", "grid": False}
        layers.append(
            layer
            | {
                "transform": [{"filter": {"field": "series", "oneOf": names}}],
                "encoding": layer.get("encoding", {}) | {direction: axis},
            }
        )
    return {"layer": layers, "resolve": {"scale": {direction: "independent"}}}


def long_labels(width: int) -> Spec:
    """The labels of a vertical axis."""
    limit = int(width * 0.4)
    # Longer labels would overlap the title.
    return {"labelLimit": limit, "maxExtent": limit + 20}
