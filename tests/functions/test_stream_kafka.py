"""Streams from Kafka by the worker: two brokers' codes, several workers, bad input."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import kafka
import psycopg
import pytest
from database import value
from streams import Start, wait_for, workers


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts workers, which are ended after the test."""
    with workers() as run:
        yield run


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with kafka.tansu() as address:
        yield address


def create(db: psycopg.Connection, servers: str, topic: str, target: str = "event", **options: Any) -> None:
    source = {"kind": "kafka", "servers": servers, "topic": topic} | options.pop("source", {})
    given = {"columns": '["id bigint", "body text"]', "max_delay": "50 ms"} | options
    arguments = ", ".join(f"{option} => %s" for option in given)
    db.execute(
        f"CALL stream_create(%s, source => %s, target => %s, {arguments})",
        (topic, json.dumps(source), target, *given.values()),
    )


def events(first: int, last: int, partitions: int) -> Iterator[kafka.Message]:
    for n in range(first, last):
        yield n % partitions, json.dumps({"id": n, "body": f"event {n}"}).encode()


def test_events_arrive_once_and_soon(db: psycopg.Connection, broker: str, start: Start) -> None:
    kafka.create_topic(broker, "plain", 3)
    kafka.produce(broker, "plain", events(0, 5000, 3))
    create(db, broker, "plain")
    first = start(db.info.dsn)
    wait_for(db, "SELECT count(*) = 5000 FROM event")
    start(db.info.dsn)
    wait_for(db, "SELECT count(DISTINCT worker) = 2 FROM stream_stats")
    kafka.produce(broker, "plain", events(5000, 6000, 3))
    wait_for(db, "SELECT count(*) = 6000 FROM event")
    first.send_signal(signal.SIGTERM)
    assert first.wait(10) == 0
    kafka.produce(broker, "plain", events(6000, 7000, 3))
    wait_for(db, "SELECT count(*) = 7000 FROM event")
    assert value(db, "SELECT count(DISTINCT id) FROM event") == 7000
    wait_for(db, "SELECT sum(lag) = 0 AND sum(rows) = 7000 FROM stream_stats")


def test_a_replay_and_a_moment(db: psycopg.Connection, broker: str, start: Start) -> None:
    kafka.create_topic(broker, "replay", 1)
    kafka.produce(broker, "replay", events(0, 100, 1))
    time.sleep(0.05)
    moment = value(db, "SELECT clock_timestamp()")
    time.sleep(0.05)
    kafka.produce(broker, "replay", events(100, 150, 1))
    create(db, broker, "replay", key=["id"])
    start(db.info.dsn)
    wait_for(db, "SELECT count(*) = 150 FROM event")
    db.execute("TRUNCATE event; SELECT stream_seek('replay', 'replay/0', 90)")
    wait_for(db, "SELECT count(*) = 60 FROM event")
    db.execute("CALL stream_pause('replay')")
    db.execute("TRUNCATE event")
    db.execute("SELECT stream_seek('replay', at => %s)", (moment,))
    db.execute("CALL stream_resume('replay')")
    wait_for(db, "SELECT count(*) = 50 FROM event")


def test_bad_records(db: psycopg.Connection, broker: str, start: Start) -> None:
    kafka.create_topic(broker, "bad", 1)
    large = json.dumps({"id": 1, "body": "x" * 5_000_000}).encode()
    huge = json.dumps({"id": 2, "body": "x" * 11_000_000}).encode()
    bad: list[bytes | None] = [b"{broken", b"\xff\xfe", None, b'{"id": "x"}', b"\0", huge]
    kafka.produce(broker, "bad", [(0, payload) for payload in [*bad, large]])
    create(db, broker, "bad")
    start(db.info.dsn)
    wait_for(db, "SELECT count(*) = 1 FROM event")
    assert value(db, "SELECT length(body) FROM event") == 5_000_000
    letters = db.execute('SELECT "offset", payload, sqlstate FROM stream_dead_letter ORDER BY "offset"').fetchall()
    assert [offset for offset, *_ in letters] == list(range(len(bad)))
    assert [None if payload is None else bytes(payload) for _, payload, _ in letters[:5]] == bad[:5]
    # Of a record that is too large only the beginning is kept.
    assert bytes(letters[5][1]) == huge[:1_000_000]


def test_a_topic_that_was_made_again_stops_the_partition_until_somebody_says_where_to_go_on(
    db: psycopg.Connection, broker: str, start: Start
) -> None:
    kafka.create_topic(broker, "again", 1)
    kafka.produce(broker, "again", events(0, 10, 1))
    create(db, broker, "again")
    start(db.info.dsn)
    wait_for(db, "SELECT count(*) = 10 FROM event")
    # As if the topic had been made again meanwhile, with fewer records.
    db.execute("SELECT stream_seek('again', 'again/0', 500)")
    wait_for(db, "SELECT error LIKE '%offset 500 of again/0 is not there%' FROM stream_stats")
    db.execute("SELECT stream_seek('again', 'again/0', 8)")
    wait_for(db, "SELECT (SELECT count(*) = 12 FROM event) AND min(error) IS NULL FROM stream_stats")
    create(db, broker, "missing", "missing_event")
    wait_for(db, "SELECT bool_or(error ~ 'topic is not there|brokers do not answer') FROM stream_stats", 60)


def test_a_topic_that_is_deleted_and_made_again_with_more_partitions(
    db: psycopg.Connection, broker: str, start: Start
) -> None:
    kafka.create_topic(broker, "deleted", 1)
    kafka.produce(broker, "deleted", events(0, 10, 1))
    create(db, broker, "deleted")
    worker = start(db.info.dsn)
    wait_for(db, "SELECT count(*) = 10 FROM event")
    kafka.delete_topic(broker, "deleted")
    # The broker makes it again, with four partitions, when it is asked for it.
    kafka.produce(broker, "deleted", events(10, 22, 4))
    time.sleep(2)
    # librdkafka 2.16 may crash when a topic that it reads is deleted (rd_kafka_metadata_update_op): then the worker is
    # started again, as its service does.
    if worker.poll() is not None:
        assert worker.returncode == -signal.SIGSEGV
        start(db.info.dsn)
    # The partitions that are new are read at once, the one that is not what it was waits for a word.
    wait_for(db, "SELECT count(*) = 19 FROM event")
    wait_for(db, "SELECT count(*) = 1 FROM stream_stats WHERE error LIKE '%offset 10 of deleted/0 is not there%'")
    db.execute("SELECT stream_seek('deleted', 'deleted/0', 0)")
    wait_for(db, "SELECT count(*) = 22 AND count(DISTINCT id) = 22 FROM event")
    wait_for(db, "SELECT count(*) = 4 AND min(error) IS NULL FROM stream_stats")


def test_settings_are_named_and_lie_in_the_workers_environment(
    db: psycopg.Connection, broker: str, start: Start
) -> None:
    kafka.create_topic(broker, "secret", 1)
    kafka.produce(broker, "secret", events(0, 10, 1))
    source = json.dumps({"kind": "kafka", "security": "PROD", "topic": "secret"})
    db.execute(
        "CALL stream_create('secret', %s, 'event', '[\"id bigint\"]', max_delay => '10 ms')",
        (source,),
    )
    ignorant = start(db.info.dsn)
    wait_for(db, "SELECT min(error) LIKE '%has no PG_LLM_KAFKA_PROD%' FROM stream_stats")
    ignorant.kill()
    start(db.info.dsn, PG_LLM_KAFKA_PROD=json.dumps({"bootstrap.servers": broker}))
    wait_for(db, "SELECT count(*) = 10 FROM event")
    wait_for(db, "SELECT min(error) IS NULL FROM stream_stats")


def test_librdkafkas_own_cluster_of_brokers(db: psycopg.Connection, start: Start) -> None:
    with kafka.mock_cluster(3) as servers:
        kafka.produce(servers, "mocked", events(0, 4000, 4))
        create(db, servers, "mocked")
        start(db.info.dsn)
        wait_for(db, "SELECT count(*) = 4000 FROM event")
        assert value(db, "SELECT count(DISTINCT id) FROM event") == 4000
        assert value(db, "SELECT count(*) FROM stream_stats") == 4
        # One partition that lacks an offset holds up no other.
        db.execute("SELECT stream_seek('mocked', 'mocked/2', 5000)")
        wait_for(db, "SELECT count(*) = 1 FROM stream_stats WHERE error LIKE 'offset 5000 of mocked/2 is not there%'")
        kafka.produce(servers, "mocked", events(4001, 4002, 4))
        wait_for(db, "SELECT count(*) = 4001 FROM event")


def post(port: int, body: bytes, **headers: str) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_channels_requests_and_tables(db: psycopg.Connection, start: Start) -> None:
    port = kafka.free_port()
    http = {"kind": "http", "port": port, "max_bytes": 2000, "token": "SHOP"}
    columns = '["id bigint", "body text"]'
    db.execute("CALL stream_create('http', %s, 'asked', %s, max_delay => '10 ms')", (json.dumps(http), columns))
    channel = json.dumps({"kind": "notify", "channel": "Some Channel", "format": "csv"})
    db.execute("CALL stream_create('channel', %s, 'told', %s, max_delay => '10 ms')", (channel, columns))
    db.execute("CREATE TABLE written (id bigint PRIMARY KEY, body text)")
    db.execute("""CALL stream_create('table', '{"kind": "table", "table": "written"}', 'copied')""")
    start(db.info.dsn, PG_LLM_HTTP_SHOP="a secret")
    wait_for(db, "SELECT count(worker) = 3 FROM stream_stats")
    # Whoever holds the lease opens the port next.
    deadline = time.monotonic() + 10
    while not kafka.is_open(port):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    authorized = {"Authorization": "Bearer a secret"}
    assert post(port, b'{"id": 1}') == 401
    assert post(port, b'{"id": 1}', Authorization="Bearer another") == 401
    assert post(port, b"x" * 3000, **authorized) == 413
    for n in range(5):
        assert post(port, json.dumps({"id": n}).encode(), **authorized) == 200
        # Answered once it is there.
        assert value(db, "SELECT count(*) FROM asked") == n + 1
    assert post(port, b"{broken", **authorized) == 200
    assert value(db, "SELECT count(*) FROM stream_dead_letter WHERE name = 'http'") == 1
    db.execute("""NOTIFY "Some Channel", '1,"a, b"'; NOTIFY "Some Channel", '2,c'""")
    wait_for(db, "SELECT count(*) = 2 FROM told")
    db.execute("INSERT INTO written SELECT n, 'x' FROM generate_series(1, 500) AS n")
    wait_for(db, "SELECT count(*) = 500 FROM copied")
    # Nobody listens outside of the machine.
    with socket.socket() as probe:
        assert probe.connect_ex((socket.gethostbyname(socket.gethostname()), port)) != 0 or socket.gethostbyname(
            socket.gethostname()
        ).startswith("127.")


@pytest.mark.parametrize("begin", ["earliest", "latest"])
def test_partitions_that_are_added_to_a_topic_are_read_from_their_beginning(
    db: psycopg.Connection, broker: str, start: Start, begin: str
) -> None:
    topic = f"added-{begin}"
    kafka.create_topic(broker, topic, 3)
    kafka.produce(broker, topic, events(0, 99, 1))
    # By itself: Tansu tells the end of a batch of one only.
    kafka.produce(broker, topic, events(99, 100, 1))
    # It adds no partitions: they are hidden from its clients until then.
    with kafka.Growing(broker, topic, 1) as proxy:
        create(db, proxy.address, topic, source={"start": begin})
        first = start(db.info.dsn)
        there = 100 if begin == "earliest" else 0
        wait_for(db, 'SELECT min("offset") >= 0 FROM stream_stats')
        kafka.produce(broker, topic, events(100, 110, 1))
        wait_for(db, f"SELECT count(*) = {there + 10} FROM event")
        # What is sent to them before any worker knows them is not lost.
        kafka.produce(broker, topic, ((1 + n % 2, payload) for n, (_, payload) in enumerate(events(110, 150, 1))))
        proxy.shown = 3
        wait_for(db, f"SELECT count(*) = {there + 50} AND count(DISTINCT id) = {there + 50} FROM event")
        assert value(db, "SELECT count(*) FROM stream_stats") == 3
        # They are shared like the others.
        start(db.info.dsn)
        wait_for(db, "SELECT count(DISTINCT worker) = 2 FROM stream_stats")
        first.kill()
        kafka.produce(broker, topic, events(150, 180, 3))
        wait_for(db, f"SELECT count(*) = {there + 80} AND count(DISTINCT id) = {there + 80} FROM event")


@pytest.mark.slow
def test_a_topic_of_a_pattern_is_added_and_a_hung_worker_is_replaced(
    db: psycopg.Connection, broker: str, start: Start
) -> None:
    kafka.create_topic(broker, "grow-1", 1)
    db.execute(
        "CALL stream_create('grow', %s, 'event', '[\"id bigint\"]', max_delay => '10 ms')",
        (json.dumps({"kind": "kafka", "servers": broker, "pattern": "grow-[0-9]", "start": "latest"}),),
    )
    hung = start(db.info.dsn)
    wait_for(db, 'SELECT min("offset") = 0 FROM stream_stats')
    kafka.produce(broker, "grow-1", events(0, 100, 1))
    wait_for(db, "SELECT count(*) = 100 FROM event")
    # Another topic of the pattern.
    kafka.create_topic(broker, "grow-2", 1)
    kafka.produce(broker, "grow-2", events(100, 150, 1))
    wait_for(db, "SELECT count(*) = 150 FROM event")
    hung.send_signal(signal.SIGSTOP)
    start(db.info.dsn)
    kafka.produce(broker, "grow-1", events(150, 200, 1))
    wait_for(db, "SELECT count(*) = 200 FROM event")
    # It comes back, and has nothing to say.
    hung.send_signal(signal.SIGCONT)
    kafka.produce(broker, "grow-2", events(200, 300, 1))
    wait_for(db, "SELECT count(*) = 300 AND count(DISTINCT id) = 300 FROM event")
