"""Client of the model host; with `llm.engine = 'backend'` requests are answered in this process.

A request is the same dictionary either way. Nothing here depends on PostgreSQL: callers pass `poll`, which is called
every few hundredths of a second while waiting and raises when the query was cancelled.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from pg_llm import protocol
from pg_llm.errors import Error, HostLost, from_wire
from pg_llm.installation import build
from pg_llm.protocol import Message
from pg_llm.runtime import lock, result_cache, spawn
from pg_llm.runtime.result_cache import ResultCache

Poll = Callable[[], object]

_SLICE_MS = 50
# Seconds that a request about the host itself waits for the response.
_INQUIRY_TIMEOUT = 0.8
# Seconds that a host may take to exit.
_EXIT_TIMEOUT = 5.0
_UCRED = struct.Struct("3i")
_CHUNK_TEXTS = 256
_CHUNK_CHARACTERS = 1 << 20
# Requests in flight at once (pipelining), so that the host never waits for the backend.
_PIPELINED = 2
_ATTEMPTS = 3
# Calls of at most so many texts use the session's own cache; a long batch would only flush it.
MAX_CACHED_TEXTS = 16
CACHE_BYTES = 2 << 20


class Cost(NamedTuple):
    """What a request has cost: tokens that were read and written, seconds of the model's work, and money."""

    tokens: float
    seconds: float
    money: float


class _HostLost(Exception):
    """The host exited or was replaced during a request."""

    def __init__(self, pid: int) -> None:
        self.pid = pid


class _HostFrozen(Exception):
    """The host's heartbeat has stopped, or another host holds the lock."""

    def __init__(self, pid: int) -> None:
        self.pid = pid


class _NotRunning(Exception):
    """There is no host, and none is to be started."""


class NotAnswering(Exception):
    """The host did not respond in time: it is frozen, or runs something that cannot be interrupted."""


class _Connection:
    def __init__(self, channel: socket.socket, poll: Poll) -> None:
        self._channel = channel
        self._poll = poll
        channel.setblocking(False)
        # The process that listens on the socket.
        peer = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        self._pid = int(_UCRED.unpack(peer)[0])
        self._waiting = select.poll()
        self._ids = itertools.count()

    def close(self) -> None:
        self._channel.close()

    def exchange(self, requests: Sequence[Message], poll: Poll) -> list[Any]:
        """The results, in the order of the requests; the error of a single input stands in place of its result.

        Raises the error that the host sends, what `poll` raises, _HostLost and _HostFrozen.
        """
        self._poll = poll
        self._watch = lock.Watch()
        results: dict[int, Any] = {}
        first = next(self._ids)
        sent = 0
        capabilities = {"build": build(), "reads": ["texts", "errors"]}
        while len(results) < len(requests):
            while sent < len(requests) and sent - len(results) < _PIPELINED:
                self._send(protocol.encode({"id": first + sent, **capabilities, **requests[sent]}))
                sent += 1
            response = self._receive()
            if "error" in response:
                raise from_wire(response["error"])
            results[response["id"]] = protocol.results(response)
        self._ids = itertools.count(first + len(requests))
        return [results[first + position] for position in range(len(requests))]

    def _send(self, frame: bytes) -> None:
        remaining = memoryview(frame)
        while remaining:
            try:
                remaining = remaining[self._channel.send(remaining) :]
            except BlockingIOError:
                self._wait(select.POLLOUT)
            except OSError as error:
                raise _HostLost(self._pid) from error

    def _receive(self) -> Message:
        response = protocol.decode(self._read(protocol.size(self._read(protocol.HEADER.size))))
        return protocol.complete(response, self._read(protocol.texts_size(response)))

    def _read(self, size: int) -> bytes:
        received = bytearray(size)
        remaining = memoryview(received)
        while remaining:
            try:
                count = self._channel.recv_into(remaining)
            except BlockingIOError:
                self._wait(select.POLLIN)
                continue
            except OSError as error:
                raise _HostLost(self._pid) from error
            if not count:
                raise _HostLost(self._pid)
            remaining = remaining[count:]
        return bytes(received)

    def _wait(self, event: int) -> None:
        self._waiting.register(self._channel, event)
        while not self._waiting.poll(_SLICE_MS):
            self._poll()
            if self._watch.stopped() or lock.holder() not in (self._pid, None):
                raise _HostFrozen(self._pid)


_connection: _Connection | None = None
_cached_results = ResultCache(CACHE_BYTES)


def run(
    engine: str,
    task: str,
    model: Message | None,
    inputs: Sequence[str],
    options: Message,
    poll: Poll,
    account: Message | None = None,
) -> list[Any]:
    """One result per input, in order, or its Error; results of short calls are cached for the life of the session.

    `model` is None for a task that needs no model; `account` says who pays for it.
    """
    request = {"op": "run", "task": task, "model": model, "options": options, "account": account}
    if len(inputs) > MAX_CACHED_TEXTS:
        return _compute(engine, request, inputs, poll)
    key, scope = result_cache.key(engine, model), result_cache.scope(task, options)
    results: dict[str, Any] = {**_cached_results.get_many(key, scope, inputs)}
    missing = [text for text in dict.fromkeys(inputs) if text not in results]
    computed = dict(zip(missing, _compute(engine, request, missing, poll), strict=True))
    _cached_results.put_many(
        key, scope, {text: result for text, result in computed.items() if not isinstance(result, Error)}
    )
    results.update(computed)
    return [results[text] for text in inputs]


def _compute(engine: str, request: Message, inputs: Sequence[str], poll: Poll) -> list[Any]:
    requests = [{**request, "inputs": chunk} for chunk in chunks(inputs)]
    return list(itertools.chain.from_iterable(ask(engine, requests, poll))) if requests else []


def measure(
    engine: str, task: str, model: Message, inputs: Sequence[str], options: Message, poll: Poll, account: Message
) -> tuple[list[Any], Cost]:
    """As `run`, with what it costs where nothing is remembered."""
    request = {"op": "measure", "task": task, "model": model, "options": options, "account": account}
    measured = ask(engine, [{**request, "inputs": chunk} for chunk in chunks(inputs)], poll)
    sums = (sum(each["cost"][place] for each in measured) for place in range(len(Cost._fields)))
    return [result for each in measured for result in protocol.results(each)], Cost(*sums)


def ask(engine: str, requests: Sequence[Message], poll: Poll) -> list[Any]:
    """The results of the requests, in order. A host that dies is started again and the requests are repeated."""
    if engine == "backend":
        from pg_llm.runtime import in_process

        return [in_process.answer(request, poll) for request in requests]
    return _ask_host(requests, poll, lambda: spawn.ensure(poll))


def train(engine: str, job: Message, rows: Sequence[Any], report_fields: Message, poll: Poll) -> Any:
    """Train a model: metrics, seconds, digest and folder; the folder stays until `release`."""
    if engine == "backend":
        from pg_llm.runtime import in_process

        def report(progress: Message) -> None:
            inform({"op": "report", "report": {**report_fields, **progress}}, poll)

        return in_process.train(job, rows, report, poll)
    parts = [{"op": "rows", "inputs": part} for part in chunks([json.dumps(row) for row in rows])]
    return ask(engine, [*parts, {"op": "train", "job": job, "about": report_fields}], poll)[-1]


def release(engine: str, poll: Poll) -> None:
    """Remove the folders of this session's trainings."""
    if engine == "backend":
        from pg_llm.runtime import in_process

        in_process.release()
    inform({"op": "release"}, poll)


def inform(request: Message, poll: Poll) -> None:
    """Send a request whose result nothing depends on; no host is started for it."""
    # A host that does not respond forgets this session when the connection ends.
    with contextlib.suppress(NotAnswering):
        inquire(request, poll)


def inquire(request: Message, poll: Poll) -> Any:
    """The result, or None if no host is running. Raises NotAnswering after a fraction of a second."""
    until = time.monotonic() + _INQUIRY_TIMEOUT

    def poll_until_timeout() -> None:
        poll()
        if time.monotonic() > until:
            raise NotAnswering

    return ask_if_running(request, poll_until_timeout)


def forget_texts(engine: str, texts: Sequence[str], poll: Poll) -> None:
    """Have this session and the host drop what they remember of texts that hold one of these."""
    _cached_results.forget(texts)
    if engine == "backend":
        from pg_llm.runtime import in_process

        in_process.forget_texts(texts)
    ask_if_running({"op": "forget_texts", "inputs": list(texts)}, poll)


def abandon() -> None:
    """Give up this session's requests and trainings: the host drops them when the connection ends."""
    disconnect()
    # Imported only if models ran in this process.
    if in_process := sys.modules.get("pg_llm.runtime.in_process"):
        in_process.release()


def ask_if_running(request: Message, poll: Poll) -> Any:
    """The result, or None if no host is running; never starts one."""

    def connect() -> socket.socket:
        channel = spawn.connect(poll)
        if channel is None:
            raise _NotRunning
        return channel

    try:
        return _ask_host([request], poll, connect)[0]
    except _NotRunning:
        return None


def _ask_host(requests: Sequence[Message], poll: Poll, connect: Callable[[], socket.socket]) -> list[Any]:
    global _connection
    freezes = 0
    for _ in range(_ATTEMPTS):
        try:
            if _connection is None:
                _connection = _Connection(connect(), poll)
            return _connection.exchange(requests, poll)
        except _HostLost as error:
            disconnect()
            _await_exit(error.pid, poll)
        except _HostFrozen as error:
            disconnect()
            freezes += 1
            lock.end(error.pid)
            _await_exit(error.pid, poll)
            if freezes > 1:
                break
        except BaseException:
            # A response to the abandoned request may still arrive; closing the connection also cancels queued work.
            disconnect()
            raise
    if freezes > 1:
        raise HostLost(
            "the model host stopped answering, and so did the one that was started in its place",
            hint="llm.host_timeout in postgresql.conf says how long it may stand still; pg_llm/host.log says more.",
        )
    raise HostLost(
        f"the model host ended {_ATTEMPTS} times while it was answering",
        hint="pg_llm/host.log in the data directory says more. Where the kernel's log says that memory ran out, lower"
        " llm.memory_limit, choose a smaller model, or send shorter texts.",
    )


def _await_exit(pid: int, poll: Poll) -> None:
    """Wait for a process to exit: its socket still accepts connections while its other files are being closed."""
    try:
        process = os.pidfd_open(pid)
    except OSError:
        return
    try:
        exited = select.poll()
        exited.register(process, select.POLLIN)
        until = time.monotonic() + _EXIT_TIMEOUT
        while not exited.poll(_SLICE_MS) and time.monotonic() < until:
            poll()
    finally:
        os.close(process)


def disconnect() -> None:
    """Close the connection to the host, if there is one."""
    global _connection
    if _connection is not None:
        _connection.close()
        _connection = None


def chunks(inputs: Sequence[str]) -> Iterator[list[str]]:
    """The inputs of each request."""
    chunk: list[str] = []
    characters = 0
    for text in inputs:
        if chunk and (len(chunk) == _CHUNK_TEXTS or characters + len(text) > _CHUNK_CHARACTERS):
            yield chunk
            chunk, characters = [], 0
        chunk.append(text)
        characters += len(text)
    if chunk:
        yield chunk
