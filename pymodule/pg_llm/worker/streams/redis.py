"""A stream of Redis as a source, by redis-py: read from the entry that the database has, in no consumer group."""

# ruff: noqa: D102 - what the methods do is said once, in source.py
from __future__ import annotations

import json
from typing import Any

import redis  # type: ignore[import-not-found]

from pg_llm.worker.streams.source import Record, Source, SourceFailed, address, settings

_PATIENCE = 5.0
# An entry's id is milliseconds and a number among those of one millisecond: both in one offset.
_NUMBERS = 1 << 20
# Entries and bytes of an answer, as far as the one before lets them be told: entries have no limit of their own.
_AT_ONCE, _BYTES = 100, 16_000_000


class Redis(Source):
    def __init__(self, source: dict[str, Any]) -> None:
        self._name, self._starts = source["topic"], source.get("start", "earliest")
        given = settings("REDIS", source["security"]) if "security" in source else address(source["servers"], 6379)
        try:
            self._client = redis.Redis(**({"socket_timeout": _PATIENCE, "socket_connect_timeout": _PATIENCE} | given))
        except TypeError as error:
            raise SourceFailed(f"the settings cannot be used: {error}") from None
        self._position: int | None = None
        self._mean = 1

    def partitions(self) -> list[str]:
        self._ask("ping")
        return [self._name]

    def start(self, partition: str, at: float | None) -> int:
        if at is not None:
            return int(at * 1000) * _NUMBERS
        last = self._ask("xrevrange", self._name, count=1) if self._starts == "latest" else []
        return _offset(last[0][0]) + 1 if last else 0

    def assign(self, positions: dict[str, int]) -> None:
        self._position = positions.get(self._name)

    def read(self, limit: int, seconds: float) -> list[Record]:
        if self._position is None:
            return []
        # Those after the entry before.
        milliseconds, number = divmod(max(0, self._position - 1), _NUMBERS)
        after = {self._name: f"{milliseconds}-{number}"}
        records = []
        count = max(1, min(limit, _AT_ONCE, _BYTES // self._mean))
        for _, entries in self._ask("xread", after, count=count, block=max(1, int(seconds * 1000))) or ():
            for name, fields in entries:
                texts = {_text(field): _text(value) for field, value in fields.items()}
                payload = json.dumps(texts, ensure_ascii=False).encode("utf-8", "surrogateescape")
                offset = _offset(name)
                records.append(Record(self._name, offset, payload, name.decode(), offset // _NUMBERS))
                self._position = offset + 1
        if records:
            self._mean = 1 + sum(len(record.payload or b"") for record in records) // len(records)
        return records

    def close(self) -> None:
        self._client.close()

    def _ask(self, command: str, *arguments: Any, **options: Any) -> Any:
        try:
            return getattr(self._client, command)(*arguments, **options)
        except redis.RedisError as error:
            raise SourceFailed(f"Redis does not answer: {type(error).__name__}") from None


def _offset(name: bytes) -> int:
    milliseconds, _, number = name.decode().partition("-")
    if int(number) >= _NUMBERS:
        raise SourceFailed(f"the entry {name.decode()} is of a millisecond with too many")
    return int(milliseconds) * _NUMBERS + int(number)


def _text(value: bytes) -> str:
    """What is no UTF-8 stays what it was, and makes the record one that cannot be read."""
    return value.decode("utf-8", "surrogateescape")
