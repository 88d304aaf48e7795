"""Reading one stream: leases, batches, writes; through losses of brokers and server, until it is told to end."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import errors

from pg_llm.streams.sources import MAX_BYTES
from pg_llm.worker.session import connected
from pg_llm.worker.streams import opening
from pg_llm.worker.streams.batch import Batch
from pg_llm.worker.streams.source import OutOfRange, Source, SourceFailed
from pg_llm.worker.streams.writer import Stopped, Writer

_log = logging.getLogger(__name__)
# Seconds between two looks at partitions and leases; a lease holds for several of these.
_LEASE = 1.0
# Seconds that a read waits at most, so that an end is heard.
_SLICE = 0.1
_SHORTEST, _LONGEST = 0.2, 10.0
# A record waits for others so many times as long as the last batch took to write, and at most as the stream says: so
# that few small batches are no burden to the server, and a quick transform makes nobody wait.
_WAIT_PER_WRITE = 5.0


class Reader(threading.Thread):
    """The thread of a stream; `definition` is its row of llm.stream_assignments."""

    def __init__(self, dsn: str, definition: dict[str, Any]) -> None:
        super().__init__(name=f"stream {definition['name']}", daemon=True)
        self.definition = definition
        self._dsn = dsn
        self._ending = threading.Event()
        self._number: int = definition["id"]
        # Offset and token of each partition that is held.
        self._held: dict[str, tuple[int, int]] = {}
        # Those of all partitions that the database gave it, also of ones that cannot be read.
        self._tokens: dict[str, int] = {}
        self._is_well = False

    def end(self) -> None:
        """Ask it to end; what was not written is read by somebody else."""
        self._ending.set()

    def run(self) -> None:
        """Read and write until the end, beginning anew after each loss."""
        delay = _SHORTEST
        while not self._ending.is_set():
            began = time.monotonic()
            try:
                with connected(self._dsn) as connection:
                    connection.execute("SET default_transaction_isolation = 'read committed'")
                    connection.execute("SET client_connection_check_interval = '1s'")
                    try:
                        self._read(connection)
                    except SourceFailed as failed:
                        self._report(connection, None, str(failed))
                        raise
                    except psycopg.DatabaseError as error:
                        if not connection.closed and not isinstance(error, errors.SerializationFailure):
                            self._report(connection, None, error.diag.message_primary or str(error))
                        raise
                    except Exception as error:
                        # Whatever a server or a record of others does to a client library ends no stream in silence.
                        _log.exception("Stream %s", self.definition["name"])
                        told = f"the source cannot be read: {type(error).__name__}, see the worker's log"
                        self._report(connection, None, told)
                        raise SourceFailed(told) from error
            except (SourceFailed, psycopg.Error) as error:
                if time.monotonic() - began > _LONGEST:
                    delay = _SHORTEST
                if not isinstance(error, errors.SerializationFailure):
                    _log.info("Stream %s: %s", self.definition["name"], str(error).splitlines()[0])
                self._ending.wait(delay * random.uniform(0.75, 1.25))  # noqa: S311 - so that they do not return at once
                delay = min(_LONGEST, delay * 2)

    def _read(self, connection: psycopg.Connection[Any]) -> None:
        self._held, self._tokens, self._is_well = {}, {}, False
        source = opening.opened(self.definition, self._dsn, connection)
        writer = Writer(connection, self._number)
        try:
            if isinstance(source, opening.Pump):
                source.run(connection, self._ending)
            else:
                self._copy(connection, source, writer)
        except Stopped:
            # By an error, which stream_stats shows, or by somebody.
            self._ending.wait(_LEASE)
        finally:
            writer.close()
            source.close()

    def _copy(self, connection: psycopg.Connection[Any], source: Source, writer: Writer) -> None:
        size, most_delay = self.definition["max_batch"], self.definition["max_delay"] / 1000
        most = self.definition["source"].get("max_bytes", MAX_BYTES)
        text = opening.decoder(self.definition["source"])
        batch = Batch(most, text)
        # Offsets after the batch that is being written.
        after: dict[str, int] = {}
        looked = -_LEASE
        while not self._ending.is_set():
            if writer.is_done() or time.monotonic() - looked >= _LEASE:
                self._settle(source, writer, after)
            if time.monotonic() - looked >= _LEASE:
                if self._lease(connection, source):
                    batch = Batch(most, text)
                looked = time.monotonic()
            if not self._held:
                self._ending.wait(_LEASE)
                continue
            wait = min(most_delay, _WAIT_PER_WRITE * writer.seconds)
            try:
                records = source.read(size - len(batch.records), min(_SLICE, batch.left(wait)))
                ends = source.ends()
            except OutOfRange as error:
                # The other partitions go on, from where the database has them.
                self._settle(source, writer, after)
                self._report(connection, error.partition, str(error))
                self._held.pop(error.partition, None)
                source.assign({partition: position for partition, (position, _) in self._held.items()})
                batch = Batch(most, text)
                continue
            batch.add([record for record in records if record.partition in self._held])
            if batch.is_due(size, wait):
                self._settle(source, writer, after)
                arguments, after = batch.arguments(self._held, ends)
                writer.put(arguments)
                batch = Batch(most, text)
        self._settle(source, writer, after)

    def _settle(self, source: Source, writer: Writer, after: Mapping[str, int]) -> None:
        """Wait until nothing is being written, and take note of what was."""
        if writer.settle():
            for partition, position in after.items():
                self._held[partition] = (position, self._held[partition][1])
            source.written(dict(after))

    def _lease(self, connection: psycopg.Connection[Any], source: Source) -> bool:
        """Renew the leases; True if other partitions are read from now on, or from elsewhere."""
        rows = connection.execute(
            "SELECT partition, position, extract(epoch FROM seek_to)::float8, token FROM llm.stream_lease(%s, %s)",
            (self._number, source.partitions()),
        ).fetchall()
        tokens = {partition: token for partition, _, _, token in rows}
        if tokens == self._tokens:
            return False
        self._tokens = tokens
        held = {}
        for partition, position, at, token in rows:
            if position is None:
                position = source.start(partition, at)
                given = (self._number, partition, token, position)
                if connection.execute("SELECT llm.stream_position(%s, %s, %s, %s)", given).fetchone() != (True,):
                    continue
            held[partition] = (position, token)
        source.assign({partition: position for partition, (position, _) in held.items()})
        self._held = held
        if not self._is_well:
            # Whatever this worker, or one before it, said of the source.
            self._report(connection, None, None)
            self._is_well = True
        return True

    def _report(self, connection: psycopg.Connection[Any], partition: str | None, error: str | None) -> None:
        connection.execute("SELECT llm.stream_report(%s, %s, %s, false)", (self._number, partition, error))


def parsed(row: dict[str, Any]) -> dict[str, Any]:
    """A row of llm.stream_assignments with its JSON read."""
    return {**row, **{name: _json(row[name]) for name in ("source", "columns", "publish")}}


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
