"""The host frozen, killed, without its socket or lock, and talked to by what is no backend."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from database import value
from hosts import host_pid, hosts, resident
from pg_llm import protocol
from workbench.cluster import TEST_SETTINGS, Cluster

Connect = Callable[..., psycopg.Connection]

EMBED = "SELECT vector_dims(llm_embed(%s))"
# Seconds: views wait for a host a second at most, texts for minutes; a busy machine takes its time too.
_FROZEN = 5


@pytest.fixture(scope="module")
def hasty() -> Iterator[Cluster]:
    """A server whose host may stand still for two seconds."""
    with Cluster(settings={**TEST_SETTINGS, "llm.host_timeout": "2s"}) as own:
        own.sql("CREATE EXTENSION pg_llm CASCADE")
        yield own


def session(cluster: Cluster) -> psycopg.Connection:
    return psycopg.connect(cluster.dsn(), autocommit=True)


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def data_directory(db: psycopg.Connection) -> Path:
    return Path(value(db, "SHOW data_directory"))


def test_a_frozen_host_is_told_and_waited_for_no_longer(db: psycopg.Connection, connect: Connect) -> None:
    pid = host_pid(db)
    os.kill(pid, signal.SIGSTOP)
    try:
        for connection in (db, connect()):
            started = time.monotonic()
            rows = connection.execute("SELECT DISTINCT host_pid, state FROM llm_status()").fetchall()
            assert rows == [(pid, "not answering")]
            assert time.monotonic() - started < _FROZEN
            started = time.monotonic()
            assert connection.execute("SELECT pid, command, phase FROM llm_progress").fetchall() == [
                (pid, "model host", "not answering")
            ]
            assert time.monotonic() - started < _FROZEN
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: value(db, "SELECT bool_and(state <> 'not answering') FROM llm_status()"))
    assert value(db, "SELECT max(host_pid) FROM llm_status()") == pid


def test_no_session_can_have_the_host_replaced_early(db: psycopg.Connection) -> None:
    pid = host_pid(db)
    db.execute("SET llm.host_timeout = '1ms'; SET statement_timeout = '3s'")
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(psycopg.errors.QueryCanceled):
            db.execute(EMBED, ("nobody ends what others share",))
    finally:
        os.kill(pid, signal.SIGCONT)
    db.execute("RESET statement_timeout")
    assert value(db, EMBED, "still the same host") == 384
    assert host_pid(db) == pid


def test_a_frozen_host_is_replaced_once_by_those_who_wait(hasty: Cluster) -> None:
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(session(hasty)) for _ in range(6)]
        pid = host_pid(sessions[0])
        for connection in sessions[:3]:
            connection.execute(EMBED, ("warm",))
        os.kill(pid, signal.SIGSTOP)
        found: list[int] = []

        def ask(number: int, own: psycopg.Connection) -> None:
            found.append(value(own, EMBED, f"thawed {number}"))

        threads = [threading.Thread(target=ask, args=each) for each in enumerate(sessions)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert found == [384] * 6
        assert len({host_pid(own) for own in sessions}) == 1
        assert hosts(hasty.data) == [host_pid(sessions[0])] != [pid]


@pytest.mark.slow
def test_a_host_that_freezes_again_is_an_error(hasty: Cluster) -> None:
    ended, path = threading.Event(), hasty.data / protocol.SOCKET
    frozen = set()

    def freeze() -> None:
        """Every host, as soon as it listens."""
        while not ended.is_set():
            with contextlib.suppress(FileNotFoundError):
                about = path.stat()
                if (about.st_ino, about.st_ctime_ns) not in frozen:
                    for pid in hosts(hasty.data):
                        kill(pid, signal.SIGSTOP)
                    frozen.add((about.st_ino, about.st_ctime_ns))
            time.sleep(0.005)

    with session(hasty) as db:
        host_pid(db)
        freezer = threading.Thread(target=freeze)
        freezer.start()
        wait_for(lambda: frozen)
        try:
            with pytest.raises(psycopg.errors.SystemError, match="stopped answering") as caught:
                db.execute(EMBED, ("never",))
            assert "llm.host_timeout" in caught.value.diag.message_hint
            # While one is being replaced, a timeout of the session's own counts.
            db.execute("SET statement_timeout = '3500ms'")
            started = time.monotonic()
            with pytest.raises(psycopg.errors.QueryCanceled):
                db.execute(EMBED, ("never either",))
            assert time.monotonic() - started < 4.5
        finally:
            ended.set()
            freezer.join()
            for pid in hosts(hasty.data):
                kill(pid, signal.SIGCONT)
        db.execute("RESET statement_timeout")
        assert value(db, EMBED, "at last") == 384


@pytest.mark.slow
def test_a_busy_host_is_not_taken_for_a_frozen_one(hasty: Cluster) -> None:
    with session(hasty) as db:
        pid = host_pid(db)
        # Longer than the host may stand still; loads a model meanwhile.
        text = "Angela Merkel visited Paris in March. " * 4000
        started = time.monotonic()
        assert value(db, "SELECT count(*) FROM llm_entities(%s)", text) > 4000
        assert time.monotonic() - started > 2
        assert host_pid(db) == pid


@pytest.mark.slow
def test_a_host_that_is_killed_while_it_starts_is_started_again(db: psycopg.Connection) -> None:
    data, chance = data_directory(db), random.Random(1)
    for number in range(20):
        for pid in hosts(data):
            kill(pid)
        wait_for(lambda: not hosts(data))
        delay = chance.uniform(0, 1.5)

        def strike(delay: float = delay) -> None:
            wait_for(lambda: hosts(data))
            time.sleep(delay)
            for pid in hosts(data):
                kill(pid)

        killer = threading.Thread(target=strike)
        killer.start()
        assert value(db, EMBED, f"killed while starting, {number}") == 384
        killer.join()


@pytest.mark.slow
def test_a_host_that_is_killed_while_it_loads_is_asked_again(db: psycopg.Connection) -> None:
    data, chance = data_directory(db), random.Random(2)
    for number in range(10):
        if number % 2:
            kill(host_pid(db))
        else:
            host_pid(db)
            value(db, "SELECT llm_unload_model('all-minilm-l6-v2')")
        delay = chance.uniform(0, 2)

        def strike(delay: float = delay) -> None:
            time.sleep(delay)
            for pid in hosts(data):
                kill(pid)

        killer = threading.Thread(target=strike)
        killer.start()
        assert value(db, EMBED, f"killed while loading, {number}") == 384
        killer.join()


@pytest.mark.parametrize("names", [["host.sock"], ["host.lock"], ["host.sock", "host.lock", "spawn.lock"]])
def test_a_socket_or_lock_that_is_removed_comes_back(
    db: psycopg.Connection, connect: Connect, names: list[str]
) -> None:
    pid, folder = host_pid(db), data_directory(db) / protocol.FOLDER
    for name in names:
        (folder / name).unlink(missing_ok=True)
    started = time.monotonic()
    found: list[int] = []

    def ask(number: int, own: psycopg.Connection) -> None:
        found.append(value(own, EMBED, f"{names} {number}"))

    threads = [threading.Thread(target=ask, args=(number, connect())) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [384] * 4
    assert time.monotonic() - started < 15
    wait_for(lambda: (folder / "host.sock").exists() and (folder / "host.lock").exists())
    wait_for(lambda: len(hosts(folder.parent)) == 1)
    new = host_pid(connect())
    assert hosts(folder.parent) == [new]
    assert host_pid(db) == new
    if "host.lock" not in names or "host.sock" not in names:
        assert new == pid


def channel(data: Path) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX)
    opened.settimeout(10)
    # The path of the data directory may be longer than a socket's may be.
    folder = os.open(data, os.O_RDONLY)
    try:
        opened.connect(f"/proc/self/fd/{folder}/{protocol.SOCKET}")
    finally:
        os.close(folder)
    return opened


def frame(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


BROKEN = [
    frame(b"{"),
    frame(b"[]"),
    frame(b"\xff\xfe"),
    frame(b"{}"),
    frame(b'{"build": "x", "op": "status"}'),
    frame(b'{"build": 0, "texts": ["inputs", [99999999999]]}'),
    frame(b'{"build": 0, "texts": ["inputs", [-1]]}'),
    frame(b'{"build": 0, "texts": 7}'),
    frame(b'{"build": 0, "texts": ["inputs", [2]]}') + b"\xff\xff",
    frame(b"[" * 100_000),
    b"\xff\xff\xff\xff",
]


FOOLISH = [
    b'{"build": 0}',
    b'{"build": 0, "op": 1}',
    b'{"build": 0, "op": "run"}',
    b'{"build": 0, "op": "run", "model": 1, "task": "../x", "inputs": [1], "options": 1}',
]


def test_broken_frames_end_their_connection_only(db: psycopg.Connection) -> None:
    pid, data = host_pid(db), data_directory(db)
    for body in BROKEN:
        with channel(data) as opened:
            opened.sendall(body)
            assert opened.recv(1) == b""
    for request in FOOLISH:
        with channel(data) as opened:
            opened.sendall(frame(request))
            (size,) = struct.unpack(">I", opened.recv(4))
            assert b'"error"' in opened.recv(size)
    assert value(db, EMBED, "after broken frames") == 384
    assert host_pid(db) == pid


def test_half_frames_hold_nobody_and_no_memory(db: psycopg.Connection) -> None:
    pid, data = host_pid(db), data_directory(db)
    before = resident(pid)
    announced = b'{"build": 0, "op": "run", "texts": ["inputs", [%d]]}' % protocol.MAX_TEXTS
    with contextlib.ExitStack() as stack:
        for number in range(100):
            opened = stack.enter_context(channel(data))
            opened.sendall(struct.pack(">I", protocol.MAX_JSON) + b"{" if number % 2 else frame(announced) + b"half")
        started = time.monotonic()
        assert value(db, EMBED, "beside half frames") == 384
        assert time.monotonic() - started < 5
        assert resident(pid) - before < 50 << 20
    assert host_pid(db) == pid
