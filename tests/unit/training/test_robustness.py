"""Accuracy under attack in a backend: what is counted, and which labels a model is asked about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import FakeConnection
from pg_llm.database.column_types import ColumnType
from pg_llm.errors import InvalidInput
from pg_llm.functions import robustness as face

QUERY = "SELECT body, truth FROM note"
ROWS = [("this was awful", "bad"), ("quite lovely indeed", "good"), ("simply awful things", "bad"), ("fine", "good")]


def prepare(db: FakeConnection, host: EchoHost, rows: Sequence[tuple[str, str]] = ROWS, labels: Any = None) -> None:
    described: dict[str, Any] = dict.fromkeys(ColumnType.__dataclass_fields__, True) | {"name": "text"}
    db.describe_as(QUERY, [("body", 25), ("truth", 25)])
    db.answer("pg_type", lambda call: [described for _ in call.values[0]])
    db.answer("AS q (c1, c2)", [{"c1": text, "c2": json.dumps(truth)} for text, truth in rows])
    task = "classification" if labels else "embedding"
    db.answer("LEFT JOIN llm.model AS m", lambda call: [registered("m", task, labels=labels)])
    # It knows one word, and obeys.
    host.answers["classification"] = lambda texts, options: [
        json.dumps({"bad": 0.9 if ("awful" in text) != ("Ignore" in text or "correct" in text) else 0.1, "good": 0.5})
        for text in texts
    ]


def run(db: FakeConnection, *attacks: str, labels: list[str] | None = None) -> dict[str, dict[str, Any]]:
    rows = face.llm_robustness.__wrapped__(db, "m", QUERY, list(attacks) or None, labels, 0)
    return {row.pop("attack"): row for row in rows}


def test_accuracy_falls_by_what_an_attack_turns(db: FakeConnection, host: EchoHost) -> None:
    prepare(db, host, labels=["bad", "good"])
    found = run(db, "case", "negation")
    assert list(found) == ["none", "case", "negation"]
    assert (found["none"]["accuracy"], found["none"]["drop"], found["none"]["changed"]) == (1.0, 0.0, 0.0)
    # It does not know AWFUL.
    assert (found["case"]["accuracy"], found["case"]["drop"], found["case"]["changed"]) == (0.5, 0.5, 0.5)
    assert json.loads(found["case"]["examples"])[0] == {
        "text": "this was awful", "changed": "THIS WAS AWFUL", "label": "bad", "before": "bad", "answer": "good",
    }  # fmt: skip
    # What a denial does to a label is not known.
    assert (found["negation"]["accuracy"], found["negation"]["drop"]) == (None, None)
    assert host.requests[0].options["labels"] is None


def test_a_zero_shot_model_is_asked_about_the_labels_of_the_rows(db: FakeConnection, host: EchoHost) -> None:
    prepare(db, host)
    assert set(run(db)) == {"none", "typos", "case", "ocr", "look_alikes", "truncation", "injection", "negation"}
    assert host.requests[0].options["labels"] == [("bad", None), ("good", None)]
    run(db, "case", labels=["bad: it was not liked", "good"])
    assert host.requests[-1].options["labels"] == [("bad", "it was not liked"), ("good", None)]


def test_arguments_are_checked(db: FakeConnection, host: EchoHost) -> None:
    prepare(db, host)
    with pytest.raises(InvalidInput, match='invalid attack: "magic"'):
        run(db, "magic")
    with pytest.raises(InvalidInput, match="seed must lie between"):
        face.llm_robustness.__wrapped__(db, "m", QUERY, None, None, -1)
    prepare(db, host, [("one", "bad")])
    with pytest.raises(InvalidInput, match="a single label"):
        run(db)
