from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from pg_llm.ask import value_lookup
from pg_llm.ask.mention import ValueMatch
from pg_llm.ask.schema import Schema, SchemaColumn, SchemaTable

PERSON = SchemaTable(
    1, "person", "person", [SchemaColumn(name, name, "text", "text") for name in ("name", "state", "status", "profile")]
)


@dataclass
class Rows:
    """Values of the columns of one table, as the queries of a lookup would find them."""

    values: list[tuple[int, str]]
    codes: dict[int, tuple[int, int]] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)

    def rows(self, query: str, oid: int, types: Any = (), values: Any = ()) -> list[dict[str, Any]]:
        self.queries.append(query)
        if "AS whole" in query:
            question = values[0]
            return [{"place": n, "value": text, "whole": text.lower() in question} for n, text in self.values]
        if "AS state" in query:
            return [{"place": n, "n": 4, "state": s, "country": c} for n, (s, c) in self.codes.items()]
        held = [(n, part, text) for n, text in self.values for part in values[0] if part in text.lower()]
        return [{"place": n, "part": part, "held": [text.lower()]} for n, part, text in held]


def find(question: str, *values: tuple[int, str], codes: dict[int, tuple[int, int]] | None = None) -> list[ValueMatch]:
    return value_lookup.find_values(question, Schema([PERSON]), Rows(list(values), codes or {}))  # type: ignore[arg-type]


def named(question: str, match: ValueMatch) -> str:
    return question[match.start : match.end]


def test_a_value_is_named_entirely() -> None:
    question = "What does Ada Lovelace earn?"
    match, *others = find(question, (0, "Ada Lovelace"))
    assert (match.ref, match.value, match.whole, match.confidence) == ((0, 0), "Ada Lovelace", True, 1.0)
    assert {named(question, each) for each in (match, *others)} == {"Ada Lovelace"}


def test_a_value_inside_a_word_is_not_meant() -> None:
    assert find("What is cannot?", (0, "can")) == []
    assert [match.value for match in find("Which cans are there?", (0, "can"))] == ["can"]


def test_a_capitalised_word_is_part_of_a_value() -> None:
    question = "What does the famous Lovelace earn?"
    (match,) = find(question, (0, "Ada Lovelace"))
    assert not match.whole
    assert named(question, match) == "Lovelace"


def test_a_quoted_text_is_part_of_a_value() -> None:
    question = 'Who is called "lovel"?'
    matches = find(question, (0, "Ada Lovelace"))
    assert {named(question, match) for match in matches} == {"lovel"}


def test_the_first_word_of_a_sentence_is_no_name() -> None:
    assert value_lookup._capitalized_words("Show all. Did Ada go?") == ["ada"]


def test_a_state_is_named_by_its_name_where_codes_are_held() -> None:
    question = "How many are from Ohio?"
    (match,) = find(question, (1, "OH"), codes={1: (4, 1)})
    assert (match.value, match.confidence) == ("OH", 0.97)
    assert named(question, match) == "Ohio"
    assert find(question, (1, "OH"), codes={1: (1, 1)}) == []


def test_a_column_of_both_kinds_of_codes_is_told_by_its_name() -> None:
    # CA is a state and a country; the column is called state.
    assert [match.value for match in find("How many are from California?", (1, "CA"), codes={1: (4, 4)})] == ["CA"]
    assert find("How many are from Canada?", (1, "CA"), codes={1: (4, 4)}) == []


def test_a_value_is_named_by_another_form_of_it() -> None:
    question = "How many cancelled?"
    (match,) = find(question, (2, "cancel"))
    assert (match.value, match.confidence) == ("cancel", 0.9)
    assert named(question, match) == "cancelled"


def test_a_chinese_state_is_named_without_already() -> None:
    (match,) = find("取消的订单有多少", (2, "已取消"))
    assert match.value == "已取消"
    assert find("未取消的订单有多少", (2, "已取消")) == []


@pytest.mark.parametrize("value", ["x" * 3, "Bonn"])
def test_values_that_are_not_named_are_not_matched(value: str) -> None:
    assert find("How many are there?", (0, value)) == []


def test_an_article_is_no_value() -> None:
    """Somebody is called so: a package of Debian's is."""
    question = "How many persons live in the north?"
    assert [match.value for match in find(question, (0, "the"), (0, "north"))] == ["north"]
    assert [match.value for match in find("Who is called 'the'?", (0, "the"))] == ["the"]
