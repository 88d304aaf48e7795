"""The host's surroundings: its socket, its server's process, its configuration."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pg_llm import protocol
from pg_llm.errors import HostUnavailable, InvalidInput
from pg_llm.runtime import configuration, postmaster
from pg_llm.runtime.listener import Listener


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / protocol.FOLDER).mkdir()
    return tmp_path


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await writer.drain()
    writer.close()


async def heard() -> bytes:
    reader, writer = await asyncio.open_unix_connection(protocol.SOCKET)
    found = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return found


def test_callers_can_wait_before_the_host_serves_and_a_removed_socket_comes_back() -> None:
    async def scenario() -> None:
        listener = Listener()
        with socket.socket(socket.AF_UNIX) as early:
            early.connect(protocol.SOCKET)
            await listener.serve(hello)
            early.setblocking(False)
            assert await asyncio.get_running_loop().sock_recv(early, 10) == b"hello"
        os.unlink(protocol.SOCKET)
        await listener.restore()
        assert await heard() == b"hello"
        before = os.stat(protocol.SOCKET).st_ino
        await listener.restore()
        assert os.stat(protocol.SOCKET).st_ino == before
        listener.remove()
        assert not os.path.exists(protocol.SOCKET)
        listener._server.close()  # type: ignore[union-attr]

    asyncio.run(scenario())


def test_a_socket_of_another_host_is_left_alone() -> None:
    async def scenario() -> None:
        first = Listener()
        await first.serve(hello)
        second = Listener()
        await second.serve(hello)
        first.remove()
        assert os.path.exists(protocol.SOCKET)
        second.remove()
        for listener in (first, second):
            listener._server.close()  # type: ignore[union-attr]

    asyncio.run(scenario())


def started(data: Path, program: str) -> subprocess.Popen[bytes]:
    """A process that the files of a data directory call its postmaster."""
    running = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE)
    (data / "postmaster.pid").write_text(f"{running.pid}\n/data\n")
    return running


def test_the_server_is_that_of_the_data_directory(data: Path) -> None:
    with pytest.raises(HostUnavailable, match="no PostgreSQL server runs"):
        postmaster.running()
    running = started(data, "input()")
    with running:
        (data / "postmaster.opts").write_text('/usr/bin/postgres "-D" "/a b"\n')
        found = postmaster.running()
        assert found == postmaster.Postmaster(running.pid, ("/usr/bin/postgres", "-D", "/a b"))

        async def until_gone() -> None:
            watching = asyncio.create_task(postmaster.gone(found))
            await asyncio.sleep(0.05)
            assert not watching.done()
            running.communicate(b"\n")
            await asyncio.wait_for(watching, 20)

        asyncio.run(until_gone())
    with pytest.raises(HostUnavailable, match="no PostgreSQL server runs"):
        postmaster.running()
    asyncio.run(postmaster.gone(found))


def test_kernels_without_process_descriptors_are_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", missing)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    asyncio.run(asyncio.wait_for(postmaster.gone(postmaster.Postmaster(ended.pid, ())), 20))


def configured(data: Path, **values: str) -> configuration.Configuration:
    """The configuration of a server whose program knows these settings."""
    program = data / "postgres"
    cases = "\n".join(f"    llm.{name}) echo '{value}';;" for name, value in values.items())
    program.write_text(f'#!/bin/sh\ncase "$4" in\n{cases}\n    *) exit 1;;\nesac\n')
    program.chmod(0o755)
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n")
    (data / "postmaster.opts").write_text(f'{program} "-D" "/data"\n')
    return configuration.read()


def test_the_configuration_is_the_servers(data: Path) -> None:
    found = configured(
        data,
        memory_limit="1GB",
        memo_limit="0",
        threads="2",
        tensorboard_directory="/logs",
        model_file_key="env:MODELS",
    )
    assert found == configuration.Configuration(
        memory_limit=1 << 30,
        host_memory_limit=3 << 30,
        process_memory_limit=4 << 30,
        host_timeout=60.0,
        memo_limit=0,
        threads=2,
        tensorboard_directory="/logs",
        model_file_key="env:MODELS",
    )
    assert configured(data, host_memory_limit="5GB").host_memory_limit == 5 << 30
    with pytest.raises(InvalidInput, match="llm.memory_limit"):
        configured(data, memory_limit="much")
    with pytest.raises(InvalidInput, match="llm.model_file_key"):
        configured(data, model_file_key="file:../postgresql.conf")
