"""A thread for each stream that the worker's role may run, as long as it is to run; and one that delivers alarms."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
from psycopg.rows import dict_row

from pg_llm.worker.session import repeat_connected
from pg_llm.worker.streams import reading, slots
from pg_llm.worker.streams.delivery import Deliverer
from pg_llm.worker.streams.reading import Reader

# Seconds between two looks at replication slots that nobody reads any more.
_SLOTS = 10.0


class Supervisor(threading.Thread):
    """Looks every second which streams there are, and whether they are as they were."""

    def __init__(self, dsn: str, poll: float, most: int) -> None:
        super().__init__(name="streams", daemon=True)
        self._dsn, self._poll, self._most = dsn, min(poll, 1.0), most
        self._ending = threading.Event()
        self._readers: dict[int, Reader] = {}
        self._left_out: set[int] = set()
        self._deliverer = Deliverer(dsn, self._poll)

    def end(self, seconds: float) -> None:
        """Ask all to end, and wait so long for it."""
        self._ending.set()
        self.join(seconds)

    def run(self) -> None:
        """Until the end, through losses of the connection, in which the readers go on by themselves."""
        self._deliverer.start()
        if slots.servers():
            arguments = (self._dsn, self._ending, _SLOTS, slots.drop_forgotten)
            threading.Thread(target=repeat_connected, args=arguments, name="slots", daemon=True).start()
        # A database without streams is one without the extension, or with an older one; `loop` says so.
        repeat_connected(self._dsn, self._ending, self._poll, self._look)
        self._deliverer.end()
        for reader in self._readers.values():
            reader.end()
        for reader in self._readers.values():
            reader.join(1.0)

    def _look(self, connection: psycopg.Connection[Any]) -> None:
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute("SELECT * FROM llm.stream_assignments()").fetchall()
        # Each has a connection to the server, of which others need some too.
        wanted = {row["id"]: reading.parsed(row) for row in rows[: self._most]}
        left_out = {row["id"] for row in rows[self._most :]}
        for number in left_out - self._left_out:
            told = f"a worker reads {self._most} streams at once, each owner's first ones first: --streams"
            connection.execute("SELECT llm.stream_report(%s, NULL, %s, false)", (number, told))
        self._left_out = left_out
        for number, reader in list(self._readers.items()):
            if wanted.get(number) != reader.definition or not reader.is_alive():
                reader.end()
                del self._readers[number]
        for number, definition in wanted.items():
            if number not in self._readers:
                self._readers[number] = Reader(self._dsn, definition)
                self._readers[number].start()
