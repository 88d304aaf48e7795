"""Entities in a backend: rows with positions from 1, and labels that the recogniser does not know."""

from __future__ import annotations

import json

import pytest
from echo import EchoHost, registered
from fake_connection import Call, FakeConnection
from pg_llm.classify import entities
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
    host.answers["entities"] = lambda inputs, options: [json.dumps(FOUND if text else []) for text in inputs]


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
    entities.recognize(db, [TEXT], [("PER", None), ("planet", None)], None, 0.0)
    (request,) = host.requests
    assert request.options["labels"] == [("PER", None), ("planet", None)]


def test_other_labels_are_given_by_a_classifier(db: FakeConnection, host: EchoHost) -> None:
    labels = [("mathematician", None), ("city", "where people live")]
    host.answers["classification"] = lambda inputs, options: [
        json.dumps({"mathematician": 0.25, "city": 0.75} if "Rome (LOC)" in text else {"mathematician": 0.5, "city": 0})
        for text in inputs
    ]
    (found,) = entities.find(db, entities.models.find(db, "names", "entities"), [TEXT], labels)
    assert found == [
        ("mathematician", 0, 3, 0.45),
        ("mathematician", 8, 11, 0.2),
        ("city", 15, 19, pytest.approx(0.6)),
    ]
    recognition, classification = host.requests
    assert recognition.options["labels"] is None
    assert classification.inputs[0] == f"Ada (PER): {TEXT}"
    assert (classification.model, classification.options["labels"]) == ("judge", labels)


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
