"""Confusion matrix and reliability of a classifier whose answers the texts themselves are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import FakeConnection
from pg_llm.database.column_types import ColumnType
from pg_llm.errors import InvalidInput
from pg_llm.functions import evaluation as face

QUERY = "SELECT body, truth FROM note"
ROWS = [("0.95", "a"), ("0.92", "a"), ("0.91", "b"), ("0.3", "b"), ("0.55", "b"), (" ", "c")]


def prepare(db: FakeConnection, host: EchoHost, rows: Sequence[tuple[str, str]] = ROWS) -> None:
    described: dict[str, Any] = dict.fromkeys(ColumnType.__dataclass_fields__, True) | {"name": "text"}
    db.describe_as(QUERY, [("body", 25), ("truth", 25)])
    db.answer("pg_type", lambda call: [described for _ in call.values[0]])
    db.answer("AS q (c1, c2)", [{"c1": text, "c2": json.dumps(truth)} for text, truth in rows])
    db.answer("LEFT JOIN llm.model AS m", lambda call: [registered("m", "classification", labels=["a", "b"])])
    host.answers["classification"] = lambda texts, options: [
        json.dumps({"a": float(text), "b": 1 - float(text)}) for text in texts
    ]


def test_every_pair_of_labels_has_a_count(db: FakeConnection, host: EchoHost) -> None:
    prepare(db, host)
    rows = face.llm_confusion.__wrapped__(db, "m", QUERY, None)
    assert {(row["label"], row["answer"]): row["rows"] for row in rows} == {
        ("a", "a"): 2, ("a", "b"): 0, ("a", None): 0,
        ("b", "a"): 2, ("b", "b"): 1, ("b", None): 0,
        ("c", "a"): 0, ("c", "b"): 0, ("c", None): 1,
    }  # fmt: skip


def test_how_often_it_is_right_where_it_is_so_sure(db: FakeConnection, host: EchoHost) -> None:
    prepare(db, host)
    rows = face.llm_reliability.__wrapped__(db, "m", QUERY, None, 10)
    assert [(round(row["confidence"], 3), round(row["accuracy"], 3), row["rows"]) for row in rows] == [
        (0.55, 0, 1), (0.7, 1, 1), (0.927, 0.667, 3),
    ]  # fmt: skip
    (row,) = face.llm_reliability.__wrapped__(db, "m", QUERY, None, 1)
    assert (row["rows"], row["accuracy"]) == (5, pytest.approx(0.6))
    with pytest.raises(InvalidInput, match="bins must lie between"):
        face.llm_reliability.__wrapped__(db, "m", QUERY, None, 0)
