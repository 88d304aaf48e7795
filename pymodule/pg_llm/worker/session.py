"""One session of a worker: it announces itself, does what waits, and sleeps until there is more."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

_log = logging.getLogger(__name__)
# Seconds until a connection that was lost is tried again.
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 10.0
# Rows of one call, so that figures are shown now and then.
_MAX_ROWS = 1000
# Where writers cannot tell of new work, as what notifies cannot be prepared for a two-phase commit.
_POLL_UNTOLD = 0.5
# So that the loss of a machine is noticed within a minute or two.
_KEEPALIVES: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
_EXTENSION = """
    SELECT n.nspname FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
    WHERE e.extname = 'pg_llm'
"""
_STREAMS = sql.SQL("""
    SELECT s.name, s.state = 'running', coalesce(sum(s.rows), 0)::int8, coalesce(sum(s.dead), 0)::int8,
           coalesce(sum(s.late), 0)::int8, coalesce(sum(s.lag), 0)::int8
    FROM {} AS s GROUP BY s.name, s.state ORDER BY s.name
""")


class NotInstalled(Exception):
    """The database has no extension pg_llm, or one without background work."""


@dataclass(frozen=True, slots=True)
class Session:
    """A connection that has announced itself as a worker."""

    connection: psycopg.Connection[tuple[Any, ...]]
    call: sql.Composed
    poll: float

    def work(self) -> tuple[int, int]:
        """Do what is due, up to a number of rows. Returns the rows done and the attempts that failed."""
        row = self.connection.execute(self.call, (_MAX_ROWS,)).fetchone()
        return (row[0], row[1]) if row else (0, 0)

    def wait(self) -> None:
        """Wait until there is new work, or until it is time to look."""
        for _ in self.connection.notifies(timeout=self.poll, stop_after=1):
            pass

    @property
    def place(self) -> str:
        """Database, server and role, for people."""
        info = self.connection.info
        return f'database "{info.dbname}" at {info.host or "localhost"}, as "{info.user}"'


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """How far a stream of the worker's role is, over all partitions."""

    name: str
    running: bool
    rows: int
    dead: int
    late: int
    lag: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for a worker: how many rows, and for how many seconds the oldest of them; the streams it may read."""

    rows: int
    seconds: float
    streams: tuple[StreamFigures, ...] = ()


@contextlib.contextmanager
def opened(dsn: str, poll: float) -> Iterator[Session]:
    """A session as long as the block runs. Raises psycopg.Error and NotInstalled."""
    with connected(dsn) as connection:
        # Claims are made under this level, whatever the role's default is.
        connection.execute("SET default_transaction_isolation = 'read committed'")
        # A session whose worker is gone leaves its work to others, and does not first come to its end.
        connection.execute("SET client_connection_check_interval = '1s'")
        schema = schema_of_extension(connection)
        # Before looking for work the first time, so that none is missed.
        connection.execute("LISTEN llm_work")
        connection.execute("SELECT llm.announce_worker()")
        told = connection.execute("SELECT pg_catalog.current_setting('max_prepared_transactions') = '0'").fetchone()
        call = sql.SQL("CALL {}({})").format(sql.Identifier(schema, "llm_work"), sql.Placeholder())
        yield Session(connection, call, poll if told and told[0] else min(poll, _POLL_UNTOLD))


def backlog(dsn: str, pid: int) -> Backlog | None:
    """What waits for the worker whose process on the server has this number, by a connection of its own."""
    with connected(dsn) as connection:
        query = sql.SQL("SELECT waiting, extract(epoch FROM lag)::float8 FROM {} WHERE pid = {}")
        schema = schema_of_extension(connection)
        row = connection.execute(query.format(sql.Identifier(schema, "llm_workers"), pid)).fetchone()
        streams = connection.execute(_STREAMS.format(sql.Identifier(schema, "stream_stats"))).fetchall()
    return Backlog(row[0], row[1], tuple(StreamFigures(*stream) for stream in streams)) if row else None


def connected(dsn: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection in autocommit mode that notices the loss of its server. Raises psycopg.Error."""
    # What the connection string says goes before these.
    given = psycopg.conninfo.conninfo_to_dict(dsn)
    keepalives = {name: value for name, value in _KEEPALIVES.items() if name not in given}
    return psycopg.connect(dsn, autocommit=True, fallback_application_name="pg_llm worker", **keepalives)


def repeat_connected(
    dsn: str, ending: threading.Event, seconds: float, work: Callable[[psycopg.Connection[tuple[Any, ...]]], object]
) -> None:
    """Do work every so many seconds until the end, by one connection, and by another one whenever that is lost."""
    delay = _FIRST_DELAY
    while not ending.is_set():
        try:
            with connected(dsn) as connection:
                while not ending.is_set():
                    work(connection)
                    delay = _FIRST_DELAY
                    ending.wait(seconds)
        except psycopg.Error as error:
            _log.debug("%s", error)
            ending.wait(delay)
            delay = min(_LONGEST_DELAY, delay * 2)


def schema_of_extension(connection: psycopg.Connection[tuple[Any, ...]]) -> str:
    """The schema of the extension's functions. Raises NotInstalled."""
    row = connection.execute(_EXTENSION).fetchone()
    if row is None:
        raise NotInstalled(f'database "{connection.info.dbname}" has no extension pg_llm')
    return str(row[0])
