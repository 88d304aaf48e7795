"""A complete Vega-Lite specification from columns and rows: kind, title, data, marks, look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.charts import choice, marks
from pg_llm.charts.table import Table, label, table

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
    "title": {"anchor": "start", "fontSize": 16, "subtitleColor": "#777", "subtitleFontSize": 11, "offset": 12},
}


def specification(
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[Any]],
    kind: str | None,
    title: str | None,
    width: int = WIDTH,
    height: int = HEIGHT,
    cut: bool = False,
) -> dict[str, Any]:
    """The Vega-Lite specification of a query's columns (names and types) and rows. Raises InvalidInput.

    A value is what `query.read` gives, or what PL/Python makes of the type. `cut` says that there were more rows.
    """
    given = table(columns, rows)
    kind = choice.chosen(given, kind) if given.height else _none(given, kind)
    drawn = marks.drawing(kind, given, width, height) if given.height else marks.empty()
    if given.height and not drawn.values:
        drawn.spec, drawn.values = marks.empty().spec, [{}]
    found: dict[str, Any] = {"$schema": SCHEMA, "width": width, "height": max(height, drawn.height)}
    found["autosize"] = {"type": "fit", "contains": "padding"}
    heading = _heading(title, _notes(given, drawn.left_out, cut), width)
    if heading:
        found["title"] = heading
    return {**found, "data": {"values": drawn.values}, **drawn.spec, "config": _CONFIG}


def _none(given: Table, kind: str | None) -> str:
    """An empty table fits every kind that exists."""
    return choice.chosen(given, kind) if kind is not None else "bar"


def _heading(title: str | None, notes: list[str], width: int) -> dict[str, Any] | None:
    text = label(title, _LONGEST_TITLE) if title else ""
    if not text and not notes:
        return None
    # Vega-Lite draws a subtitle under a title only.
    found: dict[str, Any] = {"text": text or " ", "limit": width - 20}
    return found | ({"subtitle": " · ".join(notes)} if notes else {})


def _notes(given: Table, left_out: int, cut: bool) -> list[str]:
    """What the chart does not show, in no language: numbers and SQL's own words."""
    notes = [f"≤ {given.height:,} rows"] if cut else []
    return [*notes, f"NULL, NaN, ∞: {left_out:,}"] if left_out else notes
