"""Moments marked in a chart over time: rules across it, with what happened then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.charts.chart_data import chart_data, label

_PARTS = ("mark", "encoding", "layer", "resolve")
_COLOR = "#c0392b"


def with_moments(spec: dict[str, Any], moments: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The specification of a chart over time with a rule at each moment, ISO 8601, and the text that belongs to it."""
    if not moments:
        return spec
    data = chart_data([("at", "timestamp with time zone"), ("what", "text")], moments)
    times = data.with_role("time")[0].values
    marked = [{"x": at, "alarm": label(text)} for at, (_, text) in zip(times, moments, strict=True) if at is not None]
    rules = {
        "transform": [{"filter": "isValid(datum.alarm)"}],
        "mark": {"type": "rule", "color": _COLOR, "strokeDash": [4, 3], "tooltip": True},
        "encoding": {
            "x": {"field": "x", "type": "temporal", "scale": {"type": "utc"}},
            "tooltip": [{"field": "alarm", "type": "nominal", "title": None}],
        },
    }
    chart = {name: spec[name] for name in _PARTS if name in spec} | {"transform": [{"filter": "!isValid(datum.alarm)"}]}
    rest = {name: value for name, value in spec.items() if name not in _PARTS}
    # The renderer takes data in one place only.
    return rest | {"data": {"values": [*spec["data"]["values"], *marked]}, "layer": [chart, rules]}
