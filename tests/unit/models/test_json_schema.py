"""JSON Schema: what is followed, what is not, and that no schema or value breaks the check."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.models.endpoint import json_schema, json_text

TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {"type": "object", "properties": {"child": {"$ref": "#/$defs/node"}, "n": {"type": "integer"}}},
        "loop": {"$ref": "#/$defs/loop"},
    },
}


def problem(schema: Any, value: Any) -> str | None:
    (_, read) = next(json_text.candidates(json.dumps(value)))
    return json_schema.problem(schema, read)


@pytest.mark.parametrize(
    ("schema", "follow", "break_"),
    [
        ({"type": "integer"}, [1, 1.0, -(10**30)], [1.5, True, "1", None]),
        ({"type": ["number", "null"]}, [1.5, None, 0], [False, "x", []]),
        ({"type": "boolean"}, [True, False], [0, 1, None]),
        ({"enum": [1, "a", None, [True], {"a": 0.1}]}, [1, 1.0, "a", None, [True], {"a": 0.1}], [True, "A", [1], {}]),
        ({"const": False}, [False], [0, None]),
        ({"minLength": 2, "maxLength": 3}, ["ab", "abc", 1], ["a", "abcd"]),
        ({"minimum": 0, "exclusiveMaximum": 0.3}, [0, 0.29, "x", True], [-1, 0.3]),
        ({"exclusiveMinimum": 0, "maximum": 2}, [0.1, 2], [0, 2.1]),
        (
            {"type": "array", "minItems": 1, "maxItems": 2, "uniqueItems": True},
            [[1], [1, True]],
            [[], [1, 2, 3], [1, 1.0]],
        ),
        ({"items": {"type": "string"}, "prefixItems": [{"type": "null"}]}, [[], [None, "a"]], [["a"], [None, 1]]),
        ({"required": ["a"], "minProperties": 2}, [{"a": 1, "b": 2}, []], [{"b": 1, "c": 1}, {"a": 1}]),
        (
            {"properties": {"a": {"type": "null"}}, "additionalProperties": {"type": "string"}},
            [{"a": None, "b": "x"}],
            [{"b": 1}],
        ),
        ({"properties": {"a": False}}, [{}, {"b": 1}], [{"a": 1}]),
        ({"anyOf": [{"type": "null"}, {"maximum": 3}]}, [None, 2, "x"], [4]),
        ({"oneOf": [{"minimum": 3}, {"type": "integer"}]}, [2, 3.5], [3, 2.5]),
        ({"allOf": [{"minimum": 3}, {"maximum": 5}]}, [3, 5], [2, 6]),
        ({"not": {"type": "string"}}, [1], ["x"]),
        (TREE, [{"child": {"child": {"n": 1}}}], [{"child": {"child": {"n": "x"}}}, 1]),
        ({"$ref": "#/$defs/loop", **TREE}, [{}], []),
        ({"$ref": "#/none"}, [1], []),
        (True, [1, None], []),
        (False, [], [1]),
    ],
)
def test_values_that_follow_a_schema_and_that_break_it(schema: Any, follow: list[Any], break_: list[Any]) -> None:
    assert [problem(schema, value) for value in follow] == [None] * len(follow)
    assert all(isinstance(problem(schema, value), str) for value in break_)


def test_a_schema_that_multiplies_itself_is_given_up() -> None:
    twice = {"allOf": [{"$ref": "#/$defs/twice"}, {"$ref": "#/$defs/twice"}]}
    assert problem({"$ref": "#/$defs/twice", "$defs": {"twice": twice}}, {}) is None
    assert problem({"type": "array", "uniqueItems": True}, list(range(200_000))) is None
    assert problem({"type": "array", "uniqueItems": True}, [[{"a": 1}], [{"a": 1.0}]]) == "the value has an item twice"
    nested: Any = 1
    for _ in range(300):
        nested = [nested]
    assert problem({"const": nested, "items": {"type": "array"}}, nested) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
_WORDS = """
    type enum const required properties items anyOf allOf oneOf not $ref minimum maxLength uniqueItems prefixItems
    additionalProperties
""".split()


@given(st.dictionaries(st.sampled_from(_WORDS), _JSON), _JSON)
def test_no_schema_breaks_the_check(schema: dict[str, Any], value: Any) -> None:
    found = problem(schema, value)
    assert found is None or found


@given(_JSON, st.text(alphabet="ab {}[]\n\"'`1,:", max_size=20), st.text(max_size=5))
def test_a_value_is_found_after_a_fence(value: Any, before: str, after: str) -> None:
    written = json.dumps(value)
    found = [text for text, _ in json_text.candidates(f"{before}\n```json\n{written}\n```{after}")]
    if "`" not in before:
        assert written in found


def test_a_number_beyond_all_numbers_is_no_json() -> None:
    assert list(json_text.candidates("[1e99999999999999999999]")) == []
    ((_, large),) = json_text.candidates("1e999999")
    assert json_schema.problem({"type": "integer", "maximum": 5}, large) == "the value is more than 5"


def test_a_long_text_of_brackets_is_given_up() -> None:
    for text in ("[{" * 100_000, "```" + "\n " * 100_000, "```\n" * 50_001, '{"' * 100_000):
        assert not [value for value in json_text.candidates(text) if value]
