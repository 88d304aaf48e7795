"""Grammars of llguidance: what is written follows a schema, and a schema of no use is told."""

from __future__ import annotations

from typing import Any

import pytest
from pg_llm.errors import InvalidInput
from pg_llm.models import grammars
from pg_llm.models.engine import Sampling


def test_a_text_without_schema_has_no_grammar() -> None:
    assert grammars.of(Sampling(5)) is None


def test_a_grammar_of_its_own_is_stricter_than_the_schema() -> None:
    assert grammars.of(Sampling(5, schema={"type": "string"}, grammar='start: "a"')) == 'start: "a"'


@pytest.mark.parametrize("schema", [{"type": "object"}, {"enum": ["a", 'b"\n']}, {}, True])
def test_json_is_written_without_white_space(schema: Any) -> None:
    grammar = grammars.of(Sampling(5, schema=schema))
    assert grammar is not None
    assert grammar.startswith("start: %json ")
    assert ('"whitespace_flexible": false' in grammar) == isinstance(schema, dict)


@pytest.mark.parametrize("schema", [{"type": 5}, {"type": "sting"}, {"$ref": "#/nowhere"}, 5, "x"])
def test_a_schema_of_no_use_is_told(schema: Any) -> None:
    with pytest.raises(InvalidInput, match="schema cannot be used"):
        grammars.of(Sampling(5, schema=schema))


@pytest.mark.parametrize("name", ["minItems", "maxItems"])
def test_lists_that_are_counted_have_a_limit(name: str) -> None:
    """llama.cpp works on a larger number for seconds, and then writes whatever it likes."""
    within = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}, name: 10_000}}}
    assert grammars.of(Sampling(5, schema=within))
    beyond = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}, name: 10_001}]}
    with pytest.raises(InvalidInput, match=f"{name} 10001") as caught:
        grammars.of(Sampling(5, schema=beyond))
    assert "no room" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "is_complete", "followed"),
    [
        ('{"a":1}', True, True),
        ('{"a":', True, False),
        ('{"a":', False, True),
        ("Here is a list", True, False),
        ("Here is a list", False, False),
        ('{"a":1} and more', True, False),
        ("", True, False),
        ("", False, True),
        ('{"b":"上海"}', True, True),
        ('{"b":"上\ufffd', False, True),
    ],
)
def test_a_text_follows_its_grammar_or_not(text: str, is_complete: bool, followed: bool) -> None:
    properties = {"a": {"type": "integer"}, "b": {"type": "string"}}
    grammar = grammars.of(Sampling(5, schema={"type": "object", "properties": properties}))
    assert grammar is not None
    assert grammars.is_followed(grammar, text, is_complete) is followed
