"""Sending what a publication has to send to Kafka, by an idempotent producer: in order, at least once, with its number.

A worker that died after the brokers took a batch, and before the database knew it, is followed by one that sends the
batch again: the header `id` is the same. A transactional producer fences a worker that was thought dead.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import confluent_kafka
import psycopg
from confluent_kafka import KafkaError, KafkaException

from pg_llm.worker.streams.kafka import connection as brokers
from pg_llm.worker.streams.pump import Pump
from pg_llm.worker.streams.source import SourceFailed

# Shorter than a lease, so that nothing is sent for which it is over.
_PATIENCE = 5.0
_PRODUCER = {
    "enable.idempotence": True,
    "message.timeout.ms": int(_PATIENCE * 1000),
    "message.max.bytes": 100_000_000,
    "linger.ms": 5,
    # As other clients do, so that records of one key meet in one partition.
    "partitioner": "murmur2_random",
    "client.id": "pg_llm",
    "log_level": 0,
}
# What is wrong with one record, whatever happens.
_REFUSED = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError.INVALID_MSG)


class Publisher(Pump):
    """Sends the records of a publication; one batch at a time is in hand, so that memory is bounded."""

    def __init__(self, definition: dict[str, Any]) -> None:
        super().__init__(definition)
        self._publish = definition["publish"]
        settings = brokers(self._publish) | _PRODUCER
        if self._publish["transactional"]:
            settings["transactional.id"] = f"pg_llm-{definition['id']}-{definition['name']}"
        self._refused: dict[int, str] = {}
        self._failed: list[str] = []
        try:
            self._producer = confluent_kafka.Producer(settings)
            if self._publish["transactional"]:
                self._producer.init_transactions(_PATIENCE)
        except KafkaException as error:
            raise SourceFailed(f"nothing can be sent: {error.args[0].str()}") from None

    def take(self, connection: psycopg.Connection[Any], token: int | None) -> int:
        """Send a batch, if the lease is held, and have it forgotten. Returns how many records it had."""
        if token is None:
            return 0
        number, size = self._definition["id"], self._definition["max_batch"]
        rows = connection.execute("SELECT * FROM llm.stream_outbox(%s, %s, %s)", (number, token, size)).fetchall()
        if rows:
            self._send(rows)
            failed = [
                {"id": change, "event": event, "payload": payload, "error": self._refused[change]}
                for change, event, payload, _ in rows
                if change in self._refused
            ]
            values = (number, token, [row[0] for row in rows], json.dumps(failed))
            connection.execute("SELECT llm.stream_sent(%s, %s, %s, %s)", values)
        return len(rows)

    def close(self) -> None:
        """Give up what was not sent."""
        self._producer.purge()
        self._producer.flush(0)

    def _send(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """All of them or, as far as the database will know, none: so that their order is kept. Raises SourceFailed."""
        self._refused, self._failed = {}, []
        is_transaction = self._publish["transactional"]
        try:
            if is_transaction:
                self._producer.begin_transaction()
            for row in rows:
                self._produce(*row)
            left = self._producer.flush(_PATIENCE)
            if left or self._failed:
                raise SourceFailed(f"the brokers did not take it: {self._failed[0] if self._failed else 'no answer'}")
            if is_transaction:
                self._producer.commit_transaction(_PATIENCE)
        except (KafkaException, BufferError) as error:
            raise SourceFailed(f"the brokers did not take it: {error}") from None

    def _produce(self, change: int, event: str, payload: str, time: int) -> None:
        headers: dict[str, str | bytes | None] = {"id": str(change), "event": event}
        key = self._key(payload, event)
        # So that compaction forgets the row.
        value = None if event == "delete" else payload.encode()

        def delivered(error: KafkaError | None, _: object) -> None:
            if error is not None and error.code() in _REFUSED:
                self._refused[change] = error.str()
            elif error is not None:
                self._failed.append(error.str())

        try:
            self._producer.produce(
                self._publish["topic"], value, key, headers=headers, timestamp=time, on_delivery=delivered
            )
            self._producer.poll(0)
        except KafkaException as error:
            if error.args[0].code() not in _REFUSED:
                raise
            self._refused[change] = error.args[0].str()

    def _key(self, payload: str, event: str) -> bytes | None:
        """The key's one value as a text, several as a JSON array; an alarm's number."""
        names = ["id"] if event == "alarm" else self._publish["key"]
        if not names:
            return None
        row = json.loads(payload)
        values = [row[name] for name in names]
        if len(values) > 1:
            return json.dumps(values, ensure_ascii=False).encode()
        return (values[0] if isinstance(values[0], str) else json.dumps(values[0])).encode()
