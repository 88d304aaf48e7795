"""Moments in charts over time: rules at the places of their times, which a renderer draws."""

from __future__ import annotations

import json

import pytest
from pg_llm.charts import annotations, specification

ROWS = [[f"2026-01-01T10:0{n}:00+01:00", float(n), float(10_000 * n)] for n in range(5)]
COLUMNS = [("minute", "timestamp with time zone"), ("rows", "double precision"), ("lag", "double precision")]


@pytest.mark.parametrize("columns", [2, 3])
def test_moments_are_rules(columns: int) -> None:
    spec = specification.specification(COLUMNS[:columns], [row[:columns] for row in ROWS], "line", "pulse")
    assert spec is not None
    marked = annotations.with_moments(spec, [("2026-01-01T10:02:30+01:00", "alarm <b>"), ("infinity", "never")])
    assert marked["data"]["values"][-1] == {"x": "2026-01-01T10:02:30Z", "alarm": "alarm <b>"}
    rendering = pytest.importorskip("pg_llm.charts.host.rendering", reason="the host's packages are not there")
    svg = rendering.run_in_worker(json.dumps(marked), "svg", 1)
    assert svg.count("#c0392b") == 1


def test_without_moments() -> None:
    spec = {"mark": "line"}
    assert annotations.with_moments(spec, []) is spec
