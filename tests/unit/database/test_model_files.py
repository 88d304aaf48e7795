"""Files of trained models: into the table, out of it, and never elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_connection import FakeConnection
from pg_llm.database import model_files
from pg_llm.errors import ModelFilesMissing
from pg_llm.models import source

OWNER = 99
FILES = {"model.json": b"{}", "sub/weights.safetensors": b"x" * ((1 << 20) + 3)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / "made" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made" / name).write_bytes(content)
    return tmp_path / "made"


@pytest.fixture
def digest(folder: Path) -> str:
    return source.digest(folder)


@pytest.fixture
def db(db: FakeConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeConnection:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    db.answer("FROM pg_catalog.pg_extension", [{"owner": OWNER}])
    db.answer("FROM llm.all_graph_model WHERE")
    db.answer("SELECT FROM llm.model_file")
    db.answer("INSERT INTO llm.model_file")
    db.answer("DELETE FROM llm.model_file")
    db.answer("DELETE FROM llm.training_lineage")
    return db


def rows(db: FakeConnection, folder: Path) -> list[dict[str, Any]]:
    stored = model_files.parts(db, folder, source.digest(folder))
    return [{"path": path, "part": part, "content": content} for path, part, content in stored]


def test_files_are_stored_in_parts_with_the_owners_rights(db: FakeConnection, folder: Path, digest: str) -> None:
    model_files.store(db, folder, digest)
    calls = db.asked("INSERT INTO llm.model_file")
    assert [(call.values[:3], len(call.values[3])) for call in calls] == [
        ((digest, "model.json", 0), 2),
        ((digest, "sub/weights.safetensors", 0), 1 << 20),
        ((digest, "sub/weights.safetensors", 1), 3),
    ]
    assert {call.role for call in calls} == {OWNER}
    db.answer("SELECT FROM llm.model_file", [{}])
    model_files.store(db, folder, digest)
    assert len(db.asked("INSERT INTO llm.model_file")) == 3


def test_files_come_back_as_they_were(db: FakeConnection, folder: Path, digest: str) -> None:
    db.answer("SELECT FROM llm.model_file", [{}])
    db.answer("SELECT path, part, content FROM llm.model_file", rows(db, folder))
    model_files.restore(db, digest)
    target = source.trained_folder(digest)
    assert {name: (target / name).read_bytes() for name in FILES} == FILES
    assert [file.name for file in target.parent.iterdir()] == [digest]
    assert db.asked("SELECT path, part, content")[0].role == OWNER
    # Damaged files are replaced.
    (target / "model.json").write_bytes(b"damaged")
    model_files.restore(db, digest)
    assert source.digest(target) == digest


@pytest.mark.parametrize("path", ["../outside.json", "/tmp/outside.json", "."])
def test_no_path_leads_out_of_the_folder(db: FakeConnection, digest: str, path: str) -> None:
    db.answer("SELECT FROM llm.model_file", [{}])
    db.answer("SELECT path, part, content FROM llm.model_file", [{"path": path, "part": 0, "content": b"x"}])
    with pytest.raises(ModelFilesMissing, match="that lies elsewhere"):
        model_files.restore(db, digest)
    assert list(source.trained_folder(digest).parent.iterdir()) == []


def test_files_of_another_digest_are_refused(db: FakeConnection, digest: str) -> None:
    db.answer("SELECT FROM llm.model_file", [{}])
    db.answer(
        "SELECT path, part, content FROM llm.model_file", [{"path": "model.json", "part": 0, "content": b"other"}]
    )
    with pytest.raises(ModelFilesMissing, match="not those that it had"):
        model_files.restore(db, digest)
    assert not source.trained_folder(digest).exists()


def test_a_graphs_model_is_looked_for_in_each_graph(db: FakeConnection, folder: Path, digest: str) -> None:
    with pytest.raises(ModelFilesMissing, match="are not in the database"):
        model_files.restore(db, digest)
    db.answer("FROM llm.all_graph_model WHERE", [{"graph": 1}, {"graph": 2}])
    files = {1: [{"path": "model.json", "part": 0, "content": b"wrong"}], 2: rows(db, folder)}
    db.answer("FROM llm.all_graph_model_file", lambda call: files[call.values[0]])
    model_files.restore(db, digest)
    assert source.digest(source.trained_folder(digest)) == digest


@pytest.mark.parametrize(("users", "gone"), [([], True), ([{}], False)])
def test_files_that_something_refers_to_stay(db: FakeConnection, users: list[Any], gone: bool) -> None:
    db.answer("SELECT FROM llm.model AS m WHERE m.digest = $1", users)
    assert model_files.drop_unused(db, "d" * 64) is gone
    assert [call.role for call in db.asked("DELETE FROM llm.model_file")] == ([OWNER] if gone else [])
