"""The host's server over a socket pair, with an echoing model: what each request does, and what is counted."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import socket
import sys
import tempfile
import threading
import types
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from echo import EchoEngine, vector
from pg_llm import protocol, tasks
from pg_llm.errors import InvalidInput, InvalidModel, to_wire
from pg_llm.installation import build
from pg_llm.models import loading
from pg_llm.models.engine import Window
from pg_llm.models.model_cache import ModelCache
from pg_llm.models.spec import ModelSpec
from pg_llm.protocol import Message
from pg_llm.runtime.request_memory import Memory
from pg_llm.runtime.result_cache import ResultCache
from pg_llm.runtime.server import Server
from pg_llm.runtime.usage import Ledger

GB = 1 << 30
MODEL = ModelSpec("m", "embedding", "path:/m", digest="d").to_wire()
WRITER = ModelSpec("w", "generation", "path:/w", digest="d").to_wire()


class Host:
    """A server, and one client of it."""

    def __init__(self, limit: int = 64 * GB) -> None:
        self.engines = {"embedding": EchoEngine(), "generation": EchoEngine("generation")}
        self.left = 0
        self.cache = ModelCache(lambda spec: self.engines[spec.task], lambda spec: 0, 1 << 20)
        self.ledger = Ledger(Path(tempfile.mkdtemp()) / "usage.sqlite")
        self.server = Server(self.cache, ResultCache(1 << 20), Memory(limit), self.ledger, None, self._leave)
        self._ids = iter(range(1000))

    def _leave(self) -> None:
        self.left += 1

    async def connect(self) -> None:
        ours, theirs = socket.socketpair()
        self.reader, self.writer = await asyncio.open_unix_connection(sock=ours)
        reader, self._other_side = await asyncio.open_unix_connection(sock=theirs)
        self.serving = asyncio.create_task(self.server.serve(reader, self._other_side))

    async def send(self, op: str, **fields: Any) -> None:
        message = {"id": next(self._ids), "build": build(), "reads": ["texts"], "op": op} | fields
        self.writer.write(protocol.encode(message))
        await self.writer.drain()

    async def receive(self) -> Message:
        message = protocol.decode(
            await self.reader.readexactly(protocol.size(await self.reader.readexactly(protocol.HEADER.size)))
        )
        return protocol.complete(message, await self.reader.readexactly(protocol.texts_size(message)))

    async def ask(self, op: str, **fields: Any) -> Any:
        await self.send(op, **fields)
        answer = await asyncio.wait_for(self.receive(), 20)
        assert "error" not in answer, answer
        return answer["result"]

    async def refused(self, op: str, **fields: Any) -> Message:
        await self.send(op, **fields)
        return dict((await asyncio.wait_for(self.receive(), 20))["error"])

    async def embed(self, inputs: Sequence[str]) -> list[Any]:
        results = await self.ask(
            "run", task="embedding", model=MODEL, inputs=list(inputs), options={"role": "document"}
        )
        return [json.loads(result) for result in results]

    async def close(self) -> None:
        self.writer.close()
        await asyncio.wait_for(self.serving, 20)
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
        await asyncio.wait_for(self._other_side.wait_closed(), 20)
        self.ledger.close()


def served(scenario: Callable[[Host], Awaitable[None]], **options: Any) -> Host:
    host = Host(**options)

    async def inside() -> None:
        await host.connect()
        await scenario(host)
        await host.close()

    asyncio.run(inside())
    return host


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / protocol.FOLDER).mkdir()
    return tmp_path


def test_texts_are_embedded_once_and_counted() -> None:
    async def scenario(host: Host) -> None:
        found = await host.embed(["a rose", "a lily", "a rose"])
        assert found[0] == found[2] == pytest.approx(vector("a rose"), abs=1e-6)
        assert found[1] == pytest.approx(vector("a lily"), abs=1e-6)
        await host.embed(["a rose"])
        (status,) = (await host.ask("status", models=[MODEL]))["models"]
        assert (status["calls"], status["rows"], status["memo_hits"]) == (2, 4, 2)
        assert (status["name"], status["state"], status["engine"], status["queue"]) == ("m", "loaded", "echo", 0)

    host = served(scenario)
    assert host.engines["embedding"].read == ["a rose", "a lily"]


def test_a_short_text_alone_is_prepared_without_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[tuple[int, str]] = []
    task = tasks.find("embedding")

    def prepare(model: Any, inputs: Sequence[str], options: Message) -> list[tasks.WorkItem]:
        threads.append((len(inputs), threading.current_thread().name))
        return prepared(model, inputs, options)

    prepared = task.prepare
    monkeypatch.setattr(task, "prepare", prepare)

    async def scenario(host: Host) -> None:
        host.engines["embedding"].engine = "onnx"
        (found,) = await host.embed(["a rose"])
        assert found == pytest.approx(vector("a rose"), abs=1e-6)
        await host.embed(["a " * 5000])
        await host.embed(["one", "two"])
        # Of an engine that may ask another process.
        host.engines["embedding"].engine = "endpoint"
        await host.embed(["a lily"])

    served(scenario)
    main = threading.main_thread().name
    assert [(count, name == main) for count, name in threads] == [(1, True), (1, False), (2, False), (1, False)]


class Picky(EchoEngine):
    """Refuses the text `bad`, and at `end` altogether."""

    def forward(self, batch: Sequence[Window]) -> Any:
        self.read += [window.tokens for window in batch]
        if "end" in self.read:
            raise InvalidModel("it is gone")
        return [InvalidInput("bad text") if window.tokens == "bad" else window.tokens.upper() for window in batch]


def picky(host: Host) -> Picky:
    engine = host.engines["generation"] = Picky("generation")
    engine.batch_tokens = 1
    return engine


WRITING = {
    "task": "generation",
    "model": WRITER,
    "options": {"max_tokens": 1, "temperature": 0, "seed": 0, "schema": None},
}


def test_a_text_that_fails_is_told_beside_the_others_and_alone_asked_again() -> None:
    async def scenario(host: Host) -> None:
        engine = picky(host)
        await host.send("run", **WRITING, inputs=["a", "bad", "c"], reads=["texts", "errors"])
        answer = await host.receive()
        assert answer["result"] == ["A", "", "C"]
        assert answer["errors"] == [[1, to_wire(InvalidInput("bad text"))]]
        # A session of an older release hears of the error alone.
        assert (await host.refused("run", **WRITING, inputs=["a", "bad", "c"]))["message"] == "bad text"
        assert sorted(engine.read) == ["a", "bad", "bad", "c"]

    served(scenario)


def test_what_was_computed_before_a_failure_of_all_is_kept() -> None:
    async def scenario(host: Host) -> None:
        engine = picky(host)
        await host.send("run", **WRITING, inputs=["a", "b", "end"], reads=["texts", "errors"])
        assert (await host.receive())["error"]["message"] == "it is gone"
        read = set(engine.read)
        engine.read.clear()
        await host.ask("run", **WRITING, inputs=["a", "b"])
        assert read | set(engine.read) == {"a", "b", "end"}
        assert not (read - {"end"}) & set(engine.read)

    served(scenario)


def test_the_status_tells_of_models_that_are_not_loaded() -> None:
    async def scenario(host: Host) -> None:
        status = await host.ask("status", models=[MODEL])
        assert status["pid"] == os.getpid()
        assert status["models"] == [
            {"name": "m", "state": "unloaded", "calls": 0, "rows": 0, "memo_hits": 0, "queue": 0}
        ]
        loaded = await host.ask("load", model=MODEL)
        assert loaded == {"engine": "echo", "device": "echo", "bytes": 0}
        assert await host.ask("unload", model=MODEL) is True
        assert await host.ask("unload", model=MODEL) is False

    served(scenario)


def test_a_generation_and_a_task_without_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(model: None, inputs: Sequence[str], options: Any) -> list[tasks.WorkItem]:
        # Two steps, as of a long text.
        def last(outputs: Sequence[Any], text: str) -> str:
            return text * options["times"]

        return [
            tasks.WorkItem((), lambda _, text=text: tasks.WorkItem((), functools.partial(last, text=text)))
            for text in inputs
        ]

    monkeypatch.setitem(sys.modules, "repeating_task", types.SimpleNamespace(prepare=prepare))
    monkeypatch.setitem(tasks.TASKS, "repeat", "repeating_task")

    async def scenario(host: Host) -> None:
        options = {"max_tokens": 5, "temperature": 0.0, "seed": 0, "schema": None}
        assert await host.ask("run", task="generation", model=WRITER, inputs=["x\ny"], options=options) == ["y"]
        assert await host.ask("run", task="repeat", model=None, inputs=["a", "b"], options={"times": 2}) == ["aa", "bb"]

    served(scenario)


def test_errors_come_back_with_class_and_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_model(spec: ModelSpec) -> ModelSpec:
        raise InvalidModel("no such files", hint="Look.")

    monkeypatch.setattr(loading, "resolve", no_model)

    async def scenario(host: Host) -> None:
        error = await host.refused("resolve", model=MODEL)
        assert (error["class"], error["message"], error["hint"]) == ("InvalidModel", "no such files", "Look.")
        assert "does not know the request" in (await host.refused("dance"))["message"]
        host.engines["embedding"].failure = ZeroDivisionError("oops")
        error = await host.refused("run", task="embedding", model=MODEL, inputs=["a"], options={"role": "query"})
        assert (error["class"], error["message"]) == ("Error", "ZeroDivisionError: oops")
        assert "host.log" in error["hint"]
        # The connection goes on.
        host.engines["embedding"].failure = None
        assert len(await host.embed(["a"])) == 1

    served(scenario)


def test_a_model_is_resolved_and_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "resolve", lambda spec: ModelSpec(**{**spec.to_wire(), "digest": "new"}))

    async def scenario(host: Host) -> None:
        found = await host.ask("resolve", model={**MODEL, "digest": None})
        assert (found["digest"], found["engine"], found["name"]) == ("new", "echo", "m")

    served(scenario)


def test_endpoints_that_do_not_answer_hold_up_no_other_model(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    echo = EchoEngine()

    def load(spec: ModelSpec) -> Any:
        assert not spec.source.startswith("http") or answered.wait(20)
        return echo

    def resolve(spec: ModelSpec) -> ModelSpec:
        assert not spec.source.startswith("hf") or answered.wait(20)
        return spec

    monkeypatch.setattr(loading, "resolve", resolve)

    async def scenario(host: Host) -> None:
        monkeypatch.setattr(host.cache, "_load", load)
        for place in range(6):
            spec = ModelSpec(f"slow{place}", "embedding", f"http://localhost:{place + 1}/v1#m", digest=str(place))
            await host.send("load", model=spec.to_wire())
            await host.send("resolve", model=ModelSpec("h", "embedding", f"hf:a/b{place}", digest=str(place)).to_wire())
        try:
            await host.send("run", task="embedding", model=MODEL, inputs=["a"], options={"role": "document"})
            assert "error" not in await asyncio.wait_for(host.receive(), 10)
        finally:
            answered.set()
        for _ in range(12):
            assert "error" not in await asyncio.wait_for(host.receive(), 20)

    served(scenario)


def test_progress_is_that_of_living_sessions() -> None:
    report = {"pid": 1, "datname": "d", "phase": "embedding", "done": 1, "total": 2}

    async def scenario(host: Host) -> None:
        await host.ask("report", report=report)
        assert await host.ask("progress") == [report]
        await host.ask("report", report=None)
        assert await host.ask("progress") == []
        await host.ask("report", report=report)
        await host.ask("release")
        assert await host.ask("progress") == []
        await host.ask("report", report=report)

    host = served(scenario)
    assert host.server._progress == {}


def test_a_text_without_room_is_refused_and_the_next_is_served() -> None:
    async def scenario(host: Host) -> None:
        error = await host.refused("run", task="embedding", model=MODEL, inputs=["x" * (1 << 20)], options={})
        assert error["class"] == "MemoryLimitExceeded"
        assert len(await host.embed(["a"])) == 1

    served(scenario, limit=1 << 20)


def test_a_newer_installation_lets_the_host_leave() -> None:
    async def scenario(host: Host) -> None:
        host.writer.write(protocol.encode({"id": 0, "build": build() + 1, "op": "status", "models": []}))
        assert await host.reader.read() == b""

    assert served(scenario).left == 1


@pytest.mark.parametrize(
    "frame",
    [
        protocol.HEADER.pack(1 << 31),
        protocol.HEADER.pack(3) + b"[1]",
        protocol.HEADER.pack(2) + b"{}",
        protocol.HEADER.pack(5) + b"{nope",
    ],
)
def test_a_frame_that_is_none_closes_the_connection(frame: bytes) -> None:
    async def scenario(host: Host) -> None:
        host.writer.write(frame)
        assert await host.reader.read() == b""

    assert served(scenario).left == 0


def test_other_users_are_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 123456)
    monkeypatch.setattr("pg_llm.runtime.server._UCRED", _Stranger())

    async def scenario(host: Host) -> None:
        assert await host.reader.read() == b""

    served(scenario)


class _Stranger:
    size = 12

    def unpack(self, data: bytes) -> tuple[int, int, int]:
        return (1, 654321, 1)


def test_what_a_request_costs_is_noted_and_a_spent_budget_refuses_the_next() -> None:
    account = {"database": 5, "role": "bob", "budgets": [["day", "tokens", 4]]}
    request = {"task": "embedding", "model": MODEL, "options": {"role": "document"}, "account": account}

    async def scenario(host: Host) -> None:
        await host.ask("run", **request, inputs=["two words", "two words", "one"])
        ((role, model, _, *sums),) = host.ledger.rows(5)
        assert (role, model, sums[:5]) == ("bob", "m", [1, 3, 1, 3, 0])
        assert sums[5] > 0
        await host.ask("run", **request, inputs=["three words more"])
        error = await host.refused("run", **request, inputs=["again"])
        assert error["class"] == "BudgetExceeded"
        assert "4 tokens per day" in error["message"]
        # What the host remembers costs nothing.
        await host.ask("run", **request, inputs=["one"])
        assert (await host.refused("measure", **request, inputs=["one"]))["class"] == "BudgetExceeded"
        # Whoever has no budget goes on.
        await host.ask("run", **{**request, "account": {**account, "budgets": []}}, inputs=["again"])
        await host.ask("run", **{**request, "account": {**account, "role": "eve"}}, inputs=["more"])

    served(scenario)


def test_what_is_measured_is_not_remembered_from_before_but_for_later() -> None:
    account = {"database": 5, "role": "bob", "budgets": []}
    model = {**MODEL, "options": {"price_in": 500_000}}
    request = {"task": "embedding", "model": model, "options": {"role": "document"}, "account": account}

    async def scenario(host: Host) -> None:
        (known,) = await host.ask("run", **request, inputs=["two words"])
        for inputs, tokens in ((["two words"], 2), (["two words", "one", "one"], 3)):
            measured = await host.ask("measure", **request, inputs=inputs)
            assert measured["result"][0] == known
            assert len(measured["result"]) == len(inputs)
            assert measured["cost"][0] == tokens
            assert measured["cost"][1] > 0
            assert measured["cost"][2] == tokens / 2
        await host.ask("run", **request, inputs=["one"])
        ((_, _, _, *sums),) = host.ledger.rows(5)
        # What is measured is paid for, and the last call was remembered.
        assert sums[:4] == [4, 6, 2, 7]

    served(scenario)


def test_a_text_that_fails_is_measured_with_the_others() -> None:
    async def scenario(host: Host) -> None:
        host.engines["generation"] = Picky("generation")
        measured = await host.ask("measure", **WRITING, inputs=["a", "bad", "c"])
        assert measured["result"] == ["A", "", "C"]
        assert [(position, error["message"]) for position, error in measured["errors"]] == [(1, "bad text")]

    served(scenario)
