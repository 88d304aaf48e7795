import fcntl
import os
import socket
from pathlib import Path

import pytest
from pg_llm import protocol
from pg_llm.errors import HostUnavailable
from pg_llm.installation import Installation
from pg_llm.runtime import spawn


class Cancelled(Exception):
    pass


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory in which no server runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_no_host_is_no_connection(data: Path) -> None:
    assert spawn.connect(lambda: None) is None
    (data / protocol.FOLDER).mkdir()
    # What a killed host leaves behind.
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(protocol.SOCKET)
    assert spawn.connect(lambda: None) is None


def test_a_host_that_runs_is_not_started_again(data: Path) -> None:
    (data / protocol.FOLDER).mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(protocol.SOCKET)
        listener.listen()
        with spawn.ensure(lambda: None) as channel:
            assert channel.getpeername() == protocol.SOCKET
    assert not (data / protocol.FOLDER / "spawn.lock").exists()


def test_a_host_without_its_server_says_so_and_leaves_no_socket(data: Path) -> None:
    with pytest.raises(HostUnavailable, match="no PostgreSQL server runs in"):
        spawn.ensure(lambda: None)
    assert not (data / protocol.SOCKET).exists()
    assert (data / protocol.FOLDER).stat().st_mode & 0o777 == 0o700


def test_a_server_that_has_ended_is_none(data: Path) -> None:
    (data / "postmaster.pid").write_text(f"{2**22 + 1}\n")
    (data / "postmaster.opts").write_text("/bin/postgres -D .\n")
    with pytest.raises(HostUnavailable, match="no PostgreSQL server runs in"):
        spawn.ensure(lambda: None)


def test_an_interpreter_that_is_gone_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawn, "installation", lambda: Installation("/no/such/python", "", ""))
    with pytest.raises(HostUnavailable, match="/no/such/python") as caught:
        spawn.ensure(lambda: None)
    assert "./run setup" in str(caught.value.hint)


def test_an_interpreter_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawn, "installation", lambda: Installation("/bin/false", "", ""))
    with pytest.raises(HostUnavailable, match="did not start: exit status 1"):
        spawn.ensure(lambda: None)


def test_who_waits_for_another_to_start_it_can_be_cancelled(data: Path) -> None:
    (data / protocol.FOLDER).mkdir()
    asked = []

    def poll() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise Cancelled

    with (data / protocol.FOLDER / "spawn.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Cancelled):
            spawn.ensure(poll)
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(HostUnavailable):
        spawn.ensure(lambda: None)
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_patience_has_an_end(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawn, "_START_TIMEOUT", 0.0)
    (data / protocol.FOLDER).mkdir()
    with (data / protocol.FOLDER / "spawn.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(HostUnavailable, match="did not start within"):
            spawn.ensure(lambda: None)
