"""The worker's command, its patience with servers, and its figures, without a server."""

from __future__ import annotations

import contextlib
import threading
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace

import psycopg
import pytest
from pg_llm.worker import command, loop, metrics, session
from pg_llm.worker.metrics import Figures
from pg_llm.worker.session import Backlog, StreamFigures


class FakeSession:
    """A session whose calls give these counts, one after the other, and then the error."""

    place = "somewhere"
    connection = SimpleNamespace(info=SimpleNamespace(backend_pid=5))

    def __init__(self, *counts: tuple[int, int], error: Exception) -> None:
        self.counts = list(counts)
        self.error = error
        self.waits = 0

    def work(self) -> tuple[int, int]:
        if not self.counts:
            raise self.error
        return self.counts.pop(0)

    def wait(self) -> None:
        self.waits += 1


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the worker slept each time."""
    slept: list[float] = []
    monkeypatch.setattr(threading.Event, "wait", lambda ending, seconds: slept.append(seconds))
    monkeypatch.setattr(loop.random, "uniform", lambda low, high: 1.0)
    return slept


def use(monkeypatch: pytest.MonkeyPatch, *outcomes: FakeSession | Exception) -> None:
    """Let the worker meet these, one after the other, and then its end."""
    left = list(outcomes)

    @contextlib.contextmanager
    def opened(dsn: str, poll: float) -> Iterator[FakeSession]:
        if not left:
            raise KeyboardInterrupt
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        yield outcome

    monkeypatch.setattr(session, "opened", opened)


def test_it_waits_longer_and_longer_for_a_server(monkeypatch: pytest.MonkeyPatch, sleeps: list[float]) -> None:
    use(monkeypatch, *[psycopg.OperationalError("no server\nat all")] * 9)
    with pytest.raises(KeyboardInterrupt):
        loop.run("", 1, Figures(), threading.Event())
    assert sleeps == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0]


def test_a_lost_connection_is_made_anew_at_once(monkeypatch: pytest.MonkeyPatch, sleeps: list[float]) -> None:
    lost = psycopg.OperationalError("lost")
    worker = FakeSession((1000, 0), (3, 1), (0, 0), error=lost)
    use(monkeypatch, lost, lost, worker, session.NotInstalled("no extension"))
    figures = Figures()
    with pytest.raises(KeyboardInterrupt):
        loop.run("", 1, figures, threading.Event())
    assert sleeps == [0.2, 0.4, 0.2, 0.4]
    assert worker.waits == 1
    assert figures == Figures(rows=1003, failures=1, connections=1, pid=None)


def test_an_end_that_was_told_while_an_exception_was_lost_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    ending = threading.Event()
    worker = FakeSession((0, 0), error=psycopg.OperationalError("lost"))
    monkeypatch.setattr(worker, "wait", ending.set)
    use(monkeypatch, worker)
    loop.run("", 1, Figures(), ending)


def test_the_figures_in_the_format_of_prometheus() -> None:
    figures = Figures()
    assert "pg_llm_worker_up 0" in metrics.exposition(figures, None).splitlines()
    figures.connected(7)
    figures.worked(12345678, 2)
    text = metrics.exposition(figures, Backlog(3, 1.5))
    assert text.endswith("\n")
    lines = text.splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "pg_llm_worker_up 1",
        "pg_llm_worker_connections_total 1",
        "pg_llm_worker_rows_total 12345678",
        "pg_llm_worker_failures_total 2",
        "pg_llm_worker_waiting_rows 3",
        "pg_llm_worker_lag_seconds 1.5",
    ]
    assert "# TYPE pg_llm_worker_rows_total counter" in lines


def test_the_figures_of_streams() -> None:
    streams = (StreamFigures('a "b"\\\n', True, 5, 1, 2, 3), StreamFigures("other", False, 0, 0, 0, 0))
    lines = metrics.exposition(Figures(), Backlog(0, 0, streams)).splitlines()
    assert r'pg_llm_stream_rows_total{stream="a \"b\"\\\n"} 5' in lines
    assert [line for line in lines if '"other"' in line] == [
        'pg_llm_stream_running{stream="other"} 0',
        'pg_llm_stream_rows_total{stream="other"} 0',
        'pg_llm_stream_dead_total{stream="other"} 0',
        'pg_llm_stream_late_total{stream="other"} 0',
        'pg_llm_stream_lag{stream="other"} 0',
    ]
    assert lines.count("# TYPE pg_llm_stream_lag gauge") == 1


def test_figures_are_shown_while_there_is_no_server() -> None:
    figures = Figures()
    port = metrics.serve("host=/nowhere", figures, 0)
    figures.connected(7)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert "waiting_rows" not in answer.read().decode()


@pytest.mark.parametrize("arguments", [[], ["other"], ["worker", "--poll", "0"], ["worker", "--poll", "soon"]])
def test_wrong_arguments_are_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(arguments)
    assert "usage: pg_llm" in capsys.readouterr().err


def test_it_ends_with_status_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch)
    monkeypatch.setattr(command.signal, "signal", lambda *_: None)
    assert command.main(["worker"]) == 0
