"""Axes of a chart: scales, ticks and formats, using only numbers and SQL terms, so that nothing needs translation."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from pg_llm.charts import times
from pg_llm.charts.aggregation import Points
from pg_llm.charts.chart_data import ChartColumn

Spec = dict[str, Any]

# Up to that many positions each get a tick.
MOST_TICKS = 12
# So many times as large, a measure has an axis of its own.
_OTHER_SCALE = 10


def x_axis(x: ChartColumn, points: Points, unit: str | None) -> Spec:
    """The x axis of times, numbers or categories, which stay in the order of the points."""
    if x.role == "time":
        return time_axis(x, unit)
    if x.role == "number":
        axis = {
            "field": "x",
            "type": "quantitative",
            "title": x.name,
            "scale": {"zero": False, "nice": not x.are_years},
        }
        return axis | {"axis": {"format": "d"} if x.are_years else number_axis(points.positions)}
    return {"field": "x", "type": "ordinal", "title": x.name, "sort": points.positions, "axis": {"labelLimit": 120}}


def time_axis(x: ChartColumn, unit: str | None) -> Spec:
    """A time axis; a few times get their ticks exactly."""
    axis: Spec = {"field": "x", "type": "temporal", "title": x.name, "scale": {"type": "utc"}}
    if unit:
        axis["timeUnit"] = unit
    moments = sorted({value for value in x.values if value is not None})
    written = times.time_format(moments)
    axis["axis"] = {"format": written}
    if x.clock_changes:
        axis["axis"] = {"labelExpr": times.label_expression(written, x.clock_changes)}
    if len(moments) <= MOST_TICKS and not unit:
        axis["axis"]["values"] = [times.milliseconds(moment) for moment in moments]
    return axis


def value_axis(points: Points, options: Spec) -> Spec:
    """The encoding of the points' values, as length, height, angle or colour."""
    begin = [0] if options.get("scale", {}).get("zero", True) else []
    axis = number_axis([*begin, *(point.value for point in points.points)])
    return {
        "field": "value",
        "type": "quantitative",
        "title": points.value or None,
        "axis": axis,
        **options,
    }


def begins_at_zero(points: Points) -> bool:
    """Whether an axis of positions, which may begin anywhere, begins at zero: for counts, and where that is near."""
    values = [point.value for point in points.points] or [0.0]
    largest = max(abs(value) for value in values)
    return points.are_counts or min(values) <= 0 <= max(values) or max(values) - min(values) >= largest / 2


def two_scales(points: Points) -> tuple[list[str], list[str]] | None:
    """The measures for a left and a right axis, where one of them is ten times as large as the next; else None."""
    sizes: dict[str, float] = dict.fromkeys(points.series_names, 0.0)
    for point in points.points:
        sizes[str(point.series)] = max(sizes[str(point.series)], abs(point.value))
    ranked = sorted(filter(sizes.__getitem__, sizes), key=sizes.__getitem__)
    if len(ranked) < 2:
        return None
    larger, smaller = max(pairwise(reversed(ranked)), key=lambda pair: sizes[pair[0]] / sizes[pair[1]])
    if sizes[larger] < _OTHER_SCALE * sizes[smaller]:
        return None
    groups = (
        [name for name in sizes if sizes[name] >= sizes[larger]],
        [name for name in sizes if sizes[name] < sizes[larger]],
    )
    return groups if points.series_names[0] in groups[0] else groups[::-1]


def quantitative_axis(field: str, column: ChartColumn, rows: list[Spec]) -> Spec:
    """A numeric axis that need not begin at zero."""
    axis = number_axis([row[field] for row in rows])
    return {"field": field, "type": "quantitative", "title": column.name, "axis": axis, "scale": {"zero": False}}


def number_axis(values: list[Any]) -> Spec:
    """The number format of an axis, which abbreviates the very large and very small; few integers each get a tick."""
    least, most = min(values, default=0.0), max(values, default=0.0)
    largest = max(abs(least), abs(most))
    if largest >= 1e15 or 0 < largest < 1e-4:
        return {"format": ".3~e"}
    # Abbreviated labels must still differ.
    if largest >= 1e5 and most - least >= largest / 100:
        return {"labelExpr": "format(datum.value, '~s')"}
    if most - least <= MOST_TICKS and all(float(value).is_integer() for value in values):
        return {"values": list(range(int(least), int(most) + 1)), "format": "d"}
    return {}


def format_number(value: Any) -> str:
    """A number with thousands separators and up to four decimal places."""
    if value is None:
        return "NULL"
    try:
        exact = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    if not exact.is_finite():
        return str(exact).replace("Infinity", "∞")
    if exact and not -5 < exact.adjusted() < 15:
        return f"{exact:.4e}"
    places = max(0, 3 - exact.adjusted()) if abs(exact) < 1 and exact else 2 if abs(exact) >= 1000 else 4
    text = f"{round(exact, places):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
