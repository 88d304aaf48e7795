"""Progress reports: sent to the host while a command runs, read from it by the view."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_connection import FakeConnection
from pg_llm.database import progress
from pg_llm.errors import InvalidInput
from pg_llm.functions import progress as face
from pg_llm.runtime import client, lock

SESSION = {"pid": 7, "datname": "shop", "usename": "me", "started_at": "now"}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []
    monkeypatch.setattr(client, "inform", lambda request, poll: found.append(request["report"]))
    monkeypatch.setattr(client, "abandon", lambda: found.append("abandoned"))
    return found


def test_a_command_reports_until_it_ends(db: FakeConnection, told: list[Any]) -> None:
    db.answer("pg_backend_pid()", [SESSION])
    with progress.reporting(db, "semantic_index", "note", "embedding") as report:
        report("embedding", 1, 3)
    fields = {**SESSION, "command": "semantic_index", "target": "note", "name": "embedding"}
    assert told == [{**fields, "phase": "embedding", "done": 1, "total": 3}, None]


def test_a_command_that_fails_lets_the_host_forget_it(db: FakeConnection, told: list[Any]) -> None:
    db.answer("pg_backend_pid()", [SESSION])
    with pytest.raises(InvalidInput), progress.reporting(db, "c", "t", "n"):
        raise InvalidInput("no")
    assert told == ["abandoned"]


def test_reports_of_other_databases_are_left_out(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    here, elsewhere = {**SESSION, "phase": "a"}, {**SESSION, "datname": "elsewhere", "phase": "b"}
    monkeypatch.setattr(client, "inquire", lambda request, poll: [here, elsewhere])
    db.answer("current_database()", [{"name": "shop"}])
    db.answer("FROM jsonb_to_recordset($1::jsonb)", [{"pid": 7}])
    assert face.progress_report.__wrapped__(db) == [{"pid": 7}]
    (call,) = db.asked("jsonb_to_recordset")
    assert json.loads(call.values[0]) == [here]
    assert "pg_has_role(r.oid, 'USAGE')" in call.query


def test_a_host_that_does_not_answer_is_told_of(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    def inquire(request: Any, poll: Any) -> Any:
        raise client.NotAnswering

    monkeypatch.setattr(client, "inquire", inquire)
    monkeypatch.setattr(lock, "holder", lambda: 9)
    (row,) = face.progress_report.__wrapped__(db)
    assert (row["pid"], row["command"], row["phase"], row["target"]) == (9, "model host", "not answering", None)


def test_no_host_has_no_reports(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "inquire", lambda request, poll: None)
    db.answer("current_database()", [{"name": "shop"}])
    db.answer("jsonb_to_recordset")
    assert face.progress_report.__wrapped__(db) == []
    assert db.asked("jsonb_to_recordset")[0].values == ("[]",)
