from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest
from echo import EchoHost
from fake_connection import FakeConnection
from pg_llm.charts import rendering


@pytest.fixture
def sales(db: FakeConnection, host: EchoHost) -> FakeConnection:
    def render(inputs: Sequence[str], options: dict[str, Any]) -> list[str]:
        marks = json.loads(inputs[0]).get("mark", {"type": "layers"})["type"]
        picture = f"{options['format']} of {marks} at {options['scale']}"
        return [picture if options["format"] == "svg" else base64.b64encode(picture.encode()).decode()]

    host.answers["chart"] = render
    types = [{"name": name, "builtin": True, "composite": False, "jsonable": True} for name in ("text", "integer")]
    db.answer("format_type(b.oid, -1) AS name", types)
    db.describe_as("SELECT", [("city", 25), ("n", 23)])
    db.answer("FROM (SELECT", [{"c0": "Ulm", "c1": 1}, {"c0": "Bonn", "c1": 2}])
    return db


QUERY = "SELECT city, n FROM sales"


def test_rows_become_a_specification(sales: FakeConnection) -> None:
    spec = rendering.specify(sales, QUERY, None, "Sales", 300, 200)
    assert spec["mark"]["type"] == "bar"
    assert spec["title"]["text"] == "Sales"
    assert (spec["width"], spec["height"]) == (300, 200)
    assert spec["data"]["values"] == [{"x": "Ulm", "value": 1}, {"x": "Bonn", "value": 2}]
    assert sales.messages == []


def test_a_chart_of_the_first_rows_says_so(sales: FakeConnection) -> None:
    sales.answer("FROM (SELECT", [{"c0": "Ulm", "c1": 1}] * 10_001)
    spec = rendering.specify(sales, QUERY, None, None, 300, 200)
    ((kind, message, hint),) = sales.messages
    assert kind == "notice"
    assert message.startswith("the query has more than 10000 rows")
    assert hint == "Let the query group or sample them."
    assert spec["title"]["subtitle"] == "≤ 10,000 rows"


def test_the_host_renders_pictures(sales: FakeConnection) -> None:
    assert rendering.svg(sales, QUERY, "pie", None, 300, 300) == "svg of layers at 1"
    assert rendering.svg(sales, QUERY, "bar", None, 300, 200) == "svg of bar at 1"
    assert rendering.png(sales, QUERY, "bar", None, 300, 200, 2.5) == b"png of bar at 2.5"
