"""Evaluation and promotion in a backend: predictions of each kind of model against labelled rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import Call, FakeConnection
from pg_llm.database.column_types import ColumnType
from pg_llm.errors import InsufficientPrivilege, InvalidInput
from pg_llm.functions import evaluation as face

QUERY = "SELECT body, truth FROM note"


def labelled(db: FakeConnection, rows: Sequence[tuple[str, Any]], several: bool = False) -> None:
    """The rows of the query; `several`: the second column is an array or JSON."""
    described: dict[str, Any] = dict.fromkeys(ColumnType.__dataclass_fields__, True) | {"name": "text"}
    db.describe_as(QUERY, [("body", 25), ("truth", 25)])
    db.answer("pg_type", lambda call: [described for _ in call.values[0]])
    db.answer("typcategory = 'A'", [{"several": several}])
    db.answer("AS q (c1, c2)", [{"c1": text, "c2": json.dumps(truth)} for text, truth in rows])


def model(db: FakeConnection, task: str, labels: list[str] | None = None) -> None:
    db.answer("LEFT JOIN llm.model AS m", lambda call: [registered(call.values[0], task, labels=labels)])


def evaluate(db: FakeConnection, labels: list[str] | None = None) -> dict[str, dict[str, Any]]:
    return {row.pop("label"): row for row in face.llm_evaluate.__wrapped__(db, "m", QUERY, labels)}


def scores(**by_text: dict[str, float]) -> Any:
    return lambda inputs, options: [json.dumps(by_text[text]) for text in inputs]


def test_a_classifiers_best_label_is_compared(db: FakeConnection, host: EchoHost) -> None:
    model(db, "classification", ["a", "b"])
    labelled(db, [("one", "a"), ("two", "a"), ("three", "b")])
    host.answers["classification"] = scores(one={"a": 0.9, "b": 0.1}, two={"a": 0.2, "b": 0.8}, three={"b": 1.0})
    found = evaluate(db)
    assert found["a"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}
    assert found["b"] == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1}
    assert found["micro avg"]["f1"] == pytest.approx(2 / 3)
    assert host.requests[0].options["labels"] is None
    assert host.requests[0].options["many"] is False


def test_a_zero_shot_model_is_asked_about_the_labels_of_the_rows(db: FakeConnection, host: EchoHost) -> None:
    model(db, "embedding")
    labelled(db, [("one", ["b", "a"]), ("two", [])], several=True)
    host.answers["classification"] = scores(one={"a": 0.5, "b": 0.4}, two={"a": 0.49, "b": 0.9})
    found = evaluate(db)
    assert host.requests[0].options["labels"] == [("a", None), ("b", None)]
    assert host.requests[0].options["many"] is True
    assert (found["a"]["precision"], found["a"]["recall"]) == (1.0, 1.0)
    assert (found["b"]["precision"], found["b"]["recall"]) == (0.0, 0.0)
    evaluate(db, ["b: with a description"])
    assert host.requests[-1].options["labels"] == [("b", "with a description")]


def test_an_entity_is_right_if_label_and_place_agree(db: FakeConnection, host: EchoHost) -> None:
    model(db, "entities", ["PER"])
    labelled(db, [("Ada met Bob", [{"label": "PER", "start_pos": 1, "end_pos": 4}])])
    host.answers["entities"] = lambda inputs, options: ['[["PER", 0, 3, 0.9], ["PER", 8, 11, 0.9]]']
    assert (evaluate(db)["PER"]["precision"], evaluate(db)["PER"]["recall"]) == (0.5, 1.0)


RELATION = {
    "subject_start": 1,
    "subject_end": 4,
    "subject_type": "PER",
    "object_start": 9,
    "object_end": 12,
    "object_type": "PER",
}


def test_relations_are_looked_for_between_the_marked_entities(db: FakeConnection, host: EchoHost) -> None:
    model(db, "relations", ["met", "knows"])
    labelled(db, [("Ada met Bob", [RELATION | {"predicate": "met"}, RELATION | {"predicate": None}])])
    host.answers["relations"] = lambda inputs, options: [
        json.dumps(
            {
                "entities": [["PER", 0, 3, 1.0], ["PER", 8, 11, 1.0]],
                "relations": [[0, "met", 1, 0.9], [1, "knows", 0, 0.8]],
            }
        )
    ]
    found = evaluate(db)
    assert (found["met"]["precision"], found["met"]["recall"], found["knows"]["precision"]) == (1.0, 1.0, 0.0)
    (asked,) = host.requests[0].inputs
    assert json.loads(asked) == {"text": "Ada met Bob", "entities": [["PER", 0, 3, 1.0], ["PER", 8, 11, 1.0]]}
    assert "knows" not in evaluate(db, ["met"])


@pytest.fixture
def two_models(db: FakeConnection, host: EchoHost) -> dict[str, float]:
    """Models `new` and `old`, with the score that each gives the true label `a`."""
    chances = {"new": 0.9, "old": 0.1}
    db.answer("has_table_privilege('llm.model'", [{"allowed": True}])
    db.answer("UPDATE llm.model")
    model(db, "classification", ["a", "b"])
    labelled(db, [("one", "a"), ("two", "a")])
    host.answers["classification"] = lambda inputs, options: [
        json.dumps({"a": chances[str(host.requests[-1].model)], "b": 0.5}) for _ in inputs
    ]
    return chances


def test_the_better_model_takes_the_name(db: FakeConnection, two_models: dict[str, float]) -> None:
    found = face.llm_promote.__wrapped__(db, "new", "old", QUERY)
    assert found == [
        {"model": "new", "score": 1.0, "promoted": True},
        {"model": "old", "score": 0.0, "promoted": False},
    ]
    (call,) = db.asked("UPDATE llm.model")
    assert call.values == ("old", "new")
    assert db.asked("has_table_privilege")[0].values == ("UPDATE",)


def test_an_equal_model_does_not(db: FakeConnection, two_models: dict[str, float]) -> None:
    two_models["old"] = 0.8
    assert [row["promoted"] for row in face.llm_promote.__wrapped__(db, "new", "old", QUERY)] == [False, False]
    assert not db.asked("UPDATE llm.model")


@pytest.mark.usefixtures("two_models")
def test_only_two_trained_models_of_one_task_compete(db: FakeConnection) -> None:
    with pytest.raises(InvalidInput, match="cannot be promoted over itself"):
        face.llm_promote.__wrapped__(db, "old", "old", QUERY)
    with pytest.raises(InvalidInput, match="over must not be NULL"):
        face.llm_promote.__wrapped__(db, "new", None, QUERY)

    def of_two_tasks(call: Call) -> list[dict[str, Any]]:
        return [registered(call.values[0], "entities" if call.values[0] == "new" else "classification", labels=["a"])]

    db.answer("LEFT JOIN llm.model AS m", of_two_tasks)
    with pytest.raises(InvalidInput, match="are not two trained models of one task"):
        face.llm_promote.__wrapped__(db, "new", "old", QUERY)
    db.answer("has_table_privilege('llm.model'", [{"allowed": False}])
    with pytest.raises(InsufficientPrivilege, match="permission denied to promote a model"):
        face.llm_promote.__wrapped__(db, "new", "old", QUERY)
