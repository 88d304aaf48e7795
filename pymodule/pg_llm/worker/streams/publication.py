"""A publication of another PostgreSQL as a source: logical decoding by a replication slot that is the stream's own.

psycopg has no replication protocol, and its libpq has: what a walsender sends is read as it sends it. The slot keeps
what has not been acknowledged; what has been written is told by the position in the database, whatever comes again.
"""

# ruff: noqa: D102 - what the methods do is said once, in source.py
from __future__ import annotations

import json
import logging
import select
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import pq, sql
from psycopg.adapt import Transformer

from pg_llm.streams.formats import Undecodable, text_of
from pg_llm.worker.streams.pgoutput import Alive, Begin, Change, Commit, Messages, status
from pg_llm.worker.streams.source import Record, Source, SourceFailed, settings

_log = logging.getLogger(__name__)
# A transaction is taken in pieces of so many changes or bytes, the same ones whenever it is read: a position is where
# it was committed, in words, and the number of a piece.
_PIECE, _PIECE_BYTES = 500, 1_000_000
_PIECES = 1 << 16
_WORD = 8
_PATIENCE = 5
# Seconds between two acknowledgements that nobody asked for.
_INTERVAL = 5.0
# Values as the same texts whatever the server's settings are; a worker that writes for long is not given up.
_OPTIONS = (
    "-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=1 -c bytea_output=hex -c timezone=UTC"
    " -c wal_sender_timeout=600000 -c statement_timeout=30000"
)
_CONNECTION: dict[str, Any] = {
    "connect_timeout": _PATIENCE,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "fallback_application_name": "pg_llm worker",
}
_SYSTEM = """
    SELECT pg_catalog.format('pg_llm_%s_%s_', s.system_identifier, d.oid)
    FROM pg_catalog.pg_control_system() AS s, pg_catalog.pg_database AS d
    WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
"""
# What a server says of a slot that somebody dropped, or that it gave up, as it would have kept too much.
_LOST = ("does not exist", "can no longer get changes", "cannot read from logical")
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


def conninfo(security: str, **options: Any) -> str:
    """Where the environment says that the publications of a name are. Raises SourceFailed."""
    given = settings("POSTGRES", security)
    try:
        return psycopg.conninfo.make_conninfo("", **(_CONNECTION | given | options))
    except (psycopg.Error, TypeError, ValueError):
        raise SourceFailed(f"PG_LLM_POSTGRES_{security} in the worker's environment says no connection") from None


class Publication(Source):
    def __init__(self, source: dict[str, Any], columns: Sequence[tuple[str, str]], slot: str) -> None:
        self._source, self._slot = source, slot
        self._columns = dict(columns)
        # An array is written alike whatever it has: here as one of texts.
        self._arrays = Transformer().get_loader(psycopg.adapters.types["text"].array_oid, pq.Format.TEXT)
        self._connection = self._connected()

    def partitions(self) -> list[str]:
        return [self._source["publication"]]

    def start(self, partition: str, at: float | None) -> int:
        name, table = (sql.Literal(self._source[option]) for option in ("publication", "table"))
        # A publication that is made after the slot is not there for what the slot has kept.
        published = (
            "SELECT FROM pg_publication_tables WHERE pubname = {} AND format('%s.%s', schemaname, tablename) = {}"
        )
        if not self._ask(sql.SQL(published).format(name, table)).ntuples:
            raise SourceFailed(f"there is no publication {self._source['publication']} of {self._source['table']}")
        slot = sql.Literal(self._slot)
        if not self._ask(sql.SQL("SELECT FROM pg_replication_slots WHERE slot_name = {}").format(slot)).ntuples:
            self._ask(sql.SQL("SELECT pg_create_logical_replication_slot({}, 'pgoutput')").format(slot))
        return 0

    def assign(self, positions: dict[str, int]) -> None:
        self.close()
        self._connection = self._connected()
        self._messages = Messages()
        self._ready: deque[Record] = deque()
        self._piece: list[Record] = []
        # What ends a transaction and may be acknowledged once all before a position is written.
        self._ends: deque[tuple[int, int]] = deque()
        self._begin: Begin | None = None
        self._number = self._changes = self._bytes = self._done = 0
        self._told = time.monotonic()
        self._reads = bool(positions)
        if not positions:
            return
        ((_, self._last),) = positions.items()
        self._written = self._first = self._last
        name = sql.Identifier(self._source["publication"]).as_string()
        self._ask(
            sql.SQL("START_REPLICATION SLOT {} LOGICAL 0/0 (proto_version '1', publication_names {})").format(
                sql.Identifier(self._slot), sql.Literal(name)
            ),
            pq.ExecStatus.COPY_BOTH,
        )

    def read(self, limit: int, seconds: float) -> list[Record]:
        if not self._reads:
            return []
        deadline = time.monotonic() + seconds
        while len(self._ready) < limit:
            if (message := self._received()) is not None:
                self._take(message)
            elif self._ready or not self._wait(deadline - time.monotonic()):
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
        self._connection.finish()

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
        if type_ in ("json", "jsonb"):
            return value
        return json.dumps(self._arrays.load(value.encode()) if type_.endswith("[]") else value, ensure_ascii=False)

    def _acknowledge(self) -> None:
        while self._ends and self._ends[0][0] <= self._written:
            self._done = self._ends.popleft()[1]
        self._told = time.monotonic()
        self._connection.put_copy_data(status(self._done))
        self._connection.flush()

    def _received(self) -> bytes | None:
        """The next message that is there."""
        try:
            size, data = self._connection.get_copy_data(1)
        except psycopg.Error as error:
            raise _failed(str(error)) from None
        if size < 0:
            result = self._connection.get_result()
            raise _failed(result.error_message.decode("utf-8", "replace") if result else "")
        return bytes(data) if size else None

    def _wait(self, seconds: float) -> bool:
        """Whether something has come within so many seconds."""
        if not select.select([self._connection.socket], [], [], max(0.0, seconds))[0]:
            return False
        try:
            self._connection.consume_input()
        except psycopg.Error as error:
            raise _failed(str(error)) from None
        return True

    def _connected(self) -> pq.abc.PGconn:
        given = conninfo(self._source["security"], replication="database", client_encoding="UTF8", options=_OPTIONS)
        connection = pq.PGconn.connect(given.encode())
        if connection.status != pq.ConnStatus.OK:
            # Which tells of servers and roles that the stream's owner has no business with.
            name = f"PG_LLM_POSTGRES_{self._source['security']}"
            _log.warning("%s: %s", name, connection.error_message.decode("utf-8", "replace").strip())
            raise SourceFailed(f"the server that {name} names cannot be reached, see the worker's log")
        return connection

    def _ask(self, query: sql.Composable, wanted: pq.ExecStatus = pq.ExecStatus.TUPLES_OK) -> pq.abc.PGresult:
        try:
            result = self._connection.exec_(query.as_string().encode())
        except psycopg.Error as error:
            raise _failed(str(error)) from None
        if result.status != wanted:
            raise _failed(result.error_message.decode("utf-8", "replace"))
        return result


def _failed(told: str) -> SourceFailed:
    # The first line: what follows may repeat values.
    first = (told.strip() or "the connection was lost").splitlines()[0]
    if "replication slot" in first and any(lost in first for lost in _LOST):
        first += ", and what was written since is lost: stream_drop() and stream_create() begin anew"
    return SourceFailed(f"the publication cannot be read: {first}")
