"""A webhook holds so many bytes at once, and refuses what says that it is larger."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from pg_llm.worker.streams.http import Http


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    source = Http({"port": number, "max_bytes": 10})
    source.assign({"requests": 0})
    yield number
    source.close()


def sent(port: int, length: str, body: bytes = b"") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(b"POST / HTTP/1.0\r\nContent-Length: " + length.encode() + b"\r\n\r\n" + body)
    return client


def status(port: int, length: str, body: bytes = b"") -> int:
    with sent(port, length, body) as client:
        return int(client.recv(1000).split()[1])


@pytest.mark.parametrize(("length", "answer"), [("", 411), ("-1", 411), ("11", 413), ("9" * 5000, 413)])
def test_sizes_that_are_none_or_too_large(port: int, length: str, answer: int) -> None:
    assert status(port, length) == answer


def test_what_is_held_is_bounded(port: int) -> None:
    # Two that never end hold all that may be held.
    with sent(port, "10", b"half"), sent(port, "10", b"half"):
        time.sleep(0.5)
        answers = {status(port, "10", b"0123456789") for _ in range(3)}
    assert answers == {503}
