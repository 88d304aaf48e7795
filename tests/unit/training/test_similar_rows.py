"""Rows that a text is most like: the space of the model that a head reads with, and only as many rows as asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import FakeConnection
from pg_llm.database.column_types import ColumnType
from pg_llm.errors import InvalidInput
from pg_llm.functions import training as face

QUERY = "SELECT id, body, truth FROM note"
BASE = {"name": "space", "task": "embedding", "source": "path:/base", "revision": None, "digest": "ba5e", "options": {}}
ROWS = [
    ("1", "ships and harbours", "sea"), ("2", "fields and hills", "land"), ("3", None, "sea"), ("4", "old ships", None),
    ("5", "ships and harbours", "again"),
]  # fmt: skip


def prepare(db: FakeConnection, base: Any = BASE, rows: Sequence[Any] = ROWS) -> None:
    described: dict[str, Any] = dict.fromkeys(ColumnType.__dataclass_fields__, True) | {"name": "text"}
    db.describe_as(QUERY, [("id", 23), ("body", 25), ("truth", 25)])
    db.answer("pg_type", lambda call: [described for _ in call.values[0]])
    db.answer("AS q (c1, c2, c3)", [{"c1": a, "c2": json.dumps(b), "c3": c and json.dumps(c)} for a, b, c in rows])
    row = registered("m", "classification", labels=["sea", "land"], base=json.dumps(base))
    db.answer("LEFT JOIN llm.model AS m", lambda call: [row])


def nearest(db: FakeConnection, text: str | None, k: int | None = 2) -> list[dict[str, Any]]:
    return face.llm_similar_training.__wrapped__(db, text, "m", QUERY, k)


def test_the_most_alike_in_the_space_of_the_base(db: FakeConnection, host: EchoHost) -> None:
    prepare(db)
    rows = nearest(db, "ships, harbours and more")
    assert [(row["key"], row["label"]) for row in rows] == [("1", "sea"), ("5", "again")]
    assert rows[0]["similarity"] > 0.5
    assert {request.model for request in host.requests} == {"space"}
    assert [row["key"] for row in nearest(db, "ships", k=9)] == ["4", "1", "5", "2"]


@pytest.mark.parametrize("text", [None, "", " "])
def test_nothing_is_like_nothing(db: FakeConnection, host: EchoHost, text: str | None) -> None:
    prepare(db)
    assert nearest(db, text) == []


def test_a_model_without_vectors_of_its_own(db: FakeConnection, host: EchoHost) -> None:
    prepare(db, base=None)
    with pytest.raises(InvalidInput, match="does not show its vectors"):
        nearest(db, "ships")
    with pytest.raises(InvalidInput, match="k must lie between"):
        nearest(db, "ships", k=0)
