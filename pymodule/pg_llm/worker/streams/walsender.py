"""A connection for logical replication: psycopg has no such protocol, and the libpq beneath it has."""

from __future__ import annotations

import logging
import select
import time
from typing import Any

import psycopg
from psycopg import pq, sql

from pg_llm.worker.streams.source import SourceFailed, settings

_log = logging.getLogger(__name__)
_PATIENCE = 5
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
_SLOT = "SELECT FROM pg_catalog.pg_replication_slots AS s WHERE s.slot_name = {}"
_CREATE = "SELECT pg_catalog.pg_create_logical_replication_slot({}, 'pgoutput')"
_END = """
    SELECT pg_catalog.pg_terminate_backend(s.active_pid) FROM pg_catalog.pg_replication_slots AS s
    WHERE s.slot_name = {} AND s.active
"""
_START = "START_REPLICATION SLOT {} LOGICAL 0/0 (proto_version '1', publication_names {})"
# What a server says of a slot that somebody dropped, or that it gave up, as it would have kept too much.
_LOST = ("does not exist", "can no longer get changes", "cannot read from logical")
_BUSY = " is active for PID "


def conninfo(security: str, **options: Any) -> str:
    """Where the environment says that the publications of a name are. Raises SourceFailed."""
    given = settings("POSTGRES", security)
    try:
        return psycopg.conninfo.make_conninfo("", **(_CONNECTION | given | options))
    except (psycopg.Error, TypeError, ValueError):
        raise SourceFailed(f"PG_LLM_POSTGRES_{security} in the worker's environment says no connection") from None


class Walsender:
    """To the server of that name in the worker's environment; whatever fails raises SourceFailed."""

    def __init__(self, security: str) -> None:
        given = conninfo(security, replication="database", client_encoding="UTF8", options=_OPTIONS)
        self._connection = pq.PGconn.connect(given.encode())
        if self._connection.status != pq.ConnStatus.OK:
            # Which tells of servers and roles that the stream's owner has no business with.
            name = f"PG_LLM_POSTGRES_{security}"
            _log.warning("%s: %s", name, _text(self._connection.error_message))
            raise SourceFailed(f"the server that {name} names cannot be reached, see the worker's log")

    def rows(self, query: str, *values: str) -> int:
        """The number of rows of a query, in which each {} is a value."""
        result = self._execute(sql.SQL(query).format(*map(sql.Literal, values)))
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise _failed(_text(result.error_message))
        return result.ntuples

    def create_slot(self, name: str) -> None:
        """Create a slot, unless it is there."""
        if not self.rows(_SLOT, name):
            self.rows(_CREATE, name)

    def begin(self, slot: str, publication: str) -> None:
        """Have what the slot has kept sent; whoever reads it, and holds no lease any more, reads it no longer."""
        names = sql.Literal(sql.Identifier(publication).as_string())
        deadline = time.monotonic() + _PATIENCE
        self.rows(_END, slot)
        while True:
            result = self._execute(sql.SQL(_START).format(sql.Identifier(slot), names))
            if result.status == pq.ExecStatus.COPY_BOTH:
                return
            told = _text(result.error_message)
            if _BUSY not in told or time.monotonic() > deadline:
                raise _failed(told)
            time.sleep(0.1)

    def received(self) -> bytes | None:
        """The next message that is there."""
        try:
            size, data = self._connection.get_copy_data(1)
        except psycopg.Error as error:
            raise _failed(str(error)) from None
        if size < 0:
            result = self._connection.get_result()
            raise _failed(_text(result.error_message) if result else "")
        return bytes(data) if size else None

    def wait(self, seconds: float) -> bool:
        """Whether something has come within so many seconds."""
        if not select.select([self._connection.socket], [], [], max(0.0, seconds))[0]:
            return False
        try:
            self._connection.consume_input()
        except psycopg.Error as error:
            raise _failed(str(error)) from None
        return True

    def send(self, message: bytes) -> None:
        """Send a message."""
        try:
            self._connection.put_copy_data(message)
            self._connection.flush()
        except psycopg.Error as error:
            raise _failed(str(error)) from None

    def close(self) -> None:
        """End the connection, and what is sent by it."""
        self._connection.finish()

    def _execute(self, query: sql.Composable) -> pq.abc.PGresult:
        try:
            return self._connection.exec_(query.as_string().encode())
        except psycopg.Error as error:
            raise _failed(str(error)) from None


def _text(told: bytes) -> str:
    return told.decode("utf-8", "replace").strip()


def _failed(told: str) -> SourceFailed:
    # The first line: what follows may repeat values.
    first = (told or "the connection was lost").splitlines()[0]
    if "replication slot" in first and any(lost in first for lost in _LOST):
        first += ", and what was written since is lost: stream_drop() and stream_create() begin anew"
    return SourceFailed(f"the publication cannot be read: {first}")
