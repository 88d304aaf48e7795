"""Alarms that go out of the database: to a webhook, or to a topic of the brokers that the stream reads from.

Each is sent at least once, with its number, by which a receiver tells a second one from another.
"""

from __future__ import annotations

import functools
import json
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import psycopg

from pg_llm.worker.session import repeat_connected
from pg_llm.worker.streams.source import NoRedirect, SourceFailed, setting

_AT_ONCE = 100
_PATIENCE = 5.0
# Seconds of a round, after which the next one begins with alarms that have not been tried.
_ROUND = 10.0


class Deliverer(threading.Thread):
    """Delivers until it is told to end: a thread of its own, as a receiver that does not answer takes seconds."""

    def __init__(self, dsn: str, poll: float) -> None:
        super().__init__(name="alarms", daemon=True)
        self._dsn, self._poll = dsn, poll
        self._ending = threading.Event()

    def end(self) -> None:
        """Ask it to end."""
        self._ending.set()

    def run(self) -> None:
        """Until the end, through losses of the connection."""
        repeat_connected(self._dsn, self._ending, self._poll, deliver)


def deliver(connection: psycopg.Connection[Any]) -> None:
    """Send what waits, and note of each whether it was sent."""
    rows = connection.execute(
        "SELECT id, name, action, source, evidence, at FROM llm.stream_alarms(%s)", (_AT_ONCE,)
    ).fetchall()
    began = time.monotonic()
    silent = set()
    for number, name, action, source, evidence, at in rows:
        receiver = json.dumps([action, source])
        # Of a receiver that does not answer each alarm would take seconds.
        if receiver in silent or time.monotonic() - began > _ROUND:
            continue
        body = json.dumps({"id": number, "alert": name, "at": at, "evidence": evidence}).encode()
        error = None
        try:
            if action["kind"] == "webhook":
                _post(setting("WEBHOOK", action["to"]), body, number)
            else:
                _produce(source, action["to"], body, number)
        except SourceFailed as failed:
            error = str(failed)
            silent.add(receiver)
        connection.execute("SELECT llm.stream_delivered(%s, %s)", (number, error))


def _post(url: str, body: bytes, number: int) -> None:
    if not url.startswith(("http://", "https://")):
        raise SourceFailed("the address of the webhook is none of http or https")
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(number)}
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - checked above
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=_PATIENCE):
            pass
    except urllib.error.HTTPError as error:
        raise SourceFailed(f"the webhook answers {error.code}") from None
    except (OSError, ValueError) as error:
        raise SourceFailed(f"the webhook does not answer: {type(error).__name__}") from None


def _produce(source: dict[str, Any], topic: str, body: bytes, number: int) -> None:
    import confluent_kafka

    failures: list[str] = []
    producer = _producer(json.dumps(source))
    try:
        producer.produce(
            topic,
            body,
            str(number).encode(),
            on_delivery=lambda error, _: failures.append(error.str()) if error else None,
        )
    except (confluent_kafka.KafkaException, BufferError, ValueError) as error:
        raise SourceFailed(f"the alarm cannot be sent: {error}") from None
    if producer.flush(_PATIENCE) or failures:
        raise SourceFailed(f"the brokers did not take it: {failures[0] if failures else 'no answer'}")


@functools.lru_cache(maxsize=8)
def _producer(source: str) -> Any:
    import confluent_kafka

    from pg_llm.worker.streams.kafka import connection

    settings = {"enable.idempotence": True, "message.timeout.ms": int(_PATIENCE * 1000), "log_level": 0}
    try:
        return confluent_kafka.Producer(connection(json.loads(source)) | settings)
    except confluent_kafka.KafkaException as error:
        raise SourceFailed(f"the brokers' settings cannot be used: {error.args[0].str()}") from None
