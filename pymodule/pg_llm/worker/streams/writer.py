"""Writing batches one after another, while the next one is being read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg

_WRITE = "SELECT llm.stream_write(%s, %s, %s, %s, %s, %s, %s, %s)"


class Stopped(Exception):
    """The stream is not to go on."""


class Writer:
    """Has at most one batch in hand, so that memory is bounded; nobody else uses the connection meanwhile."""

    def __init__(self, connection: psycopg.Connection[Any], stream: int) -> None:
        self._connection, self._stream = connection, stream
        self._thread = ThreadPoolExecutor(1)
        self._written: Future[None] | None = None
        # What the last batch took to write.
        self.seconds = 0.0

    def put(self, arguments: Sequence[str]) -> None:
        """Have a batch written, once the one before it is."""
        self.settle()
        self._written = self._thread.submit(self._write, arguments)

    def settle(self) -> bool:
        """Wait until nothing is in hand; True if something was. Raises Stopped and psycopg.Error."""
        if self._written is None:
            return False
        written, self._written = self._written, None
        written.result()
        return True

    def is_done(self) -> bool:
        """Whether `settle` would not wait, and has something to say."""
        return self._written is not None and self._written.done()

    def close(self) -> None:
        """Wait until the connection is free, whatever becomes of the batch."""
        self._thread.shutdown()

    def _write(self, arguments: Sequence[str]) -> None:
        began = time.monotonic()
        row = self._connection.execute(_WRITE, (self._stream, *arguments)).fetchone()
        self.seconds = time.monotonic() - began
        if row is None or row[0] < 0:
            raise Stopped
