"""Aggregates of windows: which calls are understood, and what is kept of each."""

from __future__ import annotations

import pytest
from pg_llm.errors import InvalidInput
from pg_llm.streams import aggregates

TYPES = {"amount": "numeric", "weight": "double precision", "card": "text", 'odd "name"': "integer"}


def parts(call: str) -> list[aggregates.Part]:
    (aggregate,) = aggregates.parse({"x": call})
    return aggregates.parts(aggregate, TYPES)


def test_parts_are_merged_or_computed_anew() -> None:
    assert [part.merged for part in parts("count(*)")] == ["{a} + {b}"]
    assert [(part.name, part.type) for part in parts("AVG( amount )")] == [("x_sum", "numeric"), ("x_count", "int8")]
    assert parts("sum(weight)")[0].type == "float8"
    assert parts('max("odd ""name""")')[0].computed == 'max(t."odd ""name""")'
    assert all(
        part.merged is None for call in ("median", "stddev", "count_distinct") for part in parts(f"{call}(amount)")
    )


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"x": 1},
        {"x": "count"},
        {"x": "sum(*)"},
        {"x": "sum(a, b)"},
        {"x": "sum(amount) FILTER (WHERE true)"},
        {"x": "now()"},
        {"x": "string_agg(card)"},
        {"": "count(*)"},
        {"y" * 60: "count(*)"},
    ],
)
def test_what_is_no_aggregate(given: object) -> None:
    with pytest.raises(InvalidInput):
        aggregates.parse(given)


@pytest.mark.parametrize("call", ["sum(card)", "avg(card)", "median(card)", "min(nothing)"])
def test_what_a_column_cannot_give(call: str) -> None:
    with pytest.raises(InvalidInput):
        parts(call)
