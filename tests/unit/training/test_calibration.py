"""Calibration in a backend: what is kept with a model, and rows that it cannot be calibrated on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import FakeConnection
from pg_llm.database.column_types import ColumnType
from pg_llm.errors import Error, InsufficientPrivilege, InvalidInput
from pg_llm.functions import evaluation as face
from pg_llm.training import calibration

QUERY = "SELECT body, truth FROM note"


def prepare(db: FakeConnection, host: EchoHost, rows: Sequence[tuple[str, str]], labels: Any = ("a", "b")) -> None:
    described: dict[str, Any] = dict.fromkeys(ColumnType.__dataclass_fields__, True) | {"name": "text"}
    db.describe_as(QUERY, [("body", 25), ("truth", 25)])
    db.answer("pg_type", lambda call: [described for _ in call.values[0]])
    db.answer("AS q (c1, c2)", [{"c1": text, "c2": json.dumps(truth)} for text, truth in rows])
    db.answer("has_table_privilege", [{"allowed": True}])
    db.answer("LEFT JOIN llm.model AS m", lambda call: [registered("m", "classification", labels=labels)])
    db.answer("FROM llm.run AS r")
    db.answer("UPDATE llm.model SET calibration", [{"name": "m"}])
    host.answers["classification"] = lambda texts, options: [
        json.dumps({"a": float(text), "b": 1 - float(text)}) for text in texts
    ]


def calibrate(db: FakeConnection) -> dict[str, Any]:
    return dict(face.llm_calibrate.__wrapped__(db, "m", QUERY))


def test_what_is_kept_is_how_little_it_believed_in_the_right_labels(db: FakeConnection, host: EchoHost) -> None:
    prepare(db, host, [("0.75", "a"), ("0.5", "a"), ("0.75", "b"), (" ", "a")])
    told = calibrate(db)
    (kept,) = db.asked("UPDATE llm.model SET calibration")
    assert kept.values == ("m", "ec40", [0.25, 0.5, 0.75, 1.0])
    assert told["rows"] == 4
    # Of four rows four fifths of five is the largest number, and nine tenths of five is none of them.
    assert told["mean_labels"] == {"0.2": 1.5, "0.1": None, "0.05": None, "0.01": None}


def test_rows_that_are_no_use(db: FakeConnection, host: EchoHost, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(db, host, [("0.75", "other")])
    with pytest.raises(InvalidInput, match='does not know the label "other"'):
        calibrate(db)
    prepare(db, host, [("0.75", "a")] * 3)
    monkeypatch.setattr(calibration, "MOST_ROWS", 2)
    with pytest.raises(InvalidInput, match="more than 2 rows"):
        calibrate(db)
    assert db.asked("UPDATE llm.model SET calibration") == []


def test_who_may_not_register_may_not_calibrate(db: FakeConnection, host: EchoHost) -> None:
    prepare(db, host, [("0.75", "a")])
    db.answer("has_table_privilege", [{"allowed": False}])
    with pytest.raises(InsufficientPrivilege):
        calibrate(db)
    assert not host.requests


def test_models_that_cannot_be_calibrated(db: FakeConnection, host: EchoHost) -> None:
    prepare(db, host, [("0.75", "a")], labels=None)
    with pytest.raises(InvalidInput, match="no labels of its own"):
        calibrate(db)
    prepare(db, host, [("0.75", "a")])
    db.answer("UPDATE llm.model SET calibration", [])
    with pytest.raises(Error, match="was replaced meanwhile"):
        calibrate(db)


def test_what_is_private_keeps_nothing_of_rows(db: FakeConnection, host: EchoHost) -> None:
    prepare(db, host, [("0.75", "a")] * 3)
    db.answer("FROM llm.run AS r", [{}])
    with pytest.raises(InvalidInput, match="was trained with privacy"):
        calibrate(db)
    assert db.asked("UPDATE llm.model SET calibration") == []
