"""Publications: what is written to tables, AI columns and alarms goes to topics, in order, at least once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import confluent_kafka
import kafka
import psycopg
import pytest
from database import value
from psycopg import errors
from streams import Reader, Start, create, payments, wait_for, workers


class Message(NamedTuple):
    id: int
    event: str
    key: str | None
    row: dict[str, Any] | None


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with kafka.tansu() as address:
        yield address


@pytest.fixture
def start() -> Iterator[Start]:
    with workers() as run:
        yield run


def received(servers: str, topic: str, number: int, seconds: float = 30) -> list[Message]:
    """The first so many messages of a topic, in the order of each partition; those of open transactions are unseen."""
    settings = {"bootstrap.servers": servers, "group.id": "test", "isolation.level": "read_committed", "log_level": 0}
    consumer = confluent_kafka.Consumer(settings)
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in partitions])
    found: list[Message] = []
    deadline = time.monotonic() + seconds
    while len(found) < number and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is None or message.error():
            continue
        headers = dict(message.headers() or ())
        key, payload = message.key(), message.value()
        found.append(
            Message(
                int(headers["id"]),
                headers["event"].decode(),
                key.decode() if key is not None else None,
                json.loads(payload) if payload is not None else None,
            )
        )
    consumer.close()
    return found


def publish(db: psycopg.Connection, name: str, source: str, topic: str, to: dict[str, Any], **options: Any) -> None:
    arguments = "".join(f", {option} => %s" for option in options)
    db.execute(
        f'CALL stream_publish(%s, %s, %s, "to" => %s{arguments})',
        (name, source, topic, json.dumps(to), *options.values()),
    )


def test_what_is_written_to_a_table_is_sent_in_order(db: psycopg.Connection, broker: str, start: Start) -> None:
    kafka.create_topic(broker, "pets", 3)
    db.execute("""CREATE TABLE pet (id int PRIMARY KEY, "a Name" text)""")
    db.execute("INSERT INTO pet VALUES (0, 'was there before')")
    publish(db, "pets", "pet", "pets", {"servers": broker})
    db.execute("INSERT INTO pet VALUES (1, 'Rex'), (2, 'Über')")
    db.execute("""UPDATE pet SET "a Name" = 'Rex II' WHERE id = 1""")
    # A key that is left is as one that was deleted.
    db.execute("UPDATE pet SET id = 20 WHERE id = 2")
    db.execute("DELETE FROM pet WHERE id = 1")
    with pytest.raises(errors.UniqueViolation):
        db.execute("INSERT INTO pet VALUES (7, 'not kept'), (20, 'taken')")
    start(db.info.dsn)
    found = received(broker, "pets", 6)
    of_one = [(message.event, message.row) for message in found if message.key == "1"]
    assert of_one == [
        ("insert", {"id": 1, "a Name": "Rex"}),
        ("update", {"id": 1, "a Name": "Rex II"}),
        ("delete", None),
    ]
    assert [(m.event, m.row) for m in found if m.key == "2"] == [
        ("insert", {"id": 2, "a Name": "Über"}),
        ("delete", None),
    ]
    assert [(m.event, m.row) for m in found if m.key == "20"] == [("update", {"id": 20, "a Name": "Über"})]
    assert len({message.id for message in found}) == 6
    wait_for(db, """SELECT rows = 6 AND lag = 0 AND "offset" = 6 AND error IS NULL FROM stream_stats""")
    db.execute("CALL stream_drop('pets')")
    db.execute("DELETE FROM pet")
    assert value(db, "SELECT count(*) FROM llm.stream_change") == 0


def test_a_key_that_is_gone_stops_no_writer(db: psycopg.Connection, broker: str, start: Start) -> None:
    kafka.create_topic(broker, "lost", 1)
    db.execute("CREATE TABLE pet (id int PRIMARY KEY, name text)")
    publish(db, "lost", "pet", "lost", {"servers": broker})
    db.execute("ALTER TABLE pet DROP COLUMN id")
    db.execute("INSERT INTO pet VALUES ('Rex')")
    db.execute("UPDATE pet SET name = 'Rex II'")
    start(db.info.dsn)
    found = received(broker, "lost", 2)
    assert [(message.event, message.key, message.row) for message in found] == [
        ("insert", "null", {"name": "Rex"}),
        ("update", "null", {"name": "Rex II"}),
    ]
    # A table that is dropped leaves nothing to send.
    db.execute("DROP TABLE pet")
    wait_for(db, "SELECT count(*) = 0 FROM stream_stats")


def test_brokers_that_are_gone_and_workers_that_are_killed(db: psycopg.Connection, start: Start) -> None:
    port = kafka.free_port()
    db.execute("CREATE TABLE pet (id int PRIMARY KEY)")
    publish(db, "pets", "pet", "pets", {"servers": f"127.0.0.1:{port}"}, max_batch=50)
    worker = start(db.info.dsn)
    # Writers wait for nobody.
    for n in range(20):
        db.execute("INSERT INTO pet SELECT generate_series(%s::int, %s::int)", (n * 100, n * 100 + 99))
    wait_for(db, "SELECT lag = 2000 AND error LIKE 'the brokers did not take it%' FROM stream_stats")
    # This broker makes the topic when it is asked for it.
    with kafka.tansu(port) as broker:
        for _ in range(4):
            before = value(db, "SELECT sum(rows) FROM stream_stats")
            wait_for(db, f"SELECT sum(rows) > {before} OR sum(rows) = 2000 FROM stream_stats")
            worker.kill()
            worker = start(db.info.dsn)
        wait_for(db, "SELECT sum(rows) = 2000 AND sum(lag) = 0 AND min(error) IS NULL FROM stream_stats")
        found = received(broker, "pets", 10_000, 3)
    # What was sent twice has the same number.
    assert len({message.id for message in found}) == 2000
    assert {message.row["id"] for message in found if message.row} == set(range(2000))
    assert len(found) <= 2000 + 4 * 50


def test_ai_columns_and_alarms(db: psycopg.Connection, broker: str, start: Start) -> None:
    kafka.create_topic(broker, "shouts", 1)
    kafka.create_topic(broker, "alarms", 1)
    db.execute("CREATE TABLE pet (id int PRIMARY KEY, name text)")
    db.execute("CALL llm_column('pet', 'shout', 'upper(name)')")
    companion = value(db, "SELECT companion::text FROM llm.ai_column")
    publish(db, "shouts", companion, "shouts", {"servers": broker})
    create(db)
    db.execute("CALL stream_alert('large', 'payments', 'amount > 100')")
    publish(db, "alarms", "large", "alarms", {"servers": broker})
    start(db.info.dsn)
    db.execute("INSERT INTO pet VALUES (1, 'rex')")
    Reader(db, "payments").write(payments((1, 500, None), (2, 5, None)))
    (shout,) = received(broker, "shouts", 1)
    assert (shout.row or {})["value"] == "REX"
    (alarm,) = received(broker, "alarms", 1)
    assert alarm.row is not None
    assert (alarm.event, alarm.row["alert"], alarm.row["evidence"]["amount"]) == ("alarm", "large", 500)
    assert alarm.key == str(alarm.row["id"])


def test_transactions(db: psycopg.Connection, start: Start) -> None:
    with kafka.mock_cluster(3) as servers:
        db.execute("CREATE TABLE pet (id int, toy int, PRIMARY KEY (id, toy))")
        publish(db, "pets", "pet", "pets", {"servers": servers, "transactional": True}, max_batch=100)
        db.execute("INSERT INTO pet SELECT n, 7 FROM generate_series(1, 500) AS n")
        start(db.info.dsn)
        wait_for(db, "SELECT rows = 500 FROM stream_stats")
        found = received(servers, "pets", 500)
        assert {message.key for message in found} == {f"[{n}, 7]" for n in range(1, 501)}


def test_what_cannot_be_published(db: psycopg.Connection, role: str) -> None:
    servers = {"servers": "127.0.0.1:9"}
    db.execute("CREATE TABLE keyless (a int); CREATE TABLE pet (id int PRIMARY KEY); CREATE VIEW v AS SELECT 1 AS a")
    for source, to, options, error in (
        ("keyless", servers, {"events": ["delete"]}, errors.InvalidParameterValue),
        ("pet", {}, {}, errors.InvalidParameterValue),
        ("pet", [], {}, errors.InvalidParameterValue),
        ("pet", servers | {"security": "PROD"}, {}, errors.InvalidParameterValue),
        ("pet", {"security": "no name"}, {}, errors.InvalidParameterValue),
        ("pet", servers | {"sasl.password": "x"}, {}, errors.InvalidParameterValue),
        ("pet", servers | {"transactional": 1}, {}, errors.InvalidParameterValue),
        ("pet", servers, {"events": ["truncate"]}, errors.InvalidParameterValue),
        ("pet", servers, {"max_batch": 0}, errors.InvalidParameterValue),
        ("v", servers, {}, errors.InvalidParameterValue),
        ("nothing", servers, {}, errors.UndefinedTable),
    ):
        with pytest.raises(error):
            publish(db, "p", source, "topic", to, **options)
    publish(db, "p", "pet", "topic", servers)
    for call, error in (
        ("CALL stream_publish('p', 'pet', 't', '{\"servers\": \"x\"}')", errors.DuplicateObject),
        (
            'CALL stream_create(\'p\', \'{"kind": "notify", "channel": "c"}\', \'pet\', \'["id int"]\')',
            errors.DuplicateObject,
        ),
        ("CALL stream_window('w', 'p', 'tumbling', '1 h')", errors.InvalidParameterValue),
        ("CALL stream_alert('a', 'p', 'true')", errors.InvalidParameterValue),
        ("SELECT stream_run('p')", errors.InvalidParameterValue),
        ("SELECT stream_seek('p', NULL, 0)", errors.InvalidParameterValue),
    ):
        with pytest.raises(error):
            db.execute(call)
    number = value(db, "SELECT id FROM llm.stream_assignments()")
    with pytest.raises(errors.SerializationFailure):
        db.execute("SELECT * FROM llm.stream_outbox(%s, 99, 10)", (number,))
    # A record that the brokers refuse is a dead letter, and can be tried again.
    db.execute("INSERT INTO pet VALUES (1), (2)")
    token = value(db, "SELECT token FROM llm.stream_lease(%s, '{changes}')", number)
    rows = db.execute("SELECT id, event, payload FROM llm.stream_outbox(%s, %s, 10)", (number, token)).fetchall()
    failed = json.dumps([{"id": rows[0][0], "event": rows[0][1], "payload": rows[0][2], "error": "too large"}])
    db.execute("SELECT llm.stream_sent(%s, %s, %s, %s)", (number, token, [row[0] for row in rows], failed))
    assert db.execute("SELECT name, error FROM stream_dead_letter").fetchall() == [("p", "too large")]
    assert db.execute("SELECT rows, dead, lag FROM stream_stats").fetchall() == [(1, 1, 0)]
    assert value(db, "SELECT stream_retry('p')") == 1
    again = db.execute("SELECT event, payload FROM llm.stream_outbox(%s, %s, 10)", (number, token)).fetchall()
    assert [(event, json.loads(payload)) for event, payload in again] == [("insert", {"id": 1})]
    db.execute(f"SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege):
        publish(db, "q", "pet", "topic", servers)
    for call in (
        f"SELECT * FROM llm.stream_outbox({number}, {token}, 10)",
        f"SELECT llm.stream_sent({number}, {token}, '{{}}', NULL)",
        "CALL stream_drop('p')",
    ):
        with pytest.raises(errors.UndefinedObject):
            db.execute(call)
