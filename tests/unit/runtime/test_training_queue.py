"""Trainings in the host: one long and one short at a time; those that wait say for what, without names of others."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pg_llm import file_locks
from pg_llm.errors import Error, InvalidInput
from pg_llm.protocol import Message
from pg_llm.runtime.training import checkpoints, process
from pg_llm.runtime.training.queue import TrainingQueue

# Reports once, waits for a file beside its folder, and gives as result how many rows it got.
PROGRAM = """
import json, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
rows = (folder / "rows.jsonl").read_text().splitlines()
say = lambda message: print(json.dumps(message), flush=True)
say({"report": {"phase": "training", "done": 1, "total": 2, "detail": {"epoch": 1}}})
mode = json.loads((folder / "job.json").read_text())["mode"]
while mode == "wait" and not (folder.parent / "go").exists():
    time.sleep(0.01)
if mode == "error":
    say({"error": {"class": "InvalidInput", "message": "no", "hint": None, "detail": None}})
elif mode == "crash":
    sys.exit("it broke")
else:
    say({"result": {"rows": len(rows), "folder": str(folder)}})
"""


def about(pid: int, database: str = "shop") -> Message:
    return {
        "pid": pid,
        "datname": database,
        "usename": "me",
        "command": "llm_fit",
        "target": "t",
        "name": "secret/model",
    }


class Queue:
    """A queue whose trainings run a program of the test's own."""

    def __init__(self) -> None:
        self.reports: dict[int, Message] = {}
        self.queue = TrainingQueue(self.reports, self._in_thread, None)

    @staticmethod
    async def _in_thread(call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, call)

    def start(
        self, session: int, mode: str, fields: Message, rows: list[Any] | None = None, method: str = "finetune"
    ) -> asyncio.Task[Message]:
        job = {"mode": mode, "task": "classify", "method": method}
        return asyncio.create_task(self.queue.train(session, job, fields, rows or []))

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not reached():
                await asyncio.sleep(0.01)

    def phase(self, session: int) -> str | None:
        return self.reports.get(session, {}).get("phase")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pg_llm").mkdir()
    monkeypatch.setattr(process, "command", lambda folder: [sys.executable, "-c", PROGRAM, str(folder)])
    return tmp_path / "pg_llm" / "pgsql_tmp" / "training"


def run(scenario: Callable[[Queue], Awaitable[None]]) -> None:
    async def inside() -> None:
        await scenario(Queue())

    asyncio.run(inside())


@pytest.mark.usefixtures("data")
def test_rows_come_in_parts_and_the_folder_stays_until_it_is_released() -> None:
    async def scenario(queue: Queue) -> None:
        queue.queue.add_rows(1, ['["a", "x"]'])
        queue.queue.add_rows(1, ['["b", "y"]', '["c", "x"]'])
        result = await queue.start(1, "run", about(7))
        assert result["rows"] == 3
        assert Path(result["folder"]).is_dir()
        assert queue.reports == {}
        queue.queue.release(1)
        assert not Path(result["folder"]).exists()
        # A caller that sends its rows with the job.
        assert (await queue.start(1, "run", about(7), [["a", "x"]]))["rows"] == 1
        queue.queue.add_rows(1, ["[]"])
        queue.queue.forget_rows(1)
        assert (await queue.start(1, "run", about(7)))["rows"] == 0
        queue.queue.release(1)

    run(scenario)


def test_a_waiting_training_says_what_it_waits_for(data: Path) -> None:
    async def scenario(queue: Queue) -> None:
        first = queue.start(1, "wait", about(7))
        await queue.until(lambda: queue.phase(1) == "training")
        assert queue.reports[1] == {**about(7), "phase": "training", "done": 1, "total": 2, "detail": {"epoch": 1}}
        same, other = queue.start(2, "wait", about(8)), queue.start(3, "run", about(9, "elsewhere"))
        await queue.until(lambda: 3 in queue.reports)
        waiting = {"phase": "waiting", "done": 0, "total": 1}
        assert queue.reports[2] == {
            **about(8),
            **waiting,
            "detail": {"waits_for": "a training in this database", "pid": 7},
        }
        assert queue.reports[3]["detail"] == {"waits_for": "a training in another database", "pid": 7}
        assert queue.phase(1) == "training"
        (data / "go").touch()
        await first
        (data / "go").unlink()
        # The next has its turn, and the last now waits for that.
        await queue.until(lambda: queue.phase(2) == "training")
        assert queue.reports[3]["detail"] == {"waits_for": "a training in another database", "pid": 8}
        (data / "go").touch()
        await asyncio.gather(same, other)
        assert queue.reports == {}
        for session in (1, 2, 3):
            queue.queue.release(session)

    run(scenario)


def test_a_short_training_does_not_wait_for_a_long_one(data: Path) -> None:
    async def scenario(queue: Queue) -> None:
        long = queue.start(1, "wait", about(7))
        await queue.until(lambda: queue.phase(1) == "training")
        row = ["a", "x"]
        assert (await queue.start(2, "run", about(8), [row] * 16, "head"))["rows"] == 16
        assert queue.phase(1) == "training"
        # A head of many rows is no short training, and one short training waits for another.
        many = queue.start(3, "run", about(9), [row] * 5001, "head")
        first = queue.start(4, "wait", about(10), [row], "head")
        second = queue.start(5, "run", about(11), [row], "head")
        await queue.until(lambda: queue.phase(4) == "training")
        assert [queue.reports[session]["detail"]["pid"] for session in (3, 5)] == [7, 10]
        (data / "go").touch()
        await asyncio.gather(long, many, first, second)
        assert queue.reports == {}
        for session in range(1, 6):
            queue.queue.release(session)

    run(scenario)


def test_a_cancelled_training_ends_and_the_next_begins(data: Path) -> None:
    async def scenario(queue: Queue) -> None:
        running, waiting, next_one = (queue.start(number, "wait", about(number)) for number in (1, 2, 3))
        await queue.until(lambda: queue.phase(1) == "training" and 3 in queue.reports)
        waiting.cancel()
        running.cancel()
        for task in (waiting, running):
            with pytest.raises(asyncio.CancelledError):
                await task
        assert set(queue.reports) == {3}
        await queue.until(lambda: queue.phase(3) == "training")
        (data / "go").touch()
        await next_one
        for session in (1, 2, 3):
            queue.queue.release(session)
        assert [file.name for file in data.iterdir()] == ["go"]

    run(scenario)


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(
    ("mode", "kind", "message"), [("error", InvalidInput, "no"), ("crash", Error, "the training failed: it broke")]
)
def test_a_training_that_fails_says_why(mode: str, kind: type[Error], message: str) -> None:
    async def scenario(queue: Queue) -> None:
        with pytest.raises(kind) as caught:
            await queue.start(1, mode, about(7))
        assert caught.value.message == message
        assert queue.reports == {}
        assert (await queue.start(2, "run", about(8)))["rows"] == 0
        queue.queue.release(1)
        queue.queue.release(2)

    run(scenario)


@pytest.mark.usefixtures("data")
def test_the_folder_of_a_killed_process_is_removed_by_the_next(data: Path) -> None:
    folder = process.prepare({"a": 1}, ['["x", "y"]'])
    assert (folder / "rows.jsonl").read_text() == '["x", "y"]\n'
    abandoned = data / "abandoned"
    abandoned.mkdir()
    (abandoned / "lock").touch()
    process.remove_abandoned()
    assert (folder.exists(), abandoned.exists()) == (True, False)
    process.remove(folder)
    assert not folder.exists()


def left_by_a_killed_process(data: Path, checkpoint: str, *files: str, row: str = "[1]") -> Path:
    folder = data / "abandoned"
    (folder / "checkpoints" / checkpoint).mkdir(parents=True)
    for name in files:
        (folder / "checkpoints" / checkpoint / name).touch()
    (folder / "job.json").write_text('{"a": 1}')
    (folder / "rows.jsonl").write_text(f"{row}\n")
    (folder / "model").mkdir()
    return folder


WHOLE = ("optimizer.pt", "scheduler.pt", "trainer_state.json")


def test_the_same_training_goes_on_from_its_checkpoint(data: Path) -> None:
    folder = left_by_a_killed_process(data, "checkpoint-20", *WHOLE)
    # A host that starts leaves it alone.
    process.remove_abandoned()
    assert process.prepare({"a": 1}, ["[1]"]) == folder
    assert [file.name for file in data.iterdir()] == ["abandoned"]
    assert checkpoints.last(folder / "checkpoints") == folder / "checkpoints" / "checkpoint-20"
    assert not (folder / "model").exists()
    # It is nobody else's meanwhile.
    with pytest.raises(BlockingIOError):
        file_locks.acquire(folder / "lock")
    process.remove(folder)
    assert list(data.iterdir()) == []


@pytest.mark.parametrize(
    ("files", "row"), [(WHOLE, "[2]"), (WHOLE[:2], "[1]"), ((), "[1]")], ids=["other rows", "half written", "none"]
)
def test_another_training_begins_anew(data: Path, files: tuple[str, ...], row: str) -> None:
    left_by_a_killed_process(data, "checkpoint-20", *files, row=row)
    folder = process.prepare({"a": 1}, ["[1]"])
    assert list(data.iterdir()) == [folder]
    assert not (folder / "checkpoints").exists()
    process.remove(folder)


def test_the_last_whole_checkpoint_counts(tmp_path: Path) -> None:
    for number, files in ((9, WHOLE), (10, WHOLE), (11, WHOLE[:1])):
        folder = tmp_path / f"checkpoint-{number}"
        folder.mkdir()
        for name in files:
            (folder / name).touch()
    assert checkpoints.last(tmp_path) == tmp_path / "checkpoint-10"
    assert checkpoints.last(tmp_path / "nowhere") is None


def test_what_ended_a_training_is_told(tmp_path: Path) -> None:
    assert process.failure(-9, tmp_path).message == "the training was killed by signal 9"
    assert process.failure(3, tmp_path).message == "the training failed: "
    (tmp_path / "log").write_text("first\nlast\n")
    assert process.failure(1, tmp_path).message == "the training failed: last"
    (tmp_path / "log").write_text("")
    assert process.failure(2, tmp_path).message == "the training failed: exit status 2"


def test_the_environment_is_the_hosts_without_strangers_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGUSER", "x")
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", "/tmp/other")
    monkeypatch.setenv("HOME_OF_THE_TEST", "y")
    monkeypatch.setenv("GOMP_SPINCOUNT", "5")
    found = process.environment()
    assert "PGUSER" not in found
    assert "TENSORBOARD_LOGGING_DIR" not in found
    assert (found["HOME_OF_THE_TEST"], found["GOMP_SPINCOUNT"]) == ("y", "5")
    assert os.path.isdir(f"{found['PYTHONPATH']}/pg_llm")
    assert process.environment("/logs")["TENSORBOARD_LOGGING_DIR"] == "/logs"


def test_what_a_killed_training_read_of_a_person_is_removed(data: Path) -> None:
    for name, row in (("theirs", r'["Zo\u00eb M", "a"]'), ("other", '["Bob", "a"]')):
        (data / name).mkdir(parents=True)
        (data / name / "lock").touch()
        (data / name / "rows.jsonl").write_text(f"{row}\n")
    process.remove_abandoned_with(["zo\u00eb", ""])
    assert [file.name for file in data.iterdir()] == ["other"]
