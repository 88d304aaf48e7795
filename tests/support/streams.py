"""What a worker does with a stream's tables, by hand: leases, and batches of one partition."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from database import value

KAFKA = '{"kind": "kafka", "servers": "127.0.0.1:9", "topic": "payment"}'
COLUMNS = '["id bigint", "amount numeric", "sent_at timestamptz"]'

# Starts a worker on a database, with more variables of the environment.
Start = Callable[..., subprocess.Popen[bytes]]


@contextlib.contextmanager
def workers() -> Iterator[Start]:
    """Workers in processes of their own, killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def run(dsn: str, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pg_llm.worker", "--dsn", dsn]
        started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, env=dict(os.environ) | environment))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


def wait_for(db: psycopg.Connection, query: str, seconds: float = 30) -> None:
    """Wait until a query gives true."""
    deadline = time.monotonic() + seconds
    while not value(db, query):
        assert time.monotonic() < deadline, (query, _stats(db))
        time.sleep(0.02)


def _stats(db: psycopg.Connection) -> list[tuple[Any, ...]]:
    """What is known of streams, where the extension is."""
    there = value(db, "SELECT to_regclass('stream_stats') IS NOT NULL")
    return db.execute("SELECT * FROM stream_stats").fetchall() if there else []


class Reader:
    """What a worker does with the database, by hand: leases, and batches of one partition."""

    def __init__(self, db: psycopg.Connection, stream: str, partition: str = "payment/0") -> None:
        self.db, self.partition = db, partition
        self.number = value(db, "SELECT id FROM llm.stream_assignments() WHERE name = %s", stream)
        self.token = self.position = -1

    def lease(self) -> None:
        """Take the partition, as the only one."""
        self.lease_among([self.partition])

    def lease_among(self, partitions: list[str]) -> None:
        """Take the partition, which is one of several."""
        query = "SELECT position, token FROM llm.stream_lease(%s, %s) WHERE partition = %s"
        rows = self.db.execute(query, (self.number, partitions, self.partition)).fetchall()
        assert len(rows) == 1
        self.position, self.token = rows[0]
        if self.position is None:
            self.position = 0
            assert value(
                self.db,
                "SELECT llm.stream_position(%s, %s, %s, 0)",
                self.number,
                self.partition,
                self.token,
            )

    def write(self, payloads: list[str]) -> int:
        """How many records were taken, -1 where the stream does not run."""
        if self.token < 0:
            self.lease()
        end = self.position + len(payloads)
        claim = {"partition": self.partition, "token": self.token, "start": self.position, "end": end, "last": end}
        count = len(payloads)
        records = (payloads, [0] * count, list(range(self.position, end)), [1e12] * count, ["k"] * count)
        done = value(
            self.db,
            "SELECT llm.stream_write(%s, %s, %s, %s, %s, %s, %s, '[]')",
            self.number,
            *map(json.dumps, ([claim], *records)),
        )
        if done >= 0:
            self.position = end
        return int(done)


def payments(*rows: tuple[Any, ...]) -> list[str]:
    return [json.dumps({"id": id, "amount": amount, "sent_at": at}) for id, amount, at in rows]


def create(db: psycopg.Connection, name: str = "payments", target: str = "payment", **options: Any) -> None:
    given = {"source": KAFKA, "columns": COLUMNS} | options
    arguments = ", ".join(f"{option} => %s" for option in given)
    db.execute(f"CALL stream_create(%s, target => %s, {arguments})", (name, target, *given.values()))
