"""Streams: events a second through an identity transform beside a hand-written consumer, and how soon one is seen."""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import confluent_kafka
import kafka
import psycopg
from database import install
from workbench.bench import compared, parts, shown
from workbench.cluster import Cluster

COMMAND = "./run bench streams"
PARTITIONS = 6
EVENTS = 200_000
# As many as a batch of the stream has.
BATCH = 5000
RATE, SECONDS = 500, 20
COLUMNS = '["id bigint", "card text", "amount numeric", "sent_at timestamptz"]'


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    measures = {"throughput": throughput, "latency": latency}
    with kafka.tansu() as broker:
        return shown(row for part in parts(measures) for row in measures[part](cluster, broker))


def throughput(cluster: Cluster, broker: str) -> Iterator[dict[str, Any]]:
    kafka.create_topic(broker, "payment", PARTITIONS)
    kafka.produce(broker, "payment", ((n % PARTITIONS, event(n)) for n in range(EVENTS)))
    ours, theirs = [], []
    # In turn, as the machine is not always as quick.
    for number in range(3):
        theirs.append(by_hand(cluster, broker, f"peer_{number}"))
        ours.append(by_stream(cluster, broker, f"ours_{number}"))
    peer = "psycopg COPY, offsets in a table"
    yield compared(
        COMMAND,
        f"events a second, {EVENTS} in {PARTITIONS} partitions",
        peer,
        statistics.median(theirs),
        statistics.median(ours),
        "events/s",
        True,
        0,
    )


def event(number: int, at: str = "2026-01-01T00:00:00Z") -> bytes:
    row = {"id": number, "card": f"card{number % 997}", "amount": number % 10_000 / 100, "sent_at": at}
    return json.dumps(row).encode()


def by_hand(cluster: Cluster, broker: str, table: str) -> float:
    """What somebody would write for this one topic."""
    with database(cluster, table) as dsn, psycopg.connect(dsn) as db:
        db.execute("CREATE TABLE payment (id bigint, card text, amount numeric, sent_at timestamptz)")
        db.execute("CREATE TABLE place (partition int PRIMARY KEY, place bigint)")
        db.execute("INSERT INTO place SELECT n, 0 FROM generate_series(0, %s) AS n", (PARTITIONS - 1,))
        db.commit()
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": broker, "group.id": "peer", "enable.auto.commit": False, "log_level": 0}
        )
        consumer.assign([confluent_kafka.TopicPartition("payment", n, 0) for n in range(PARTITIONS)])
        done, began = 0, 0.0
        while done < EVENTS:
            messages = consumer.consume(BATCH, 0.1)
            if not messages:
                continue
            began = began or time.perf_counter()
            places: dict[int, int] = {}
            with db.cursor().copy("COPY payment FROM STDIN") as copy:
                for message in messages:
                    row = json.loads(message.value() or b"")
                    copy.write_row((row["id"], row["card"], row["amount"], row["sent_at"]))
                    places[int(message.partition() or 0)] = int(message.offset() or 0) + 1
            for partition, place in places.items():
                db.execute("UPDATE place SET place = %s WHERE partition = %s", (place, partition))
            db.commit()
            done += len(messages)
        seconds = time.perf_counter() - began
        consumer.close()
        return EVENTS / seconds


def by_stream(cluster: Cluster, broker: str, name: str) -> float:
    with database(cluster, name) as dsn, psycopg.connect(dsn, autocommit=True) as db:
        source = json.dumps({"kind": "kafka", "servers": broker, "topic": "payment"})
        db.execute("CALL stream_create('payments', %s, 'payment', %s)", (source, COLUMNS))
        with worker(dsn):
            # From the first batch on, as the peer is measured from its first records on.
            began, before = 0.0, 0
            while True:
                count = int(db.execute("SELECT coalesce(sum(rows), 0) FROM stream_stats").fetchone()[0])  # type: ignore[index]
                if count and not began:
                    began, before = time.perf_counter(), count
                if count == EVENTS:
                    return (EVENTS - before) / (time.perf_counter() - began)
                time.sleep(0.01)


def latency(cluster: Cluster, broker: str) -> Iterator[dict[str, Any]]:
    """From a record's sending to its being seen by a query, at a steady rate, with the defaults."""
    kafka.create_topic(broker, "steady", PARTITIONS)
    with database(cluster, "latency") as dsn, psycopg.connect(dsn, autocommit=True) as db:
        source = json.dumps({"kind": "kafka", "servers": broker, "topic": "steady"})
        db.execute("CALL stream_create('steady', %s, 'steady', '[\"id bigint\"]')", (source,))
        with worker(dsn):
            sent = threading.Thread(target=send, args=(broker,))
            moments.clear()
            sent.start()
            seen: dict[int, float] = {}
            deadline = time.monotonic() + SECONDS + 30
            while len(seen) < RATE * SECONDS and time.monotonic() < deadline:
                # Taken out when seen, so that each look is as quick.
                found = db.execute("DELETE FROM steady RETURNING id").fetchall()
                now = time.time()
                seen.update((number, now) for (number,) in found)
                time.sleep(0.01)
            sent.join()
        waits = sorted(seen[number] - moments[number] for number in seen if number > RATE * 3)
    for share, limit in ((0.5, 0.3), (0.99, 1.0)):
        yield compared(
            COMMAND,
            f"seconds from sent to seen, {share:.0%} of events at {RATE} a second",
            "the aim",
            limit,
            waits[int(len(waits) * share)],
            "s",
            False,
        )


moments: dict[int, float] = {}


def send(broker: str) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": broker, "linger.ms": 0, "log_level": 0})
    began = time.time()
    for number in range(RATE * SECONDS):
        while time.time() < began + number / RATE:
            time.sleep(0.001)
        moments[number] = time.time()
        producer.produce("steady", json.dumps({"id": number}).encode(), partition=number % PARTITIONS)
        producer.poll(0)
    producer.flush(10)


@contextlib.contextmanager
def database(cluster: Cluster, name: str) -> Iterator[str]:
    with psycopg.connect(cluster.dsn(), autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name}")
        install(host=cluster.host, port=cluster.port, user="postgres", dbname=name, password=None)
        yield cluster.dsn(name)
        db.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def worker(dsn: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "pg_llm.worker", "--dsn", dsn], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()
