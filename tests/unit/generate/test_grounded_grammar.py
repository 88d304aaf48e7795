"""Extraction in the host: the grammar of what stands in a text, and the check of what an engine wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest
from echo import EchoEngine, run
from pg_llm.generate.host import extraction, generation, grounded_grammar
from pg_llm.models.engine import Sampling

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "of the firm"},
        "staff": {"type": "integer", "minimum": 10},
        "cities": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        "kind": {"enum": ["shop", "bank"]},
        "open": {"type": "boolean"},
    },
}
TEXT = "Rose Ltd. has 1,250 people in Bonn and Ulm; founded in 7."


def test_properties_are_described_for_a_prompt() -> None:
    assert grounded_grammar.described(SCHEMA).startswith('"name" (of the firm), "staff", ')


def test_each_property_is_required_and_may_be_null() -> None:
    schema = grounded_grammar.nullable({"type": "object", "properties": {"a": {"type": "string"}, "b": {"const": 1}}})
    assert schema["required"] == ["a", "b"]
    assert schema["properties"]["a"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert schema["additionalProperties"] is False
    assert grounded_grammar.nullable({"enum": [1]}) == {"enum": [1]}


def test_the_grammar_offers_the_texts_words_and_numbers() -> None:
    rules = dict(line.split(": ", 1) for line in grounded_grammar.grammar(SCHEMA, TEXT).splitlines())
    words = json.loads(rules["WORDS"].removeprefix("%regex "))["substring_chunks"]
    assert "".join(words) == TEXT
    numbers = [rule for rule in rules.values() if rule == '"1250"']
    assert len(numbers) == 1
    assert any(rule.startswith('%json {"enum": ["shop", "bank"]') for rule in rules.values())
    assert any("{0,1}" in rule for rule in rules.values())
    assert rules["start"] in rules


def test_an_empty_text_offers_null_only() -> None:
    rules = grounded_grammar.grammar({"type": "object", "properties": {"a": {"type": "string"}}}, "")
    assert "WORDS" not in rules
    assert 'r0: "null"' in rules


@pytest.mark.parametrize(
    ("value", "grounded"),
    [
        ({"name": "Rose Ltd", "staff": 1250}, {"name": "Rose Ltd", "staff": 1250}),
        ({"name": "Lily Ltd", "staff": 1251}, {}),
        ({"name": " Bonn ", "cities": ["Bonn", "Paris", "Ulm"]}, {"name": "Bonn", "cities": ["Bonn", "Ulm"]}),
        ({"kind": "bank", "open": True}, {"kind": "bank", "open": True}),
        ({"name": 3, "other": "Bonn"}, {}),
    ],
)
def test_what_does_not_stand_in_the_text_is_null(value: Any, grounded: dict[str, Any]) -> None:
    expected = {name: grounded.get(name) for name in SCHEMA["properties"]}
    assert grounded_grammar.grounded(SCHEMA, value, TEXT) == expected


def test_strings_keep_to_their_length_and_free_objects_are_checked_too() -> None:
    short = {"type": "string", "maxLength": 3}
    assert grounded_grammar.grounded(short, "Bonn", TEXT) is None
    assert grounded_grammar.grounded({"type": "string", "maxLength": "3"}, "Bonn", TEXT) == "Bonn"
    assert grounded_grammar.grounded({}, {"a": ["Bonn", "Rome"], "b": "Rome"}, TEXT) == {"a": ["Bonn"], "b": None}


def test_types_beside_null_are_followed() -> None:
    assert grounded_grammar.grounded({"type": ["string", "null"], "maxLength": 2}, "Bonn", TEXT) is None
    assert grounded_grammar.grounded({"type": ["string", "number"], "maxLength": 2}, "Bonn", TEXT) == "Bonn"


def test_a_number_of_too_many_digits_is_none() -> None:
    assert grounded_grammar.parse(f'{{"a": {"1" * 301}}}') == {"a": None}
    assert "1" * 301 not in grounded_grammar.grammar(
        {"type": "object", "properties": {"a": {"type": "number"}}}, "1" * 301
    )


class Scripted(EchoEngine):
    """Writes what it is told to; remembers how it was asked."""

    def __init__(self, written: str | None) -> None:
        super().__init__("generation", forward=lambda text: written)
        self.asked: list[tuple[list[dict[str, str]], Sampling]] = []

    def prompt(self, messages: Any, sampling: Any) -> Any:
        self.asked.append((list(messages), sampling))
        return super().prompt(messages, sampling)


@pytest.mark.parametrize(
    ("written", "result"),
    [
        ('{"name": "Rose Ltd", "staff": 99}', '{"name": "Rose Ltd", "staff": null}'),
        (None, ""),
    ],
)
def test_extraction_checks_what_was_written(written: str | None, result: str) -> None:
    schema = {"type": "object", "properties": {name: SCHEMA["properties"][name] for name in ("name", "staff")}}
    model = Scripted(written)
    works = extraction.prepare(model, [TEXT], {"schema": schema, "max_tokens": 50})
    assert run(works, model) == [result]
    ((messages, sampling),) = model.asked
    assert messages[0]["content"].startswith('Extract from the text the properties "name" (of the firm), "staff"')
    assert messages[1] == {"role": "user", "content": TEXT}
    assert (sampling.max_tokens, sampling.temperature, sampling.schema["required"]) == (50, 0.0, ["name", "staff"])
    assert sampling.grammar is not None
    assert "WORDS" in sampling.grammar


def test_prompts_become_conversations_of_one_turn() -> None:
    model = Scripted("answer")
    options = {"max_tokens": 5, "temperature": 0.3, "seed": 2, "schema": None}
    assert run(generation.prepare(model, ["one", "two"], options), model) == ["answer", "answer"]
    assert [messages[0]["content"] for messages, _ in model.asked] == ["one", "two"]
    assert model.asked[0][1] == Sampling(5, 0.3, 2, None, None)
    assert run(generation.prepare(Scripted(None), ["one"], options), Scripted(None)) == [""]
