"""The registry of models: SQL, rights, and what the host is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import FakeConnection
from pg_llm import settings
from pg_llm.database import model_files, models, registry
from pg_llm.errors import (
    DuplicateModel,
    InsufficientPrivilege,
    InvalidInput,
    ModelFilesMissing,
    ModelInUse,
    UndefinedModel,
)
from pg_llm.functions import model as face
from pg_llm.runtime import client, lock

DIGEST = "d" * 64


@pytest.fixture
def db(db: FakeConnection) -> FakeConnection:
    db.answer("has_table_privilege('llm.model'", [{"allowed": True}])
    db.answer("SELECT FROM llm.model WHERE name = $1")
    db.answer("INSERT INTO llm.model", [{"name": "m"}])
    db.answer("DELETE FROM llm.model WHERE")
    db.answer("FROM llm.semantic_index")
    db.answer("FROM llm.recommender")
    db.answer("LEFT JOIN llm.model AS m", lambda call: [registered(call.values[0] or "default")])
    return db


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a host is told if it runs."""
    found: list[Any] = []
    monkeypatch.setattr(client, "ask_if_running", lambda request, poll: found.append(request))
    return found


def register(db: FakeConnection, name: str | None = "m", task: str | None = "embedding") -> str:
    return str(face.llm_register_model.__wrapped__(db, name, task, "path:/m", "abc", {"precision": "int8"}))


def test_a_model_is_loaded_once_and_written_down(db: FakeConnection, host: EchoHost) -> None:
    assert register(db) == "ec40"
    assert [(request.task, request.model) for request in host.requests] == [("resolve", "m")]
    (call,) = db.asked("INSERT INTO llm.model")
    assert call.values == ("m", "embedding", "path:/m", "abc", "ec40", '{"precision": "int8"}', 16, None, None)


@pytest.mark.parametrize("name", ["", " m", "-m", "a b", "ä", "x" * 64, "a;b"])
def test_names_are_plain(db: FakeConnection, name: str) -> None:
    with pytest.raises(InvalidInput, match="not a model name"):
        register(db, name)


def test_what_stands_in_the_way(db: FakeConnection, host: EchoHost) -> None:
    with pytest.raises(InvalidInput, match="task must not be NULL"):
        register(db, task=None)
    with pytest.raises(InvalidInput, match="name must not be NULL"):
        register(db, None)
    db.answer("SELECT FROM llm.model WHERE name = $1", [{}])
    with pytest.raises(DuplicateModel, match="already registered"):
        register(db)
    db.answer("has_table_privilege('llm.model'", [{"allowed": False}])
    with pytest.raises(InsufficientPrivilege, match="permission denied to register a model"):
        register(db)
    assert host.requests == []


def test_a_name_that_was_taken_meanwhile(db: FakeConnection, host: EchoHost) -> None:
    db.answer("INSERT INTO llm.model")
    with pytest.raises(DuplicateModel, match="registered meanwhile"):
        register(db)
    assert len(host.requests) == 1


@pytest.mark.usefixtures("host")
def test_a_model_in_use_is_not_dropped(db: FakeConnection, told: list[Any]) -> None:
    db.answer("FROM llm.semantic_index", [{"target": "note"}, {"target": "book"}])
    with pytest.raises(ModelInUse) as caught:
        face.llm_drop_model.__wrapped__(db, "m")
    assert caught.value.detail == "Indexed with it: note, book."
    db.answer("FROM llm.semantic_index")
    db.answer("FROM llm.recommender", [{}])
    with pytest.raises(ModelInUse, match="is a recommender's"):
        face.llm_drop_model.__wrapped__(db, "m")
    assert (db.asked("DELETE"), told) == ([], [])


@pytest.mark.parametrize(
    ("source", "unused", "request_"),
    [("path:/m", True, "unload"), (f"database:{DIGEST}", True, "forget"), (f"database:{DIGEST}", False, None)],
)
@pytest.mark.usefixtures("host")
def test_the_host_forgets_a_dropped_model(
    db: FakeConnection,
    told: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    unused: bool,
    request_: str | None,
) -> None:
    db.answer("LEFT JOIN llm.model AS m", [registered("m", source=source, digest=DIGEST)])
    monkeypatch.setattr(model_files, "drop_unused", lambda db, digest: unused)
    face.llm_drop_model.__wrapped__(db, "m")
    assert db.asked("DELETE FROM llm.model WHERE")[0].values == ("m",)
    assert [each["op"] for each in told] == ([request_] if request_ else [])
    registry.drop(db, "m")
    assert len(db.asked("DELETE FROM llm.model WHERE")) == 2


def test_a_trained_model_gets_new_files(db: FakeConnection, told: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[str] = []
    monkeypatch.setattr(model_files, "drop_unused", lambda db, digest: not dropped.append(digest))
    db.answer("UPDATE llm.model SET source")
    registry.replace_files(db, "m", DIGEST)
    (call,) = db.asked("UPDATE llm.model SET source")
    assert call.values == ("m", f"database:{DIGEST}", DIGEST)
    assert (dropped, [each["op"] for each in told]) == (["ec40"], ["forget"])
    registry.replace_files(db, "m", "ec40")
    assert dropped == ["ec40"]


def test_loading_and_unloading(db: FakeConnection, host: EchoHost) -> None:
    host.answers["unload"] = lambda inputs, request: [True]
    face.llm_load_model.__wrapped__(db, "m")
    assert face.llm_unload_model.__wrapped__(db, "m") is True
    assert [request.task for request in host.requests] == ["load", "unload"]
    with pytest.raises(InvalidInput, match="name must not be NULL"):
        face.llm_load_model.__wrapped__(db, None)
    db.answer("has_table_privilege('llm.model'", [{"allowed": False}])
    with pytest.raises(InsufficientPrivilege, match="permission denied to unload a model"):
        face.llm_unload_model.__wrapped__(db, "m")


def status(db: FakeConnection, monkeypatch: pytest.MonkeyPatch, answer: Any) -> dict[str, Any]:
    db.answer("FROM llm.model AS m ORDER BY m.name", [registered("m")])

    def inquire(request: Any, poll: Any) -> Any:
        assert (request["op"], request["models"][0]["name"]) == ("status", "m")
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(client, "inquire", inquire)
    (row,) = face.llm_status.__wrapped__(db)
    return dict(row)


def test_the_status_of_a_host_that_runs_does_not_or_stands_still(
    db: FakeConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"state": "loaded", "device": "cpu", "engine": "onnx", "bytes": 5, "calls": 1, "rows": 2, "queue": 0}
    row = status(db, monkeypatch, {"pid": 7, "started_at": 0, "models": [{**state, "memo_hits": 3}]})
    assert row == {
        "model": "m",
        "task": "embedding",
        "host_pid": 7,
        "up_since": "1970-01-01T00:00:00+00:00",
        **state,
        "memo_hits": 3,
    }
    row = status(db, monkeypatch, None)
    assert (row["state"], row["host_pid"], row["calls"]) == ("unloaded", None, None)
    monkeypatch.setattr(lock, "holder", lambda: 9)
    row = status(db, monkeypatch, client.NotAnswering())
    assert (row["state"], row["host_pid"], row["up_since"]) == ("not answering", 9, None)


def test_a_model_is_looked_up_by_name_or_setting(db: FakeConnection) -> None:
    found = models.find(db, None, "embedding")
    assert db.calls[-1].values == (None, "llm.embedding_model", settings.default("llm.embedding_model"))
    assert (found.name, found.engine, found.option("precision")) == ("default", "shared", None)
    db.answer("LEFT JOIN llm.model AS m", [registered(options=json.dumps({"precision": "int8"}), engine="backend")])
    found = models.find(db, "x", "embedding")
    assert (found.option("precision"), found.engine) == ("int8", "backend")
    db.answer("LEFT JOIN llm.model AS m", [registered(name=None, wanted="x")])
    with pytest.raises(UndefinedModel, match='model "x" is not registered'):
        models.find(db, "x")
    db.answer("LEFT JOIN llm.model AS m", [registered("x", "entities")])
    with pytest.raises(InvalidInput, match='model "x" does entities, and embedding is needed') as caught:
        models.find(db, "x", "embedding")
    assert caught.value.hint == "SELECT name FROM llm_models WHERE task IN ('embedding') shows what there is."


def test_missing_files_are_restored_once(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    restored: list[str] = []
    monkeypatch.setattr(model_files, "restore", lambda db, digest: restored.append(digest))
    missing = [ModelFilesMissing("a", detail="one"), ModelFilesMissing("b", detail="two")]

    def call() -> str:
        if missing:
            raise missing.pop(0)
        return "done"

    assert models.with_files(db, call) == "done"
    assert restored == ["one", "two"]
    missing += [ModelFilesMissing("a", detail="one"), ModelFilesMissing("a", detail="one")]
    with pytest.raises(ModelFilesMissing):
        models.with_files(db, call)
    assert restored == ["one", "two", "one"]
    missing[:] = [ModelFilesMissing("of no digest")]
    with pytest.raises(ModelFilesMissing, match="of no digest"):
        models.with_files(db, call)


def test_a_task_without_a_model_and_the_sessions_engine(db: FakeConnection, host: EchoHost) -> None:
    host.answers["chart"] = lambda inputs, options: [options["format"]] * len(inputs)
    assert models.run_without_model(db, "chart", ["{}"], format="svg") == ["svg"]
    assert host.requests[0].model is None
    db.settings["llm.engine"] = "backend"
    assert models.engine(db) == "backend"
    db.settings["llm.engine"] = "moon"
    with pytest.raises(InvalidInput, match="llm.engine"):
        models.engine(db)
