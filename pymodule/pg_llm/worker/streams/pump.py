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
        schema = schema_of_extension(connection)
        call = sql.SQL("SELECT {}(%s, %s)").format(sql.Identifier(schema, "stream_run"))
        connection.execute("LISTEN llm_stream")
        number, size = self._definition["id"], self._definition["max_batch"]
        while not ending.is_set():
            # Counts as a consumer, so that writers tell.
            connection.execute("SELECT llm.stream_lease(%s, '{changes}')", (number,))
            while not ending.is_set():
                row = connection.execute(call, (self._definition["name"], size)).fetchone()
                if not row or not row[0]:
                    break
            for _ in connection.notifies(timeout=_POLL, stop_after=1):
                pass

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
