"""What can be made again: on the disk, or in memory, in a folder that is the server's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pg_llm import file_locks
from pg_llm.errors import ConcurrentChange, Error
from pg_llm.runtime import transient


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("data", "shm"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "data")
    monkeypatch.setattr(transient, "_MEMORY", tmp_path / "shm")
    monkeypatch.setattr(transient, "_is_memory", lambda path: True)
    return tmp_path / "shm"


def test_it_moves_to_memory_and_back_and_leaves_nothing(memory: Path) -> None:
    transient.FOLDER.mkdir(parents=True)
    (transient.FOLDER / "model").write_text("plain")
    transient.place(in_memory=True)
    (own,) = memory.iterdir()
    assert transient.FOLDER.resolve() == own
    assert own.stat().st_mode & 0o777 == 0o700
    (transient.FOLDER / "model").write_text("decrypted")
    transient.place(in_memory=True)
    assert (own / "model").read_text() == "decrypted"
    transient.place(in_memory=False)
    assert not transient.FOLDER.is_symlink()
    assert [*transient.FOLDER.iterdir(), *memory.iterdir()] == []


def test_after_a_restart_of_the_machine_it_is_made_again(memory: Path) -> None:
    transient.place(in_memory=True)
    next(memory.iterdir()).rmdir()
    transient.place(in_memory=True)
    assert transient.FOLDER.is_dir()
    assert transient.in_memory() == next(memory.iterdir())


def test_a_copy_of_the_data_directory_has_memory_of_its_own(memory: Path) -> None:
    (memory / "theirs").mkdir()
    (memory / "theirs" / "model").touch()
    transient.FOLDER.parent.mkdir()
    transient.FOLDER.symlink_to(memory / "theirs")
    assert transient.in_memory() is None
    transient.place(in_memory=True)
    assert transient.FOLDER.resolve() != memory / "theirs"
    assert (memory / "theirs" / "model").exists()


@pytest.mark.parametrize("kind", ["open", "link", "file"])
def test_what_somebody_else_has_made_is_not_used(memory: Path, kind: str) -> None:
    transient.place(in_memory=True)
    (own,) = memory.iterdir()
    transient.FOLDER.unlink()
    own.rmdir()
    if kind == "open":
        own.mkdir()
        own.chmod(0o777)
    elif kind == "link":
        own.symlink_to(memory)
    else:
        own.touch()
    with pytest.raises(Error, match="not a folder of the server's own"):
        transient.place(in_memory=True)


def test_a_disk_is_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert not transient._is_memory(Path("/nowhere"))


def test_a_training_that_is_under_way_is_left_alone() -> None:
    training = transient.TRAININGS / "one"
    training.mkdir(parents=True)
    lock = file_locks.acquire(training / "lock")
    with pytest.raises(ConcurrentChange, match="under way"):
        transient.place(in_memory=True)
    assert training.is_dir()
    os.close(lock)
    transient.place(in_memory=True)
    assert not training.exists()
