"""Rows that are computed together: whose error it is when they fail, and which models took part."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_connection import Call, FakeConnection
from pg_llm.columns.definition import AIColumn, Definition
from pg_llm.columns.evaluation import evaluate, to_json
from pg_llm.database.catalog import Table
from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import DatabaseError

INTEGER = ColumnType("integer", True, False, True)
TEXT = ColumnType("text", True, False, True)
HASHES = {f'{{"id": {number}}}': f"hash {number}" for number in range(1, 9)}


def column(compiled: str = "upper(body)", inputs: tuple[str, ...] = ("body",)) -> AIColumn:
    source = Table(
        oid=1,
        relation="public.ticket",
        owner="keeper",
        schema="public",
        key={"id": "integer"},
        columns={"id": INTEGER, **dict.fromkeys(inputs, TEXT)},
        kind="r",
    )
    definition = Definition(compiled, compiled, list(inputs), {}, "live")
    return AIColumn(
        id=1,
        name="x",
        source=source,
        companion="public.ticket_x",
        companion_oid=2,
        companion_key=["id"],
        owner=10,
        inputs=list(inputs),
        value_type=TEXT,
        definition=definition,
    )


def failing_on(bad: set[int], sqlstate: str) -> tuple[FakeConnection, list[list[int]]]:
    """A server that computes rows unless one of these is among them, and the keys that it was asked for."""
    asked: list[list[int]] = []

    def rows(call: Call) -> list[dict[str, Any]]:
        keys = [each["id"] for each in json.loads(call.values[0])]
        asked.append(keys)
        if bad & set(keys):
            raise DatabaseError("division by zero", sqlstate)
        return [{"key": f'{{"id": {key}}}', "input_hash": f"hash {key}", "value": f"V{key}"} for key in keys]

    db = FakeConnection()
    db.answer("SELECT v.key, v.input_hash", rows)
    db.answer("FROM pg_extension AS e", [{"schema": "public"}])
    return db, asked


def test_rows_are_computed_together() -> None:
    db, asked = failing_on(set(), "22012")
    assert [result.value for result in evaluate(db, column(), HASHES)] == [f"V{number}" for number in range(1, 9)]
    assert asked == [[1, 2, 3, 4, 5, 6, 7, 8]]


def test_halves_are_tried_until_the_row_is_found() -> None:
    db, asked = failing_on({3}, "22012")
    results = evaluate(db, column(), HASHES)
    assert [(result.value, result.error) for result in results] == [
        *(("V1", None), ("V2", None), (None, "division by zero")),
        *((f"V{number}", None) for number in range(4, 9)),
    ]
    assert results[2].input_hash == "hash 3"
    assert asked == [[1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4], [1, 2], [3, 4], [3], [4], [5, 6, 7, 8]]


@pytest.mark.parametrize("sqlstate", ["42883", "42501", "55000"])
def test_what_is_wrong_for_all_is_asked_once(sqlstate: str) -> None:
    db, asked = failing_on({3}, sqlstate)
    assert {result.error for result in evaluate(db, column(), HASHES)} == {"division by zero"}
    assert len(asked) == 1


@pytest.mark.parametrize("sqlstate", ["57014", "40001", "53200", "58000", "58030"])
def test_what_is_nobodys_fault_ends_the_statement(sqlstate: str) -> None:
    db, _ = failing_on({3}, sqlstate)
    with pytest.raises(DatabaseError):
        evaluate(db, column(), HASHES)


def test_columns_that_are_called_as_ours_are_told_apart() -> None:
    db, _ = failing_on(set(), "")
    evaluate(db, column("key || input_hash", ("key", "input_hash")), HASHES)
    (call,) = db.asked("SELECT v.key")
    assert "r.key_ AS key, r.input_hash_ AS input_hash, (key || input_hash) AS value" in call.query


def test_one_call_on_a_text_is_computed_by_its_batch_twin() -> None:
    db, _ = failing_on(set(), "")
    evaluate(db, column("public.llm_embed(body)"), HASHES)
    (call,) = db.asked("SELECT v.key")
    assert "public.llm_embed_batch((SELECT array_agg(g.input ORDER BY g.place) FROM given AS g))" in call.query


def test_nothing_of_what_it_did_stays() -> None:
    db, _ = failing_on(set(), "")
    evaluate(db, column(), HASHES)
    assert db.rollbacks == 1


def test_results_are_written_as_json() -> None:
    db, _ = failing_on({3}, "22012")
    written = json.loads(to_json(evaluate(db, column(), {key: HASHES[key] for key in list(HASHES)[2:4]})))
    assert written == [
        {"key": {"id": 3}, "input_hash": "hash 3", "value": None, "error": "division by zero", "models": {}},
        {"key": {"id": 4}, "input_hash": "hash 4", "value": "V4", "error": None, "models": {}},
    ]
