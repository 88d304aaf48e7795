"""Patterns of entities, and what is put right in what a pipeline finds: names in capitals, several persons in one."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from echo import EchoEngine, run
from pg_llm.classify.host import entities, entity_patterns, truecasing

KINDS = {kind: kind for kind in ("email", "url", "phone", "iban", "card", "ip")}


def found(text: str, kinds: dict[str, str] = KINDS) -> list[tuple[str, str]]:
    (result,) = run(entity_patterns.prepare(None, [text], {"kinds": kinds}), None)
    return [(label, text[start:end]) for label, start, end, _ in json.loads(result)]


@pytest.mark.parametrize(
    ("text", "kind", "entity"),
    [
        ("Write to john.doe+x@mail.example.com.", "email", "john.doe+x@mail.example.com"),
        ("mail äö@exämple.de!", "email", "äö@exämple.de"),
        ("(see https://example.com/a_(b)).", "url", "https://example.com/a_(b)"),
        ("at www.example.org/y?z=1, then", "url", "www.example.org/y?z=1"),
        ("Call +44 20 7946 0958 now", "phone", "+44 20 7946 0958"),
        ("to DE89 3704 0044 0532 0130 00 please", "iban", "DE89 3704 0044 0532 0130 00"),
        ("card 4111 1111 1111 1111.", "card", "4111 1111 1111 1111"),
        ("from 192.168.1.20 today", "ip", "192.168.1.20"),
        ("from 2001:db8::1 today", "ip", "2001:db8::1"),
    ],
)
def test_what_a_pattern_and_its_check_tell(text: str, kind: str, entity: str) -> None:
    assert found(text, {kind: "mine"}) == [("mine", entity)]
    assert (kind, entity) in found(f"🧪 {text}\n" * 2)


@pytest.mark.parametrize(
    "text",
    [
        "a@b, x@y, @name, a@@b.com",
        "DE89 3704 0044 0532 0130 01",
        "4111 1111 1111 1112 and 0000 0000 0000 0000",
        "555-1234 and 12:30:45 and 1.2.3 and 999.1.1.1 and 1.2.3.4.5",
        "http:// www.",
        "",
    ],
)
def test_what_is_none(text: str) -> None:
    assert found(text) == []


def test_a_long_text_is_read_to_its_end() -> None:
    text = "word " * 30_000 + "a@example.com"
    assert found(text) == [("email", "a@example.com")]


@pytest.mark.parametrize(
    ("text", "cased"),
    [
        ("SOPHY SANTINO", "Sophy Santino"),
        ("Then SOPHY SANTINO met the BBC NEWS.", "Then Sophy Santino met the BBC NEWS."),
        ("JOHN GAVE SUSAN A RAISE.\nThe EU and NATO.", "John gave Susan a Raise.\nThe EU and NATO."),
        ("NATO", "Nato"),
        ("Plain text of the UN.", "Plain text of the UN."),
        ("STRASSE ẞ ŒUVRE", "Strasse ẞ Œuvre"),
        ("", ""),
    ],
)
def test_capitals_are_put_into_the_usual_letters(text: str, cased: str) -> None:
    truecased = truecasing.truecase(text)
    assert truecased.split() == cased.split() or truecased.lower() == cased.lower()
    assert len(truecased) == len(text)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("John gave Susan", ["John", "Susan"]),
        ("John Adams and John Quincy Adams .", ["John Adams", "John Quincy Adams ."]),
        ("Brian Mulroney's failed handling", ["Brian Mulroney"]),
        ("Ludwig van Beethoven", ["Ludwig van Beethoven"]),
        ("the Ada", ["Ada"]),
        ("Ada, Bob", ["Ada", "Bob"]),
    ],
)
def test_persons_one_by_one(text: str, names: list[str]) -> None:
    for label, expected in (("PERSON", names), ("ORG", [text.removeprefix("the ")])):
        spans = entities.corrected(text, (label, 0, len(text), 0.5))
        assert [text[start:end] for _, start, end, _ in spans] == expected
        assert {(each, score) for each, _, _, score in spans} == {(label, 0.5)}


@pytest.mark.parametrize(
    ("text", "money"),
    [
        ("for $900.", "$900"),
        ("for 900 €", "900 €"),
        ("¥900", "¥900"),
        ("900€ each", "900€"),
        ("900 $5", "900"),
        ("900", "900"),
    ],
)
def test_money_has_its_sign(text: str, money: str) -> None:
    start = text.index("900")
    ((_, first, last, _),) = entities.corrected(text, ("MONEY", start, start + 3, 0.5))
    assert text[first:last] == money
    assert entities.corrected(text, ("CARDINAL", start, start + 3, 0.5)) == [("CARDINAL", start, start + 3, 0.5)]


def test_a_pipeline_reads_the_usual_letters_and_a_trained_model_the_text_as_it_is() -> None:
    def recognise(text: str) -> list[Any]:
        return [("PERSON", 0, 13, 0.9)] if text.startswith("Sophy") else []

    model = EchoEngine("entities", {"labels": ["PERSON"]}, recognise)
    (result,) = run(entities.prepare(model, ["SOPHY SANTINO left."], {"labels": None}), model)
    assert json.loads(result) == [["PERSON", 0, 13, 0.9]]
    assert model.read == ["Sophy Santino left."]
    trained = EchoEngine("entities", {"labels": ["A"], "tags": ["O", "B-A", "I-A"]}, lambda text: np.zeros((1, 3)))
    run(entities.prepare(trained, ["SOPHY SANTINO left."], {"labels": None}), trained)
    assert trained.read == ["SOPHY SANTINO left."]
