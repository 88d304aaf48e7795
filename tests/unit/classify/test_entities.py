"""Entities in a backend: rows with positions from 1, and labels that the recogniser does not know."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import Call, FakeConnection
from pg_llm.classify import entities, entity_labels
from pg_llm.errors import InvalidInput
from pg_llm.functions import entities as face

TEXT = "Ada met Bob in Rome"
FOUND = [["PER", 0, 3, 0.9], ["PER", 8, 11, 0.4], ["LOC", 15, 19, 0.8]]


def _model(call: Call) -> list[dict[str, object]]:
    if call.values[1] == "llm.classification_model":
        return [registered("judge", "embedding")]
    return [registered(call.values[0] or "names", "entities", labels=["PER", "LOC"])]


@pytest.fixture(autouse=True)
def models(db: FakeConnection, host: EchoHost) -> None:
    db.answer("LEFT JOIN llm.model AS m", _model)
    host.answers["entities"] = recognise


def recognise(inputs: Sequence[str], options: dict[str, Any]) -> list[str]:
    kinds = None if options["labels"] is None else {name for name, _ in options["labels"]}
    found = [entity for entity in FOUND if kinds is None or entity[0] in kinds]
    return [json.dumps(found if text else []) for text in inputs]


def test_positions_count_from_one_and_the_end_is_excluded(db: FakeConnection, host: EchoHost) -> None:
    rows = entities.recognize(db, [TEXT, None, ""], None, "names", 0.5)
    assert rows == [
        (
            1,
            [
                {"entity": "Ada", "label": "PER", "start_pos": 1, "end_pos": 4, "score": 0.9},
                {"entity": "Rome", "label": "LOC", "start_pos": 16, "end_pos": 20, "score": 0.8},
            ],
        ),
        (2, None),
        (3, []),
    ]
    assert host.requests[0].inputs == [TEXT, ""]


def test_labels_of_its_own_restrict_the_recogniser(db: FakeConnection, host: EchoHost) -> None:
    for labels in ([("PER", None)], [("person", None)], [("Persons", "whoever it is")]):
        ((_, rows),) = entities.recognize(db, [TEXT], labels, None, 0.0)
        assert host.requests[-1].options["labels"] == [("PER", None)]
        assert rows is not None
        assert [(row["entity"], row["label"]) for row in rows][:2] == [("Ada", labels[0][0]), ("Bob", labels[0][0])]
    assert {request.task for request in host.requests} == {"entities"}


def test_other_labels_are_given_by_a_classifier(db: FakeConnection, host: EchoHost) -> None:
    labels = [("mathematician", None), ("city", "where people live")]

    def judge(inputs: Sequence[str], options: dict[str, Any]) -> list[str]:
        rome = {"mathematician": 0.25, "city": 0.25, "": 0.5}
        ada = {"mathematician": 0.9, "city": 0.05, "": 0.05}
        bob = {"mathematician": 0.3, "city": 0.1, "": 0.6}
        return [json.dumps(rome if "Rome (" in text else ada if "Ada (" in text else bob) for text in inputs]

    host.answers["classification"] = judge
    (found,) = entities.find(db, entities.models.find(db, "names", "entities"), [TEXT], labels)
    # Ada's kind has no label, and the classifier is sure; of Bob it is not. A city is what LOC stands for.
    assert found == [("mathematician", 0, 3, 0.9), ("city", 15, 19, pytest.approx(0.8 * 2.7 / 3.7))]
    recognition, classification = host.requests
    assert recognition.options["labels"] == [("PER", None), ("LOC", None)]
    assert classification.inputs[0] == f"Ada (PER): {TEXT}"
    assert (classification.model, classification.options["labels"]) == ("judge", labels)
    assert classification.options["allow_none"]


def test_two_labels_of_one_kind_are_told_apart(db: FakeConnection, host: EchoHost) -> None:
    host.answers["classification"] = lambda inputs, options: ['{"city": 0.1, "country": 0.2, "": 0.7}'] * len(inputs)
    recognizer = entities.models.find(db, "names", "entities")
    (found,) = entities.find(db, recognizer, [TEXT], [("city", None), ("country", None)])
    assert found == [("country", 15, 19, pytest.approx(0.8 * 2 / 3))]


def test_patterns_need_no_model_and_take_precedence(db: FakeConnection, host: EchoHost) -> None:
    host.answers["entity_patterns"] = lambda inputs, options: [json.dumps([["E-Mail", 8, 12, 1.0]]) for _ in inputs]
    rows = entities.recognize(db, [TEXT, None, ""], [("E-Mail", None)], None, 0.5)
    assert [(position, [row["entity"] for row in found or ()]) for position, found in rows] == [
        (1, ["Bob "]),
        (2, []),
        (3, [""]),
    ]
    assert [request.task for request in host.requests] == ["entity_patterns"]
    assert host.requests[0].options == {"kinds": {"email": "E-Mail"}}
    ((_, both),) = entities.recognize(db, [TEXT], [("PER", None), ("E-Mail", None)], None, 0.0)
    assert [row["entity"] for row in both or ()] == ["Ada", "Bob "]
    # A description says that something else is meant.
    host.answers["classification"] = lambda inputs, options: ['{"link": 0.1, "": 0.9}'] * len(inputs)
    assert entities.recognize(db, [TEXT], [("link", "of a chain")], None, 0.0) == [(1, [])]


def test_a_language_model_finds_labels_of_any_kind(db: FakeConnection, host: EchoHost) -> None:
    db.answer("LEFT JOIN llm.model AS m", [registered("writer", "generation")])
    host.answers["spans"] = lambda inputs, options: [json.dumps([["logician", 0, 3, None]]) for _ in inputs]
    ((_, rows), null) = entities.recognize(db, [TEXT, None], [("logician", None)], "writer", 0.9)
    assert rows == [{"entity": "Ada", "label": "logician", "start_pos": 1, "end_pos": 4, "score": None}]
    assert null == (2, None)
    assert host.requests[0].options == {"labels": [("logician", None)]}
    with pytest.raises(InvalidInput, match='"writer" has no labels of its own'):
        entities.recognize(db, [TEXT], None, "writer", 0.0)


@pytest.mark.parametrize(
    ("label", "kinds"),
    [
        ("PERSON", ["PERSON"]),
        ("Person", ["PERSON"]),
        ("people", ["PERSON"]),
        ("organisations", ["ORG"]),
        ("companies", []),
        ("location", ["GPE", "LOC"]),
        ("work-of-art", ["WORK_OF_ART"]),
        ("drug", []),
    ],
)
def test_labels_stand_for_kinds(label: str, kinds: list[str]) -> None:
    own = ["PERSON", "ORG", "GPE", "LOC", "WORK_OF_ART"]
    assert entity_labels.kinds(label, own) == kinds
    assert entity_labels.pattern(label) is None


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("email", "email"),
        ("E-Mails", "email"),
        ("IBAN", "iban"),
        ("phone_number", "phone"),
        ("URLs", "url"),
        ("x", None),
    ],
)
def test_labels_name_patterns(label: str, kind: str | None) -> None:
    assert entity_labels.pattern(label) == kind


def test_a_phrase_has_a_limited_context() -> None:
    text = "x" * 100 + "Ada" + "y" * 100
    assert entities.phrase(text, ("PER", 100, 103, 1.0)) == f"Ada (PER): {'x' * 60}Ada{'y' * 60}"


def test_the_faces(db: FakeConnection) -> None:
    assert [row["entity"] for row in face.llm_entities.__wrapped__(db, TEXT, None, None, None)] == [
        "Ada",
        "Bob",
        "Rome",
    ]
    assert face.llm_entities.__wrapped__(db, None, None, None, None) == []
    rows = face.llm_entities_batch.__wrapped__(db, [None, TEXT], None, None, 0.85)
    assert [(row["ordinality"], row["entity"]) for row in rows] == [(2, "Ada")]
    with pytest.raises(InvalidInput, match="threshold"):
        face.llm_entities.__wrapped__(db, TEXT, None, None, -1)
