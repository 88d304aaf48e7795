"""Work in a process of its own, which may end at any time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from pg_llm.errors import Error, InvalidInput, MemoryLimitExceeded
from pg_llm.tasks import worker_process

STATEMENT = ("condition", "(t.a = 1)")


@pytest.fixture
def parser() -> Iterator[worker_process.WorkerProcess]:
    process = worker_process.WorkerProcess("optimization")
    yield process
    process.end()


def pid(process: worker_process.WorkerProcess) -> int:
    assert process._running is not None
    return process._running.pid


def test_one_process_answers_one_after_the_other(parser: worker_process.WorkerProcess) -> None:
    assert '"column": "a"' in parser.call(*STATEMENT)
    first = pid(parser)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(parser.call(*STATEMENT))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 8
    assert pid(parser) == first


def test_an_error_comes_back_as_what_it_was(parser: worker_process.WorkerProcess) -> None:
    with pytest.raises(InvalidInput, match="syntax error at or near") as caught:
        parser.call("statement", "SELEC")
    assert caught.value.hint
    with pytest.raises(Error, match="internal error: KeyError"):
        parser.call("nothing", "x")
    assert parser.call(*STATEMENT)


def test_a_process_that_was_killed_or_left_alone_is_started_anew(parser: worker_process.WorkerProcess) -> None:
    parser.call(*STATEMENT)
    first = pid(parser)
    os.kill(first, signal.SIGKILL)
    assert parser.call(*STATEMENT)
    assert pid(parser) != first


def test_a_process_that_cannot_work_says_so() -> None:
    process = worker_process.WorkerProcess("no_such_task")
    with pytest.raises(Error, match="the process for no_such_task ended at once"):
        process.call()


def test_work_has_an_end(parser: worker_process.WorkerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    parser.call(*STATEMENT)
    first = pid(parser)
    os.kill(first, signal.SIGSTOP)
    monkeypatch.setattr(parser, "_timeout", 0.2)
    with pytest.raises(InvalidInput, match="takes longer than"):
        parser.call(*STATEMENT)
    monkeypatch.undo()
    assert parser.call(*STATEMENT)
    assert pid(parser) != first


def test_the_process_ends_with_the_one_that_asks() -> None:
    program = """
import os
from pg_llm.tasks import worker_process
worker_process.call("optimization", "condition", "(t.a = 1)")
print(worker_process._worker("optimization")._running.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    child = int(done.stdout)
    until = time.monotonic() + 10
    while time.monotonic() < until and os.path.exists(f"/proc/{child}"):
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{child}")


def test_the_one_that_asks_stays_free_while_a_chart_is_drawn() -> None:
    ticks: list[float] = []
    values = ", ".join(f'{{"x": {n % 101}, "y": {n % 97}}}' for n in range(3000))
    encoding = '{"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}}'
    spec = f'{{"data": {{"values": [{values}]}}, "mark": "point", "encoding": {encoding}}}'
    drawing = threading.Thread(target=lambda: worker_process.call("chart", spec, "png", 2.0))
    drawing.start()
    while drawing.is_alive():
        ticks.append(time.monotonic())
        time.sleep(0.005)
    assert len(ticks) > 20


def test_a_process_of_a_session_may_take_its_time_and_remembers() -> None:
    process = worker_process.WorkerProcess("table_analysis", None)
    process.call({"do": "begin", "columns": ["a"]})
    process.call({"do": "rows"}, "x\0\0\1")
    assert '"missing": 2' in process.call({"do": "profile"})
    process.end()
    with pytest.raises(Error, match="the process that analysed the table has ended"):
        process.call({"do": "profile"})
    process.end()


def test_a_process_takes_no_more_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    process = worker_process.WorkerProcess("table_analysis", None)
    monkeypatch.setattr(worker_process, "memory_limit", 200 << 20)

    def read_without_end() -> None:
        process.call({"do": "begin", "columns": ["a"]})
        while True:
            process.call({"do": "rows"}, "x" * 10_000_000)

    for _ in range(2):
        with pytest.raises(MemoryLimitExceeded, match="this takes more than the 200 MB") as caught:
            read_without_end()
        assert "llm.process_memory_limit" in (caught.value.hint or "")
    process.call({"do": "begin", "columns": ["a"]})
    process.call({"do": "rows"}, "x\0y")
    assert process.call({"do": "values", "column": 0}) == '["x", "y"]'
    process.end()
