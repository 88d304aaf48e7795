"""Worker, host and server are killed at random under writes; what is left in the end is as if nothing had happened.

PG_LLM_CRASH_SECONDS says for how long, 60 by default; a release has passed 300.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import companion
import psycopg
import pytest
from database import install, value
from hosts import hosts
from workbench.cluster import TEST_SETTINGS, Cluster

SECONDS = float(os.environ.get("PG_LLM_CRASH_SECONDS", "60"))
# A crash must lose nothing that was committed, so nothing is asynchronous here.
SETTINGS = {**TEST_SETTINGS, "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
WRITERS = 3
ROWS = 60
WORDS = "apple bread cello desert engine forest garden harbour island jungle kitten lemon mountain night ocean".split()
TABLES = {"live_note": "live", "background_note": "background"}


@pytest.fixture
def crashing() -> Iterator[Cluster]:
    """A server of its own, as killing it would end those of other tests."""
    with Cluster(settings=SETTINGS) as running:
        running.sql("CREATE DATABASE crashing")
        install(running.host, running.port, "postgres", "crashing", None)
        yield running


def connection(cluster: Cluster, patience: float = 60) -> psycopg.Connection:
    """A connection, as soon as the server is up again."""
    until = time.monotonic() + patience
    while True:
        try:
            dsn = f"host={cluster.host} port={cluster.port} user=postgres dbname=crashing"
            return psycopg.connect(dsn, autocommit=True)
        except psycopg.OperationalError:
            assert time.monotonic() < until
            time.sleep(0.1)


class Writer(threading.Thread):
    """Writes rows of its own until it is told to stop; what was committed is known unless the server died meanwhile."""

    def __init__(self, cluster: Cluster, number: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._cluster = cluster
        self._number = number
        self._stop_event = stop
        self._random = random.Random(number)
        self.written = 0
        self.failed: list[str] = []

    def run(self) -> None:
        while not self._stop_event.is_set():
            with contextlib.suppress(psycopg.OperationalError, psycopg.InterfaceError), connection(self._cluster) as db:
                while not self._stop_event.is_set():
                    self._write(db)

    def _write(self, db: psycopg.Connection) -> None:
        table = self._random.choice(list(TABLES))
        key = self._random.randrange(ROWS) * WRITERS + self._number
        length = self._random.choice((3, 3, 3, 0, 300))
        text = " ".join(self._random.choice(WORDS) for _ in range(length))
        write = self._random.choice(("put", "put", "change", "move", "delete"))
        try:
            if write == "put":
                query = f"INSERT INTO {table} VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET body = excluded.body"
                db.execute(query, (key, text))
            elif write == "change":
                db.execute(f"UPDATE {table} SET body = body || %s WHERE id %% %s = %s", (text, WRITERS * 7, key % 21))
            elif write == "move":
                db.execute(f"UPDATE {table} SET id = id + %s WHERE id = %s", (ROWS * WRITERS, key))
            else:
                db.execute(f"DELETE FROM {table} WHERE id IN (%s, %s)", (key, key + ROWS * WRITERS))
            self.written += 1
        except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected):
            pass
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            # The host was killed and its successor too: a clear error, and the statement has done nothing.
            self.failed.append(f"{error.sqlstate} {error}")


def worker(cluster: Cluster) -> subprocess.Popen[bytes]:
    dsn = f"host={cluster.host} port={cluster.port} user=postgres dbname=crashing"
    command = [sys.executable, "-m", "pg_llm.worker", "--dsn", dsn]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def backends(cluster: Cluster) -> list[int]:
    children = Path(f"/proc/{cluster.pid}/task/{cluster.pid}/children")
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(pid) for pid in children.read_text().split()]
    return []


@pytest.mark.slow
def test_killing_whatever_runs_loses_nothing(crashing: Cluster) -> None:
    with connection(crashing) as db:
        for table, sync in TABLES.items():
            db.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, body text)")
            db.execute("CALL semantic_index(%s, '{body}', sync => %s)", (table, sync))
    stop = threading.Event()
    writers = [Writer(crashing, number, stop) for number in range(WRITERS)]
    workers = [worker(crashing) for _ in range(2)]
    chance = random.Random(1)
    killed = {"worker": 0, "host": 0, "backend": 0, "server": 0}

    def kill_worker() -> None:
        place = chance.randrange(len(workers))
        workers[place].kill()
        workers[place].wait()
        workers[place] = worker(crashing)

    def kill_host() -> None:
        for pid in hosts(crashing.data):
            kill(pid)

    def kill_backend() -> None:
        # The server ends all others and recovers by itself.
        if pids := backends(crashing):
            kill(chance.choice(pids))

    def kill_server() -> None:
        # All its processes, as in a power cut: those that are left would keep its memory.
        others = backends(crashing)
        crashing.kill()
        for pid in others:
            kill(pid)
        time.sleep(0.5 + chance.random())
        crashing.start()

    actions: dict[str, tuple[Callable[[], None], int]] = {
        "worker": (kill_worker, 4),
        "host": (kill_host, 4),
        "backend": (kill_backend, 1),
        "server": (kill_server, 1),
    }
    try:
        for writer in writers:
            writer.start()
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            time.sleep(chance.uniform(0.5, 3))
            (name,) = chance.choices(list(actions), [weight for _, weight in actions.values()])
            actions[name][0]()
            killed[name] += 1
        stop.set()
        for writer in writers:
            writer.join(120)
            assert not writer.is_alive()
        written = [writer.written for writer in writers]
        failed = [text for writer in writers for text in writer.failed]
        print(f"written: {written}, refused: {len(failed)}, killed: {killed}")
        assert min(written) > SECONDS / 5
        # What a writer sees of a killed host is one clear error.
        assert not [text for text in failed if "Traceback" in text.split("CONTEXT")[0] or text.startswith("XX")]
        with connection(crashing) as db:
            wait_until_nothing_waits(db)
            assert companion.differences(db) == {}
            assert value(db, "SELECT count(*) FROM llm_failed_work") == 0
    finally:
        stop.set()
        for each in workers:
            each.kill()
            each.wait()


def wait_until_nothing_waits(db: psycopg.Connection, patience: float = 120) -> None:
    """The workers do what is left by themselves: what they died over is tried alone, at once and after ten seconds."""
    until = time.monotonic() + patience
    while value(db, "SELECT count(*) FROM llm.all_work"):
        waits = db.execute("SELECT state, attempts, error FROM llm.all_work LIMIT 3").fetchall()
        assert time.monotonic() < until, waits
        time.sleep(0.2)
