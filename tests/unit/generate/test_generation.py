"""Generation in a backend: sampling, schemas, and values that jsonb can hold."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import FakeConnection
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.errors import InvalidInput
from pg_llm.functions import generation as face
from pg_llm.generate import json_schema, json_values
from pg_llm.generate.generation import SamplingParameters

NAME = {"type": "object", "properties": {"name": {"type": "string"}}}


@pytest.fixture(autouse=True)
def model(db: FakeConnection) -> None:
    db.answer("LEFT JOIN llm.model AS m", [registered("writer", "generation")])


def test_prompts_are_answered_in_order_and_null_stays_null(db: FakeConnection, host: EchoHost) -> None:
    assert face.llm_generate.__wrapped__(db, "a\nsecond line", "writer", 8, 0.5, 7) == "second line"
    assert face.llm_generate.__wrapped__(db, None, None, 8, 0.0, 0) is None
    assert face.llm_generate_batch.__wrapped__(db, ["x", None, "y"], None, 8, 0.0, 0) == [(1, "x"), (2, None), (3, "y")]
    first = host.requests[0]
    assert (first.task, first.model, first.inputs) == ("generation", "writer", ["a\nsecond line"])
    assert first.options == {"max_tokens": 8, "temperature": 0.5, "seed": 7, "schema": None}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((None, 0.0, 0), "max_tokens must lie between 1 and 32768"),
        ((0, 0.0, 0), "max_tokens"),
        ((32769, 0.0, 0), "max_tokens"),
        ((1, None, 0), "temperature must lie between 0 and 2"),
        ((1, 2.1, 0), "temperature"),
        ((1, -0.1, 0), "temperature"),
        ((1, 0.0, None), "seed must not be NULL"),
    ],
)
def test_sampling_has_ranges(given: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        SamplingParameters.checked(*given)


def test_json_is_parsed_and_what_was_cut_off_is_null_with_a_warning(db: FakeConnection, host: EchoHost) -> None:
    host.answers["generation"] = lambda inputs, options: ['{"name": "Ada"}', ""][: len(inputs)]
    assert face.llm_generate_json.__wrapped__(db, "p", NAME, None, 9, 0.0, 0) == {"name": "Ada"}
    assert db.messages == []
    found = face.llm_generate_json_batch.__wrapped__(db, ["p", None, "q"], NAME, None, 9, 0.0, 0)
    assert found == [(1, {"name": "Ada"}), (2, None), (3, None)]
    ((kind, message, hint),) = db.messages
    assert (kind, message) == ("warning", "1 of 3 JSON values were not finished within 9 tokens")
    assert hint is not None
    assert "Raise max_tokens" in hint
    assert host.requests[0].options["schema"] == NAME


def test_extraction_asks_for_an_object(db: FakeConnection, host: EchoHost) -> None:
    host.answers["extraction"] = lambda inputs, options: ['{"name": null}'] * len(inputs)
    schema = {"properties": {"name": {"type": "string", "maxLength": Decimal(5)}}}
    assert face.llm_extract.__wrapped__(db, "text", schema, None, 16) == {"name": None}
    assert face.llm_extract_batch.__wrapped__(db, [None], schema, None, 16) == [(1, None)]
    assert host.requests[0].options == {
        "max_tokens": 16,
        "temperature": 0.0,
        "seed": 0,
        "schema": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}}},
    }


@pytest.mark.parametrize("schema", [None, [], "x", {"type": "array"}, {"properties": {}}, {"properties": []}])
def test_an_object_has_properties(schema: Any) -> None:
    with pytest.raises(InvalidInput, match="must name the properties of an object"):
        json_schema.checked_object(schema)


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels - 1):
        schema = {"items": schema}
    return schema


def test_schemas_are_bounded() -> None:
    assert json_schema.checked(nested(32)) == nested(32)
    for schema in (nested(33), {"title": "x" * 65536}, nested(500)):
        with pytest.raises(InvalidInput, match="at most 65536 characters and 32 levels"):
            json_schema.checked(schema)
    with pytest.raises(InvalidInput, match="must be a JSON Schema"):
        json_schema.checked([1])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a\\u0000b"', "ab"),
        ('"\\ud800x"', "?x"),
        ('{"k\\u0000": [1, null, true]}', {"k": [Decimal(1), None, True]}),
        ("1.50", Decimal("1.50")),
        ("1e20000", None),
        ("1e99999999999999999999", None),
        ("-" + "9" * 16000, None),
    ],
)
def test_values_are_what_jsonb_holds(text: str, value: Any) -> None:
    assert json_values.parse(text) == value


_JSON = st.recursive(
    st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(_JSON)
def test_no_value_keeps_nul_or_half_pairs(value: Any) -> None:
    import json

    written = json.dumps(json_values.parse(json.dumps(value)))
    assert "\\u0000" not in written
    json.loads(written)
    json.dumps(json_values.parse(json.dumps(value)), ensure_ascii=False).encode("utf-8")
