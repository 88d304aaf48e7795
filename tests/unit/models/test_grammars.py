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
