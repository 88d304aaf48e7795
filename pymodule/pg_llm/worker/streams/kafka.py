"""Kafka as a source, by confluent-kafka: partitions are assigned, never subscribed to; offsets lie in the database."""

# ruff: noqa: D102 - what the methods do is said once, in source.py
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from pg_llm.worker.streams.source import OutOfRange, Record, Source, SourceFailed, settings

# Bounded memory, whatever waits; no commits, no group that a rebalance could take partitions by.
_CONSUMER = {
    "group.id": "pg_llm",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": False,
    "queued.max.messages.kbytes": 16384,
    "max.poll.interval.ms": 86_400_000,
    "fetch.wait.max.ms": 100,
    "topic.metadata.refresh.interval.ms": 10_000,
    "reconnect.backoff.max.ms": 2000,
    "client.id": "pg_llm",
    "log_level": 0,
}
_PATIENCE = 5.0
_GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)
_NO_OFFSET = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)


def connection(source: dict[str, Any]) -> dict[str, Any]:
    """What librdkafka needs to reach the brokers of a source. Raises SourceFailed."""
    if "security" in source:
        return settings("KAFKA", source["security"])
    return {"bootstrap.servers": source["servers"]}


class Kafka(Source):
    def __init__(self, source: dict[str, Any], matching: Callable[[str, Sequence[str]], Sequence[str]]) -> None:
        self._source, self._matching = source, matching
        self._positions: dict[str, int] = {}
        self._names: dict[tuple[str | None, int | None], str] = {}
        try:
            self._consumer = confluent_kafka.Consumer(connection(source) | _CONSUMER)
        except KafkaException as error:
            raise SourceFailed(f"the brokers' settings cannot be used: {error.args[0].str()}") from None

    def partitions(self) -> list[str]:
        try:
            found = self._consumer.list_topics(self._source.get("topic"), timeout=_PATIENCE).topics
        except KafkaException as error:
            raise SourceFailed(f"the brokers do not answer: {error.args[0].str()}") from None
        topics: Sequence[str] = list(found)
        if pattern := self._source.get("pattern"):
            topics = self._matching(pattern, [name for name in topics if not name.startswith("__")])
        names = [f"{name}/{number}" for name in topics for number in found[name].partitions]
        if not names:
            raise SourceFailed("the topic is not there")
        return names

    def start(self, partition: str, at: float | None) -> int:
        try:
            low, high = self._consumer.get_watermark_offsets(_place(partition), timeout=_PATIENCE)
            if at:
                (found,) = self._consumer.offsets_for_times([_place(partition, int(at * 1000))], timeout=_PATIENCE)
                return found.offset if found.offset >= 0 else high
        except KafkaException as error:
            raise SourceFailed(f"no offset for {partition}: {error.args[0].str()}") from None
        return high if at is None and self._source.get("start") == "latest" else low

    def assign(self, positions: dict[str, int]) -> None:
        self._positions = dict(positions)
        self._consumer.assign([_place(partition, position) for partition, position in positions.items()])

    def read(self, limit: int, seconds: float) -> list[Record]:
        records = []
        names = self._names
        # The first one when it comes, and whatever has come with it.
        first = self._consumer.poll(seconds)
        if first is None:
            return []
        for message in (first, *(self._consumer.consume(limit - 1, timeout=0) if limit > 1 else ())):
            place = message.topic(), message.partition()
            partition = names.get(place) or names.setdefault(place, f"{place[0]}/{place[1]}")
            if error := message.error():
                self._raise(error, partition)
                continue
            key: Any = message.key()
            if isinstance(key, bytes):
                key = key.decode("utf-8", "replace").replace("\0", "\ufffd")
            payload: Any = message.value()
            offset: Any = message.offset()
            records.append(Record(partition, offset, payload, key, message.timestamp()[1]))
            self._positions[partition] = offset + 1
        return records

    def ends(self) -> dict[str, int]:
        # As the last fetches told, without asking.
        known = {}
        for place in self._consumer.assignment():
            _, high = self._consumer.get_watermark_offsets(place, cached=True)
            if high >= 0:
                known[f"{place.topic}/{place.partition}"] = high
        for partition, end in known.items():
            # Not every broker says so.
            if self._positions.get(partition, 0) > end:
                raise OutOfRange(partition, _out_of_range(partition, self._positions[partition], end))
        return known

    def close(self) -> None:
        self._consumer.close()

    def _raise(self, error: KafkaError, partition: str) -> None:
        if error.code() in _NO_OFFSET:
            raise OutOfRange(partition, _out_of_range(partition, self._positions.get(partition, 0), None))
        if error.code() in _GONE:
            raise SourceFailed(f"the topic is not there: {error.str()}")
        # All else librdkafka tries again by itself.


def _out_of_range(partition: str, position: int, end: int | None) -> str:
    has = f", which ends at {end}" if end is not None else ""
    return f"offset {position} of {partition} is not there{has}: stream_seek() says where to go on"


def _place(partition: str, offset: int = 0) -> TopicPartition:
    topic, _, number = partition.rpartition("/")
    return TopicPartition(topic, int(number), offset)
