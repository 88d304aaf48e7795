"""A publication of another PostgreSQL as a source: logical decoding by a replication slot that is the stream's own.

The slot keeps what has not been acknowledged; what has been written is told by the position in the database, whatever
comes again.
"""

# ruff: noqa: D102 - what the methods do is said once, in source.py
from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer

from pg_llm.streams.formats import Undecodable, text_of
from pg_llm.worker.streams.pgoutput import Alive, Begin, Change, Commit, Messages, status
from pg_llm.worker.streams.source import Record, Source, SourceFailed
from pg_llm.worker.streams.walsender import Walsender

# A transaction is taken in pieces of so many changes or bytes, the same ones whenever it is read: a position is where
# it was committed, in words, and the number of a piece.
_PIECE, _PIECE_BYTES = 500, 1_000_000
_PIECES = 1 << 16
_WORD = 8
# Seconds between two acknowledgements that nobody asked for.
_INTERVAL = 5.0
_SYSTEM = """
    SELECT pg_catalog.format('pg_llm_%s_%s_', s.system_identifier, d.oid)
    FROM pg_catalog.pg_control_system() AS s, pg_catalog.pg_database AS d
    WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
"""
_PUBLISHED = """
    SELECT FROM pg_catalog.pg_publication_tables AS t
    WHERE t.pubname = {} AND pg_catalog.format('%s.%s', t.schemaname, t.tablename) = {}
"""
_LACKING = b"\0"


def text(payload: bytes | None) -> str:
    """A record as a JSON object. Raises Undecodable for a row that the log has not in full."""
    if payload is not None and payload.startswith(_LACKING):
        raise Undecodable("a large value that did not change is not in the log: ALTER TABLE … REPLICA IDENTITY FULL")
    return text_of(payload)


def prefix(connection: psycopg.Connection[Any]) -> str:
    """What the slots of streams of this database begin with: a copy of it elsewhere has others."""
    row = connection.execute(_SYSTEM).fetchone()
    assert row is not None
    return str(row[0])


class Publication(Source):
    def __init__(self, source: dict[str, Any], columns: Sequence[tuple[str, str]], slot: str) -> None:
        self._source, self._slot = source, slot
        self._columns = dict(columns)
        # An array is written alike whatever it has: here as one of texts.
        self._arrays = Transformer().get_loader(psycopg.adapters.types["text"].array_oid, pq.Format.TEXT)
        # Only while it reads: a server has few places for such connections.
        self._server: Walsender | None = None

    def partitions(self) -> list[str]:
        return [self._source["publication"]]

    def start(self, partition: str, at: float | None) -> int:
        server = Walsender(self._source["security"])
        try:
            # A publication that is made after the slot is not there for what the slot has kept.
            if not server.rows(_PUBLISHED, self._source["publication"], self._source["table"]):
                raise SourceFailed(f"there is no publication {self._source['publication']} of {self._source['table']}")
            server.create_slot(self._slot)
        finally:
            server.close()
        return 0

    def assign(self, positions: dict[str, int]) -> None:
        self.close()
        self._messages = Messages()
        self._ready: deque[Record] = deque()
        self._piece: list[Record] = []
        # What ends a transaction and may be acknowledged once all before a position is written.
        self._ends: deque[tuple[int, int]] = deque()
        self._begin: Begin | None = None
        self._number = self._changes = self._bytes = self._done = 0
        self._told = time.monotonic()
        for position in positions.values():
            self._written = self._first = self._last = position
            self._server = Walsender(self._source["security"])
            self._server.begin(self._slot, self._source["publication"])

    def read(self, limit: int, seconds: float) -> list[Record]:
        if self._server is None:
            return []
        deadline = time.monotonic() + seconds
        while len(self._ready) < limit:
            if (message := self._server.received()) is not None:
                self._take(message)
                # Much may come that is of no interest here.
                if time.monotonic() > deadline:
                    break
            elif self._ready or not self._server.wait(deadline - time.monotonic()):
                break
        if time.monotonic() - self._told > _INTERVAL:
            self._acknowledge()
        records = [self._ready.popleft() for _ in range(min(limit, len(self._ready)))]
        # A piece is written as a whole.
        while self._ready and records and self._ready[0].position == records[-1].position:
            records.append(self._ready.popleft())
        return records

    def written(self, positions: dict[str, int]) -> None:
        self._written = next(iter(positions.values()))
        self._acknowledge()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _take(self, message: bytes) -> None:
        match read := self._messages.read(message):
            case Begin():
                self._begin, self._number, self._changes, self._bytes = read, 0, 0, 0
            case Change():
                self._changes += 1
                self._bytes += len(message)
                self._add(read)
                if self._changes == _PIECE or self._bytes >= _PIECE_BYTES:
                    self._release()
            case Commit():
                self._release()
                self._begin = None
                self._ends.append((self._last, read.end))
            case Alive():
                if self._begin is None and not self._ends and self._written == self._last:
                    self._done = max(self._done, read.end)
                if read.wants_answer:
                    self._acknowledge()

    def _add(self, change: Change) -> None:
        source = self._source
        if change.relation != source["table"] or change.event not in source["events"] or self._begin is None:
            return
        if (position := self._position()) < self._first:
            return
        lacking = _LACKING if set(change.missing) & self._columns.keys() else b""
        payload = lacking + self._json(change.row).encode()
        self._piece.append(Record(source["publication"], position, payload, change.event, self._begin.time))

    def _position(self) -> int:
        assert self._begin is not None
        return self._begin.place // _WORD * _PIECES + self._number

    def _release(self) -> None:
        if self._piece:
            self._ready += self._piece
            self._last = self._piece[-1].position + 1
        self._piece = []
        self._number, self._changes, self._bytes = self._number + 1, 0, 0
        if self._number == _PIECES:
            raise SourceFailed(f"a transaction has more than {_PIECES} pieces of {_PIECE} changes")

    def _json(self, row: dict[str, str | None]) -> str:
        fields = ", ".join(
            f"{json.dumps(name)}: {self._value(value, self._columns[name])}"
            for name, value in row.items()
            if name in self._columns
        )
        return f"{{{fields}}}"

    def _value(self, value: str | None, type_: str) -> str:
        """A text, of which the database makes what the column has; but JSON and arrays are themselves in JSON."""
        if value is None:
            return "null"
        # Only what is JSON by itself: the author of a text could write more fields of the record.
        if type_ in ("json", "jsonb") and _is_json(value):
            return value
        return json.dumps(self._arrays.load(value.encode()) if type_.endswith("[]") else value, ensure_ascii=False)

    def _acknowledge(self) -> None:
        while self._ends and self._ends[0][0] <= self._written:
            self._done = self._ends.popleft()[1]
        self._told = time.monotonic()
        if self._server is not None:
            self._server.send(status(self._done))


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True
