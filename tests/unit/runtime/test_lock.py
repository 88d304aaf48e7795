"""Who is the host, and whether its heart beats."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pg_llm import protocol
from pg_llm.runtime import lock

HOLD = """
import sys, time
from pg_llm.runtime import lock
print(lock.acquire(float(sys.argv[1])) is not None, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / protocol.FOLDER).mkdir()
    return tmp_path


def hold(timeout: float) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(lock.__file__).resolve().parents[2])}
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(timeout)],
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def test_one_process_holds_the_lock_and_all_know_which() -> None:
    assert lock.holder() is None
    with hold(3) as first:
        assert first.stdout.readline() == "True\n"
        assert lock.holder() == first.pid
        assert Path(protocol.LOCK).stat().st_mode & 0o077 == 0
        with hold(3) as second:
            assert second.stdout.readline() == "False\n"
            second.communicate()
        assert lock.holder() == first.pid
        # It is no host, whatever it holds.
        lock.end(first.pid)
        assert first.poll() is None
        first.communicate()
    assert lock.holder() is None
    lock.end(2**22 + 1)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def watched(clock: Clock, watch: lock.Watch, seconds: float, step: float = 0.5) -> bool:
    for _ in range(int(seconds / step)):
        clock.now += step
        if watch.stopped():
            return True
    return False


def test_a_heart_that_stops_for_the_configured_time_is_noticed() -> None:
    held = lock.acquire(5)
    clock = Clock()
    watch = lock.Watch(clock)
    assert not watched(clock, watch, 4.5)
    os.utime(held, (1, 1))
    assert not watched(clock, watch, 5)
    assert watched(clock, watch, 1)
    os.close(held)


def test_a_clock_that_jumps_is_no_heart_that_stops() -> None:
    held = lock.acquire(5)
    clock = Clock()
    watch = lock.Watch(clock)
    for _ in range(4):
        clock.now += 10_000
        assert not watch.stopped()
    os.close(held)


@pytest.mark.parametrize("said", [None, "", "nonsense\n"])
def test_without_a_word_from_the_host_the_default_counts(said: str | None) -> None:
    if said is not None:
        Path(protocol.LOCK).write_text(said)
    clock = Clock()
    watch = lock.Watch(clock)
    assert not watched(clock, watch, 59)
    assert watched(clock, watch, 2)


def test_a_lock_file_that_was_replaced_is_noticed() -> None:
    held = lock.acquire(5)
    assert lock.is_in_place(held)
    os.unlink(protocol.LOCK)
    assert not lock.is_in_place(held)
    again = lock.acquire(5)
    assert lock.is_in_place(again)
    assert not lock.is_in_place(held)
    os.close(held)
    os.close(again)
