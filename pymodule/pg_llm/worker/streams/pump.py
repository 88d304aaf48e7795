"""A table as a source: its changes wait in the database, which takes them by itself when it is asked to."""

# ruff: noqa: D102 - what the methods do is said once, in source.py
from __future__ import annotations

import threading
from typing import Any

import psycopg
from psycopg import sql

from pg_llm.worker.session import schema_of_extension
from pg_llm.worker.streams.source import Record, Source

# Seconds between two looks where no writer tells.
_POLL = 0.5


class Pump(Source):
    def __init__(self, definition: dict[str, Any]) -> None:
        self._definition = definition

    def run(self, connection: psycopg.Connection[Any], ending: threading.Event) -> None:
        """Take what waits, and wait for more, as long as the stream runs."""
        connection.execute("LISTEN llm_stream")
        lease = "SELECT token FROM llm.stream_lease(%s, '{changes}')"
        while not ending.is_set():
            # Counts as a consumer, so that writers tell.
            row = connection.execute(lease, (self._definition["id"],)).fetchone()
            while not ending.is_set() and self.take(connection, row[0] if row else None):
                pass
            for _ in connection.notifies(timeout=_POLL, stop_after=1):
                pass

    def take(self, connection: psycopg.Connection[Any], token: int | None) -> int:
        """Take a batch, under the token of the lease where it is held. Returns how many changes it had."""
        call = sql.SQL("SELECT {}(%s, %s)").format(sql.Identifier(schema_of_extension(connection), "stream_run"))
        row = connection.execute(call, (self._definition["name"], self._definition["max_batch"])).fetchone()
        return int(row[0]) if row else 0

    def partitions(self) -> list[str]:
        return ["changes"]

    def start(self, partition: str, at: float | None) -> int:
        return 0

    def assign(self, positions: dict[str, int]) -> None:
        pass

    def read(self, limit: int, seconds: float) -> list[Record]:
        return []

    def close(self) -> None:
        pass
