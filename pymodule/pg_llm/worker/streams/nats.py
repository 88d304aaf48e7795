"""A stream of NATS JetStream as a source, by nats-py: read from the sequence number that the database has."""

# ruff: noqa: D102 - what the methods do is said once, in source.py
from __future__ import annotations

import asyncio
import datetime
from collections.abc import Coroutine
from typing import Any

import nats  # type: ignore[import-not-found]
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy  # type: ignore[import-not-found]

from pg_llm.worker.streams.source import OutOfRange, Record, Source, SourceFailed, settings

_PATIENCE = 5.0
# A message has at most what the server says, 1 MB where it says nothing else.
_AT_ONCE = 100


class Nats(Source):
    def __init__(self, source: dict[str, Any]) -> None:
        self._name, self._starts = source["topic"], source.get("start", "earliest")
        self._loop = asyncio.new_event_loop()
        given = settings("NATS", source["security"]) if "security" in source else {"servers": source["servers"]}
        given = {"connect_timeout": _PATIENCE, "max_reconnect_attempts": 3} | given
        self._connection = self._run(nats.connect(**given))
        self._stream = self._connection.jetstream()
        self._consumer: Any = None

    def partitions(self) -> list[str]:
        self._run(self._stream.stream_info(self._name))
        return [self._name]

    def start(self, partition: str, at: float | None) -> int:
        state = self._run(self._stream.stream_info(self._name)).state
        if at is not None:
            begin = datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat()
            self._subscribe(deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=begin)
            records = self.read(1, _PATIENCE)
            return records[0].position if records else int(state.last_seq) + 1
        return int(state.last_seq) + 1 if self._starts == "latest" else int(state.first_seq)

    def assign(self, positions: dict[str, int]) -> None:
        self._consumer = None
        for partition, position in positions.items():
            first = self._run(self._stream.stream_info(self._name)).state.first_seq
            # A number before 1 is none.
            if max(1, position) < first:
                told = f"offset {position} of {partition} is not there, which begins at {first}"
                raise OutOfRange(partition, f"{told}: stream_seek() says where to go on")
            self._subscribe(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=max(1, position))

    def read(self, limit: int, seconds: float) -> list[Record]:
        if self._consumer is None:
            return []
        try:
            messages = self._loop.run_until_complete(self._consumer.fetch(min(limit, _AT_ONCE), timeout=seconds))
        except TimeoutError:
            return []
        except (nats.errors.Error, OSError) as error:
            raise _failed(error) from None
        told = [(message, message.metadata) for message in messages]
        return [
            Record(self._name, about.sequence.stream, message.data, message.subject, about.timestamp.timestamp() * 1000)
            for message, about in told
        ]

    def close(self) -> None:
        try:
            self._run(self._connection.close())
        finally:
            self._loop.close()

    def _subscribe(self, **options: Any) -> None:
        config = ConsumerConfig(ack_policy=AckPolicy.NONE, **options)
        self._consumer = self._run(self._stream.pull_subscribe("", stream=self._name, config=config))

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self._loop.run_until_complete(work)
        except (nats.errors.Error, OSError) as error:
            raise _failed(error) from None
        except TypeError as error:
            raise SourceFailed(f"the settings cannot be used: {error}") from None


def _failed(error: Exception) -> SourceFailed:
    return SourceFailed(f"NATS does not answer: {type(error).__name__}")
