"""Axes of a chart: scales, ticks and formats, using only numbers and SQL terms, so that nothing needs translation."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from pg_llm.charts import aggregation
from pg_llm.charts.aggregation import Points
from pg_llm.charts.chart_data import ChartColumn

Spec = dict[str, Any]

# Up to that many positions each get a tick.
MOST_TICKS = 12


def x_axis(x: ChartColumn, points: Points, unit: str | None) -> Spec:
    """The x axis of times, numbers or categories."""
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
    axis["axis"] = {"format": aggregation.time_format(moments)}
    if len(moments) <= MOST_TICKS and not unit:
        axis["axis"]["values"] = [aggregation.milliseconds(moment) for moment in moments]
    return axis


def value_axis(points: Points, options: Spec) -> Spec:
    """The encoding of the points' values, as length, height, angle or colour."""
    axis = number_axis([point.value for point in points.points])
    if points.value == "count":
        axis |= integer_ticks(max((point.value for point in points.points), default=0.0))
    return {
        "field": "value",
        "type": "quantitative",
        "title": points.value or None,
        "axis": axis,
        **options,
    }


def quantitative_axis(field: str, column: ChartColumn, rows: list[Spec]) -> Spec:
    """A numeric axis that need not begin at zero."""
    axis = number_axis([row[field] for row in rows])
    return {"field": field, "type": "quantitative", "title": column.name, "axis": axis, "scale": {"zero": False}}


def number_axis(values: list[Any]) -> Spec:
    """The number format of an axis; very large and very small numbers are abbreviated."""
    largest = max((abs(value) for value in values), default=0.0)
    if largest >= 1e15 or 0 < largest < 1e-4:
        return {"format": ".3~e"}
    # Abbreviated labels must still differ.
    span = max(values, default=0.0) - min(values, default=0.0)
    return {"labelExpr": "format(datum.value, '~s')"} if largest >= 1e5 and span >= largest / 100 else {}


def integer_ticks(largest: float) -> Spec:
    """Integer ticks for small counts."""
    return {"values": list(range(int(largest) + 1)), "format": "d"} if largest <= MOST_TICKS else {}


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
