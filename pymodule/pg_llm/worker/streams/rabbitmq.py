"""A queue of RabbitMQ as a source, by pika: a stream from its offset, others by acknowledging what is written."""

# ruff: noqa: D102 - what the methods do is said once, in source.py
from __future__ import annotations

import time
from typing import Any

import pika  # type: ignore[import-untyped,import-not-found,unused-ignore]
from pika.exceptions import AMQPError, ChannelClosedByBroker  # type: ignore[import-untyped,import-not-found,unused-ignore]

from pg_llm.worker.streams.source import Record, Source, SourceFailed, address, settings

_PATIENCE = 5.0
# Messages on the way, and seconds without a word, as a batch may take long to write.
_WAITING, _HEARTBEAT = 1000, 600
_OFFSET = "x-stream-offset"
_REFUSED = 406


class RabbitMQ(Source):
    def __init__(self, source: dict[str, Any]) -> None:
        self._name = source["topic"]
        given = settings("RABBITMQ", source["security"]) if "security" in source else address(source["servers"], 5672)
        if "username" in given:
            credentials = pika.PlainCredentials(given.pop("username"), given.pop("password", ""))
            given = given | {"credentials": credentials}
        if given.pop("tls", False):
            given = given | {"ssl_options": pika.SSLOptions(_context())}
        patience = {"socket_timeout": _PATIENCE, "blocked_connection_timeout": _PATIENCE, "heartbeat": _HEARTBEAT}
        try:
            self._given = pika.ConnectionParameters(**(patience | given))
        except (TypeError, ValueError) as error:
            raise SourceFailed(f"the settings cannot be used: {error}") from None
        self._connection: Any = None
        self._position: int | None = None
        self._open()

    def partitions(self) -> list[str]:
        return [self._name]

    def start(self, partition: str, at: float | None) -> int:
        return 0

    def assign(self, positions: dict[str, int]) -> None:
        self.close()
        self._open()
        self._records: list[Record] = []
        # Tags of what waits for its acknowledgement, after its position.
        self._unanswered: list[tuple[int, int]] = []
        self._position = positions.get(self._name)
        if self._position is None:
            return
        try:
            self._consume({_OFFSET: self._position})
        except ChannelClosedByBroker as error:
            # No stream, which alone has offsets.
            if error.reply_code != _REFUSED:
                raise _failed(error) from None
            self._channel = self._connection.channel()
            self._ask(self._consume, {})

    def read(self, limit: int, seconds: float) -> list[Record]:
        if self._position is not None and not self._records:
            self._ask(self._connection.process_data_events, time_limit=seconds)
        records, self._records = self._records[:limit], self._records[limit:]
        return records

    def written(self, positions: dict[str, int]) -> None:
        done = [tag for position, tag in self._unanswered if position < positions[self._name]]
        del self._unanswered[: len(done)]
        if done:
            self._ask(self._channel.basic_ack, done[-1], multiple=True)

    def close(self) -> None:
        if self._connection is not None and self._connection.is_open:
            self._ask(self._connection.close)

    def _open(self) -> None:
        self._connection = self._ask(pika.BlockingConnection, self._given)
        self._channel = self._ask(self._connection.channel)

    def _consume(self, arguments: dict[str, Any]) -> None:
        self._channel.basic_qos(prefetch_count=_WAITING)
        self._channel.basic_consume(self._name, self._take, arguments=arguments)

    def _take(self, _: Any, about: Any, properties: Any, body: bytes) -> None:
        assert self._position is not None
        position = int((properties.headers or {}).get(_OFFSET, self._position))
        self._unanswered.append((position, about.delivery_tag))
        # A stream is sent by pieces, whose first messages may have been read.
        if position >= self._position:
            self._position = position + 1
            moment = properties.timestamp * 1000 if properties.timestamp else time.time() * 1000
            self._records.append(Record(self._name, position, body, about.routing_key, moment))

    def _ask(self, call: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return call(*arguments, **options)
        except (AMQPError, OSError) as error:
            raise _failed(error) from None


def _context() -> Any:
    import ssl

    return ssl.create_default_context()


def _failed(error: Exception) -> SourceFailed:
    told = getattr(error, "reply_text", "") if isinstance(error, ChannelClosedByBroker) else ""
    return SourceFailed(f"RabbitMQ does not answer: {type(error).__name__} {told}".strip())
