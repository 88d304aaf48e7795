"""Shares of a whole as a pie, and single numbers."""

from __future__ import annotations

import math
from dataclasses import replace

from pg_llm.charts import aggregation, axes, ordering
from pg_llm.charts.chart_data import ChartData
from pg_llm.charts.choice import KINDS, MOST_NUMBERS
from pg_llm.charts.marks import PADDING, Marks, data_rows
from pg_llm.errors import InvalidInput

# A remainder is one of them.
_MOST_SLICES = 9
# Smaller slices have no label.
_LEAST_LABELLED_SHARE = 0.04


def pie(table: ChartData, width: int, height: int) -> Marks:
    """Slices in order of size, with their share. Raises InvalidInput where there is no whole."""
    points = aggregation.aggregate(table.with_role("category")[0], None, table.with_role("number")[:1])
    total = math.fsum(point.value for point in points.points)
    if total <= 0:
        raise InvalidInput(
            "a pie chart does not fit this query: its numbers add up to nothing", hint=f"It needs {KINDS['pie']}."
        )
    # The slices of a pie are parts of one whole, so that some of them together are a part too.
    points = aggregation.keep_largest_positions(replace(points, are_additive=True), _MOST_SLICES)
    order = ordering.by_value(points)
    share = {point.x: point.value / total for point in points.points}
    rows = [
        {**row, "rank": order.index(row["x"]), "share": _format_percent(share[row["x"]])} for row in data_rows(points)
    ]
    rows.sort(key=lambda row: row["rank"])
    radius = int(min(height - PADDING, width * 0.6) / 2 * 0.9)
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


def number(table: ChartData, width: int, height: int) -> Marks:
    """The numbers of a single row as text."""
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


def _format_percent(share: float) -> str:
    return f"{share * 100:.0f} %" if share >= _LEAST_LABELLED_SHARE else ""
