"""The axes of a chart: how times, numbers and categories are laid out and written, in no language."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from pg_llm.charts import cells
from pg_llm.charts.cells import Cells
from pg_llm.charts.table import Column

Spec = dict[str, Any]

# So few places each have their mark on an axis.
MOST_TICKS = 12


def along(x: Column, of: Cells, unit: str | None) -> Spec:
    """The first axis: time, numbers or categories."""
    if x.role == "time":
        return temporal(x, unit)
    if x.role == "number":
        found = {"field": "x", "type": "quantitative", "title": x.name, "scale": {"zero": False, "nice": not x.years}}
        return found | {"axis": {"format": "d"} if x.years else axis(of.places)}
    return {"field": "x", "type": "ordinal", "title": x.name, "sort": of.places, "axis": {"labelLimit": 120}}


def temporal(x: Column, unit: str | None) -> Spec:
    """An axis of times, which has its marks at the times themselves where they are few."""
    found: Spec = {"field": "x", "type": "temporal", "title": x.name, "scale": {"type": "utc"}}
    if unit:
        found["timeUnit"] = unit
    moments = sorted({value for value in x.values if value is not None})
    found["axis"] = {"format": cells.time_format(moments)}
    if len(moments) <= MOST_TICKS and not unit:
        found["axis"]["values"] = [cells.milliseconds(moment) for moment in moments]
    return found


def value(of: Cells, more: Spec) -> Spec:
    """The cells' values, as length, height, angle or colour."""
    shown = axis([cell.value for cell in of.cells])
    if of.value == "count":
        shown |= steps(max((cell.value for cell in of.cells), default=0.0))
    return {
        "field": "value",
        "type": "quantitative",
        "title": of.value or None,
        "axis": shown,
        **more,
    }


def quantity(field: str, column: Column, rows: list[Spec]) -> Spec:
    """An axis of numbers that does not begin at zero."""
    shown = axis([row[field] for row in rows])
    return {"field": field, "type": "quantitative", "title": column.name, "axis": shown, "scale": {"zero": False}}


def axis(values: list[Any]) -> Spec:
    """Numbers as people write them; very large and very small ones short."""
    largest = max((abs(value) for value in values), default=0.0)
    if largest >= 1e15 or 0 < largest < 1e-4:
        return {"format": ".3~e"}
    # Labels of one axis that the short form could not tell apart.
    apart = max(values, default=0.0) - min(values, default=0.0)
    return {"labelExpr": "format(datum.value, '~s')"} if largest >= 1e5 and apart >= largest / 100 else {}


def steps(largest: float) -> Spec:
    """Whole numbers on the axis of small counts."""
    return {"values": list(range(int(largest) + 1)), "format": "d"} if largest <= MOST_TICKS else {}


def written(value: Any) -> str:
    """A number with its thousands set apart, to four places."""
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
