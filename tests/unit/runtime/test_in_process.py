"""Engine `backend`: the same requests, answered in the calling process by an echoing model."""

from __future__ import annotations

import json
import signal
import sys
import threading
import types
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from echo import EchoEngine, vector
from pg_llm import installation
from pg_llm.errors import Error, HostUnavailable, InvalidInput
from pg_llm.installation import Installation
from pg_llm.models import loading
from pg_llm.models.model_cache import ModelCache
from pg_llm.models.spec import ModelSpec
from pg_llm.runtime import client, in_process
from pg_llm.runtime.result_cache import ResultCache
from pg_llm.runtime.training import process
from pg_llm.tasks import worker_process

MODEL = ModelSpec("m", "embedding", "path:/m", digest="d")
REMOTE = ModelSpec("r", "embedding", "https://host/v1#m", digest="d")


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> EchoEngine:
    engine = EchoEngine()
    cache = ModelCache(lambda spec: engine, lambda spec: 0, 1 << 20)
    monkeypatch.setattr(in_process, "_cache", lambda: cache)
    monkeypatch.setattr(in_process, "_import_from_host", lambda: None)
    # Each request sets it to its own.
    monkeypatch.setattr(worker_process, "poll", worker_process.poll)
    return engine


def embed(inputs: Sequence[str], spec: ModelSpec = MODEL, poll: Any = lambda: None) -> list[Any]:
    request = {
        "op": "run",
        "task": "embedding",
        "model": spec.to_wire(),
        "inputs": inputs,
        "options": {"role": "query"},
    }
    return [json.loads(result) for result in in_process.answer(request, poll)]


def test_results_come_in_order_and_repeated_texts_are_read_once(model: EchoEngine) -> None:
    found = embed(["a rose", "b", "a rose"])
    assert found[0] == found[2] == pytest.approx(vector("a rose"), abs=1e-6)
    assert sorted(model.read) == ["a rose", "b"]


def test_requests_about_a_model(model: EchoEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "resolve", lambda spec: ModelSpec(**{**spec.to_wire(), "digest": "new"}))

    def ask(op: str) -> Any:
        return in_process.answer({"op": op, "model": MODEL.to_wire()}, lambda: None)

    assert ask("load") == {"engine": "echo", "device": "echo", "bytes": 0}
    assert ask("resolve")["digest"] == "new"
    assert (ask("unload"), ask("unload")) == (True, False)
    with pytest.raises(Error, match='does not know the request "dance"'):
        ask("dance")


@pytest.mark.usefixtures("model")
def test_a_query_can_be_cancelled_between_batches() -> None:
    def poll() -> None:
        raise InvalidInput("cancelled")

    with pytest.raises(InvalidInput, match="cancelled"):
        embed(["a"], poll=poll)


def test_signals_are_blocked_while_a_model_runs(model: EchoEngine) -> None:
    blocked: list[bool] = []
    forward = model.forward

    def watched(batch: Any) -> Any:
        blocked.append(signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        return forward(batch)

    model.forward = watched  # type: ignore[method-assign]
    embed(["a"])
    assert blocked == [True]
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.usefixtures("model")
def test_a_cancel_is_heard_while_a_text_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals are blocked then, but for the moment of a poll."""
    heard: list[int] = []

    def prepare(model: Any, inputs: Sequence[str], options: Any) -> list[Any]:
        signal.raise_signal(signal.SIGUSR1)
        assert not heard
        worker_process.poll()
        assert heard == [signal.SIGUSR1]
        assert signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        return []

    before = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    try:
        monkeypatch.setattr("pg_llm.tasks.find", lambda name: types.SimpleNamespace(prepare=prepare))
        assert in_process.answer({"model": None, "task": "t", "inputs": ["a"], "options": {}}, lambda: None) == []
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_an_endpoint_is_waited_for_in_a_thread(model: EchoEngine) -> None:
    go, polls = threading.Event(), []
    forward = model.forward

    def slow(batch: Any) -> Any:
        assert go.wait(20)
        return forward(batch)

    def poll() -> None:
        polls.append(1)
        if len(polls) > 3:
            go.set()

    model.forward = slow  # type: ignore[method-assign]
    assert len(embed(["a"], REMOTE, poll)) == 1
    assert len(polls) > 3
    model.failure = InvalidInput("refused")
    with pytest.raises(InvalidInput, match="refused"):
        embed(["other"], REMOTE)


@pytest.mark.usefixtures("model")
def test_results_beside_a_failure_are_kept_for_the_next_call(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(EchoEngine):
        concurrency, batch_tokens = 1, 1

        def submit(self, batch: Any) -> Future[Any]:
            (text,) = [window.tokens for window in batch]
            self.read.append(text)
            future: Future[Any] = Future()
            if text == "end":
                future.set_exception(HostUnavailable("gone"))
            else:
                future.set_result([InvalidInput("bad text") if text == "bad" else [float(len(text))]])
            return future

    engine = Elsewhere()
    monkeypatch.setattr(in_process._cache(), "_load", lambda spec: engine)
    request = {"op": "run", "task": "embedding", "model": MODEL.to_wire(), "options": {"role": None}}
    monkeypatch.setattr(in_process, "_rescued_results", ResultCache(10_000))
    for texts, outcome in ((["a", "bad", "cc"], "bad text"), (["a", "end", "ccc"], "gone"), (["a", "ccc"], None)):
        engine.read.clear()
        try:
            results = in_process.answer({**request, "inputs": texts}, lambda: None)
        except HostUnavailable as error:
            results = [error]
        failures = [str(result) for result in results if isinstance(result, Exception)]
        assert failures == ([outcome] if outcome else [])
        assert "a" not in engine.read or texts == ["a", "bad", "cc"]
    assert engine.read == ["ccc"]


def test_packages_are_those_of_the_same_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder, fits in ((tmp_path / own / "site-packages", True), (tmp_path / "python2.7" / "site-packages", False)):
        in_process._import_from_host.cache_clear()
        monkeypatch.setattr(in_process, "installation", lambda at=folder: Installation("python", str(at), "/cache"))
        monkeypatch.setattr(sys, "path", list(sys.path))
        if fits:
            in_process._import_from_host()
            assert str(folder) in sys.path
        else:
            with pytest.raises(HostUnavailable, match=f"to be for {own}, which PostgreSQL runs"):
                in_process._import_from_host()
    in_process._import_from_host.cache_clear()
    assert set(installation.OPENMP_ENV) == {"GOMP_SPINCOUNT", "OPENBLAS_THREAD_TIMEOUT"}


PROGRAM = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
job = json.loads((folder / "job.json").read_text())
print(json.dumps({"report": {"phase": "training", "done": 1, "total": 1, "detail": {}}}), flush=True)
if job["fail"]:
    sys.exit("it broke")
print(json.dumps({"result": {"rows": (folder / "rows.jsonl").read_text(), "folder": str(folder)}}))
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(process, "command", lambda folder: [sys.executable, "-c", PROGRAM, str(folder)])
    return tmp_path


@pytest.mark.usefixtures("data")
def test_a_training_is_a_child_process(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(client, "inform", lambda request, poll: told.append(request))
    result = client.train("backend", {"fail": False}, [("a", "x")], {"pid": 7}, lambda: None)
    assert result["rows"] == '["a", "x"]\n'
    assert told == [{"op": "report", "report": {"pid": 7, "phase": "training", "done": 1, "total": 1, "detail": {}}}]
    assert Path(result["folder"]).is_dir()
    client.release("backend", lambda: None)
    assert not Path(result["folder"]).exists()
    assert told[-1] == {"op": "release"}


@pytest.mark.usefixtures("data")
def test_a_training_that_fails_or_is_cancelled_leaves_no_process() -> None:
    with pytest.raises(Error, match="the training failed: it broke"):
        in_process.train({"fail": True}, [], lambda report: None, lambda: None)

    def poll() -> None:
        raise InvalidInput("cancelled")

    with pytest.raises(InvalidInput, match="cancelled"):
        in_process.train({"fail": False}, [], lambda report: None, poll)
    in_process.release()
    assert not list(process.FOLDER.iterdir())


class Elsewhere(EchoEngine):
    """Works on two texts at a time, in threads of its own."""

    batch_tokens, concurrency = 1, 2

    def __init__(self) -> None:
        super().__init__()
        self.started: list[Future[Any]] = []

    def submit(self, batch: Sequence[Any]) -> Future[Any]:
        future: Future[Any] = Future()
        self.started.append(future)
        if "stays" not in batch[0].tokens:
            future.set_result(self.forward(batch))
        return future


def test_an_engine_elsewhere_gets_several_batches_and_a_cancelled_query_ends_them(
    model: EchoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Elsewhere()
    cache = ModelCache(lambda spec: engine, lambda spec: 0, 1 << 20)
    monkeypatch.setattr(in_process, "_cache", lambda: cache)
    assert embed(["a", "b", "c"]) == [pytest.approx(vector(text), abs=1e-6) for text in "abc"]

    def poll() -> None:
        if len(engine.started) == 5:
            raise InvalidInput("cancelled")

    with pytest.raises(InvalidInput, match="cancelled"):
        embed(["stays 1", "stays 2"], poll=poll)
    assert [future.cancelled() for future in engine.started[3:]] == [True, True]


def test_what_is_measured_is_not_remembered_from_before(model: EchoEngine) -> None:
    embed(["two words"])
    spec = ModelSpec("m", "embedding", "path:/m", digest="d", options={"price_in": 500_000})
    request = {"op": "measure", "task": "embedding", "model": spec.to_wire(), "options": {"role": "query"}}
    measured = in_process.answer({**request, "inputs": ["two words", "one", "one"]}, lambda: None)
    assert len(measured["result"]) == 3
    assert measured["cost"][0] == 3
    assert measured["cost"][2] == 1.5
    assert sorted(model.read) == ["one", "two words", "two words"]
