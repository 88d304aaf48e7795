"""The Vega-Lite specification of a chart: kind, title, data, marks, theme."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pg_llm.charts import bars, choice, distributions, lines, marks, parts
from pg_llm.charts.chart_data import ChartData, chart_data, label
from pg_llm.charts.marks import Marks

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
WIDTH, HEIGHT = 640, 400
_LONGEST_TITLE = 200
_CONFIG = {
    "font": "Noto Sans, Noto Sans CJK SC, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "gridColor": "#e6e6e6",
        "domainColor": "#999",
        "tickColor": "#999",
        "titleFontWeight": "normal",
        "labelOverlap": True,
        "labelSeparation": 6,
    },
    "legend": {"titleFontWeight": "normal"},
    "title": {
        "anchor": "start",
        "fontSize": 16,
        "subtitleColor": "#777",
        "subtitleFontSize": 11,
        "offset": 12,
    },
}
_MARKS: dict[str, Callable[[ChartData, int, int], Marks]] = {
    "line": lines.line,
    "area": lines.area,
    "bar": bars.bar,
    "scatter": distributions.scatter,
    "histogram": distributions.histogram,
    "heatmap": distributions.heatmap,
    "pie": parts.pie,
    "number": parts.number,
}


def specification(
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[Any]],
    kind: str | None,
    title: str | None,
    width: int = WIDTH,
    height: int = HEIGHT,
    truncated: bool = False,
    ordered: bool = False,
    titles: Mapping[str, str] | None = None,
) -> dict[str, Any] | None:
    """The Vega-Lite specification of a query's columns (names and types) and rows. Raises InvalidInput.

    Values are as `select.read` gives them. `truncated` says that there were more rows, `ordered` that the query orders
    them, and `titles` what to call columns of some names. None where no kind is asked for and none would show anything.
    """
    data = chart_data(columns, rows, titles, ordered)
    chosen = choice.choose_kind(data, kind) if data.row_count or kind is not None else "bar"
    if chosen is None:
        return None
    drawn_marks = _MARKS[chosen](data, width, height) if data.row_count else marks.empty_marks()
    if data.row_count and not drawn_marks.values:
        drawn_marks.spec, drawn_marks.values = marks.empty_marks().spec, [{}]
    spec: dict[str, Any] = {"$schema": SCHEMA, "width": width, "height": max(height, drawn_marks.height)}
    spec["autosize"] = {"type": "fit", "contains": "padding"}
    heading = _heading(title, _notes(data, drawn_marks, truncated), width)
    if heading:
        spec["title"] = heading
    return {**spec, "data": {"values": drawn_marks.values}, **drawn_marks.spec, "config": _CONFIG}


def _heading(title: str | None, notes: list[str], width: int) -> dict[str, Any] | None:
    text = label(title, _LONGEST_TITLE) if title else ""
    if not text and not notes:
        return None
    # Vega-Lite draws a subtitle only below a title.
    heading: dict[str, Any] = {"text": text or " ", "limit": width - 20}
    return heading | ({"subtitle": " · ".join(notes)} if notes else {})


def _notes(data: ChartData, drawn: Marks, truncated: bool) -> list[str]:
    """What the chart leaves out, using only numbers and SQL terms, so that nothing needs translation."""
    notes = [f"≤ {data.row_count:,} rows"] if truncated else []
    if drawn.left_out:
        notes.append(f"… (+{drawn.left_out})")
    return [*notes, f"NULL, NaN, Infinity: {drawn.skipped:,}"] if drawn.skipped else notes
