"""A channel of NOTIFY as a source: what is sent while a worker listens, once at most."""

# ruff: noqa: D102 - what the methods do is said once, in source.py
from __future__ import annotations

import time
from typing import Any

from psycopg import sql

from pg_llm.worker.session import connected
from pg_llm.worker.streams.source import Record, Source


class Notify(Source):
    def __init__(self, source: dict[str, Any], dsn: str) -> None:
        self._connection = connected(dsn)
        self._channel = source["channel"]
        self._position = 0

    def partitions(self) -> list[str]:
        return ["channel"]

    def start(self, partition: str, at: float | None) -> int:
        return 0

    def assign(self, positions: dict[str, int]) -> None:
        listen = "LISTEN {}" if positions else "UNLISTEN {}"
        self._connection.execute(sql.SQL(listen).format(sql.Identifier(self._channel)))
        self._position = positions.get("channel", 0)

    def read(self, limit: int, seconds: float) -> list[Record]:
        records = []
        for told in self._connection.notifies(timeout=seconds, stop_after=limit):
            now = time.time() * 1000
            records.append(Record("channel", self._position, told.payload.encode(), str(told.pid), now))
            self._position += 1
        return records

    def close(self) -> None:
        self._connection.close()
