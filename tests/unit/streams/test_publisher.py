"""Sending a batch to brokers: all of it, or none as far as the database knows; what they refuse is told apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from pg_llm.worker.streams import publisher
from pg_llm.worker.streams.publisher import Publisher
from pg_llm.worker.streams.source import SourceFailed

ROWS = [(1, "insert", '{"id": 5, "b": "x"}', 10), (2, "delete", '{"id": 6}', 20), (3, "update", '{"id": "é"}', 30)]


class Producer:
    """Answers each message with what `answers` has for its number, and takes the others."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.sent: list[dict[str, Any]] = []
        self.answers: dict[str, int] = {}
        self.at_once: dict[str, int] = {}
        self.left = 0
        self.calls: list[str] = []

    def produce(
        self, topic: str, value: bytes | None, key: bytes | None, headers: Any, timestamp: int, on_delivery: Any
    ) -> None:
        number = headers["id"]
        if number in self.at_once:
            raise KafkaException(KafkaError(self.at_once[number]))
        self.sent.append({"value": value, "key": key, **headers, "timestamp": timestamp})
        on_delivery(KafkaError(self.answers[number]) if number in self.answers else None, None)

    def flush(self, seconds: float) -> int:
        return self.left

    def poll(self, seconds: float) -> int:
        return 0

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: self.calls.append(name)


class Connection:
    """Gives the rows once, and keeps what it is told of them."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def execute(self, query: str, values: tuple[Any, ...]) -> Connection:
        if "stream_sent" in query:
            self.told.append((values[2], json.loads(values[3])))
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        return ROWS


def made(monkeypatch: pytest.MonkeyPatch, key: list[str], transactional: bool = False) -> tuple[Publisher, Any]:
    monkeypatch.setattr(publisher.confluent_kafka, "Producer", Producer)
    publish = {"topic": "t", "servers": "nowhere", "transactional": transactional, "key": key}
    found = Publisher({"id": 4, "name": "p", "max_batch": 10, "publish": publish})
    return found, found._producer


def test_keys_values_and_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    sender, producer = made(monkeypatch, ["id"])
    db = Connection()
    assert sender.take(db, 1) == 3  # type: ignore[arg-type]
    assert producer.settings["enable.idempotence"]
    assert [(m["id"], m["event"], m["key"], m["value"], m["timestamp"]) for m in producer.sent] == [
        ("1", "insert", b"5", b'{"id": 5, "b": "x"}', 10),
        ("2", "delete", b"6", None, 20),
        ("3", "update", "é".encode(), '{"id": "é"}'.encode(), 30),
    ]
    assert db.told == [([1, 2, 3], [])]
    several, producer = made(monkeypatch, ["id", "b"])
    several.take(Connection(), 1)  # type: ignore[arg-type]
    assert [m["key"] for m in producer.sent] == [b'[5, "x"]', b"[6, null]", '["é", null]'.encode()]


def test_what_brokers_refuse_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    sender, producer = made(monkeypatch, ["id"])
    producer.answers["1"] = KafkaError.MSG_SIZE_TOO_LARGE
    producer.at_once["2"] = KafkaError.INVALID_RECORD
    db = Connection()
    sender.take(db, 1)  # type: ignore[arg-type]
    ((numbers, failed),) = db.told
    assert numbers == [1, 2, 3]
    assert [(letter["id"], letter["event"]) for letter in failed] == [(1, "insert"), (2, "delete")]


@pytest.mark.parametrize("way", ["answer", "at once", "silence"])
def test_brokers_that_are_gone_leave_all_waiting(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    sender, producer = made(monkeypatch, ["id"])
    if way == "answer":
        producer.answers["3"] = KafkaError._MSG_TIMED_OUT
    elif way == "at once":
        producer.at_once["3"] = KafkaError._FATAL
    else:
        producer.left = 1
    db = Connection()
    with pytest.raises(SourceFailed, match="did not take it"):
        sender.take(db, 1)  # type: ignore[arg-type]
    assert db.told == []


def test_without_a_lease_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    sender, producer = made(monkeypatch, ["id"])
    assert sender.take(Connection(), None) == 0  # type: ignore[arg-type]
    assert producer.sent == []


def test_a_batch_is_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    sender, producer = made(monkeypatch, ["id"], transactional=True)
    sender.take(Connection(), 1)  # type: ignore[arg-type]
    assert producer.settings["transactional.id"] == "pg_llm-4-p"
    assert producer.calls == ["init_transactions", "begin_transaction", "commit_transaction"]


def test_a_transaction_with_a_record_that_is_refused_is_sent_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sender, producer = made(monkeypatch, ["id"], transactional=True)
    producer.answers["2"] = KafkaError.MSG_SIZE_TOO_LARGE
    db = Connection()
    sender.take(db, 1)  # type: ignore[arg-type]
    assert [m["id"] for m in producer.sent] == ["1", "2", "3", "1", "3"]
    assert producer.calls[1:] == ["begin_transaction", "abort_transaction", "begin_transaction", "commit_transaction"]
    assert [letter["id"] for letter in db.told[0][1]] == [2]
