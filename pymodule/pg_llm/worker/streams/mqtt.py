"""Topics of an MQTT broker as a source, by paho-mqtt: a message is acknowledged once it is in the database."""

# ruff: noqa: D102 - what the methods do is said once, in source.py
from __future__ import annotations

import queue
import time
from typing import Any

from paho.mqtt import client as mqtt  # type: ignore[import-untyped,import-not-found,unused-ignore]

from pg_llm.worker.streams.source import Record, Source, SourceFailed, address, settings

_PATIENCE = 5.0
# Messages that wait, so that memory is bounded: beyond them the connection is not read.
_WAITING = 1000
_PARTITION = "messages"


class Mqtt(Source):
    def __init__(self, source: dict[str, Any], stream: int, name: str) -> None:
        self._source, self._client = source, None
        # The broker keeps what comes for this name while no worker is there.
        self._id = f"pg_llm-{stream}-{name}"
        self._queue: queue.Queue[Any] = queue.Queue(_WAITING)
        self._position = 0
        self._unanswered: list[tuple[int, Any]] = []

    def partitions(self) -> list[str]:
        if self._client is not None and not self._client.is_connected():
            raise SourceFailed("the MQTT broker does not answer")
        return [_PARTITION]

    def start(self, partition: str, at: float | None) -> int:
        return 0

    def assign(self, positions: dict[str, int]) -> None:
        source = self._source
        self.close()
        self._position = positions.get(_PARTITION, 0)
        if not positions:
            return
        given = settings("MQTT", source["security"]) if "security" in source else address(source["servers"], 1883)
        version = mqtt.CallbackAPIVersion.VERSION2
        client = mqtt.Client(version, client_id=self._id, clean_session=False, manual_ack=True)
        if "username" in given:
            client.username_pw_set(given["username"], given.get("password"))
        if given.get("tls"):
            client.tls_set()
        client.on_message = lambda _, __, message: self._queue.put(message)
        client.on_connect = lambda *_: client.subscribe(source["topic"], qos=1)
        client.connect_timeout = _PATIENCE
        try:
            client.connect(given.get("host", "localhost"), int(given.get("port", 1883)))
        except (OSError, ValueError) as error:
            raise SourceFailed(f"the MQTT broker does not answer: {type(error).__name__}") from None
        client.loop_start()
        self._client = client

    def read(self, limit: int, seconds: float) -> list[Record]:
        records: list[Record] = []
        try:
            while len(records) < limit:
                message = self._queue.get(timeout=0.001 if records else seconds)
                key = message.topic
                records.append(Record(_PARTITION, self._position, message.payload, key, time.time() * 1000))
                self._unanswered.append((self._position, message))
                self._position += 1
        except queue.Empty:
            pass
        return records

    def written(self, positions: dict[str, int]) -> None:
        done = [message for position, message in self._unanswered if position < positions[_PARTITION]]
        del self._unanswered[: len(done)]
        for message in done:
            if self._client is not None:
                self._client.ack(message.mid, message.qos)

    def close(self) -> None:
        if self._client is not None:
            # What was not acknowledged comes again.
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None
        self._queue, self._unanswered = queue.Queue(_WAITING), []
