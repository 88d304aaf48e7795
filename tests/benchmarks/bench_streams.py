"""Streams: events a second beside a hand-written consumer and beside the functions alone, how soon one is seen, memory.

PART= one of throughput, embedding, form, latency, classified, memory measures that alone; memory takes ten minutes.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
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
TEXTS = 2000
MINUTES = int(os.environ.get("MINUTES", 10))
COLUMNS = '["id bigint", "card text", "amount numeric", "sent_at timestamptz"]'


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    measures = {
        "throughput": throughput,
        "embedding": embedding,
        "form": form,
        "latency": latency,
        "classified": classified,
        "memory": memory,
    }
    # So that ten minutes show whether the host grows beyond what it is to remember.
    cluster.configure(**{"llm.memo_limit": "16MB"})
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


NUMBERED = "WITH numbered AS (SELECT *, row_number() OVER () AS number FROM batch) SELECT n.id, {} FROM numbered AS n"
JOINED = "JOIN {}((SELECT array_agg(body ORDER BY number) FROM numbered){}) AS c ON c.ordinality = n.number"
EMBED = NUMBERED.format("c.embedding") + " " + JOINED.format("llm_embed_batch", "")
CLASSIFY = NUMBERED.format("c.label") + " " + JOINED.format("llm_classify_batch", ", model => 'kind'")
IDENTITY = "SELECT id, body FROM batch"


def embedding(cluster: Cluster, broker: str) -> Iterator[dict[str, Any]]:
    """A stream's texts embedded, beside the function on the same number of texts that it never saw."""
    rates = through(cluster, broker, "embedded", {"stream": EMBED, "alone": "llm_embed_batch(%s)"}, TEXTS)
    what = f"texts a second through a transform with llm_embed_batch, {TEXTS}"
    yield compared(COMMAND, what, "llm_embed_batch alone", rates["alone"], rates["stream"], "texts/s", True, 0)


def form(cluster: Cluster, broker: str) -> Iterator[dict[str, Any]]:
    """A function in its plain form, which the stream puts in its batch form, beside that as one would write it."""
    forms = {"row": "SELECT id, llm_classify(body, model => 'kind') AS label FROM batch", "batch": CLASSIFY}
    for what, number, different in (("new texts", 1000, 1000), ("texts of which the host knows all", 50_000, 40)):
        rates = through(cluster, broker, f"form{different}", forms, number, different)
        told = f"{what} a second through a transform with llm_classify in its plain form"
        yield compared(COMMAND, told, "llm_classify_batch", rates["batch"], rates["row"], "texts/s", True, 0)


def through(
    cluster: Cluster, broker: str, topic: str, ways: dict[str, str], number: int, different: int | None = None
) -> dict[str, float]:
    """Texts a second through transforms, or calls of a function, in turn; medians of three, after a first one."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    with database(cluster, topic) as dsn, psycopg.connect(dsn, autocommit=True) as db:
        fit(db)
        for repeat in range(4):
            for name, way in ways.items():
                texts = [f"{text(n % (different or number))} in run {repeat} {name}" for n in range(number)]
                if "%s" in way:
                    began = time.perf_counter()
                    db.execute(f"SELECT count(*) FROM {way}", (texts,))
                    rates[name].append(number / (time.perf_counter() - began))
                    continue
                unique = f"{topic}_{name}_{repeat}"
                kafka.create_topic(broker, unique, 1)
                messages = (json.dumps({"id": n, "body": body}).encode() for n, body in enumerate(texts))
                kafka.produce(broker, unique, ((0, message) for message in messages))
                create(db, broker, unique, way)
                with worker(dsn):
                    while not (done := db.execute(f"SELECT count(*) FROM {unique}").fetchone()) or done[0] < number:
                        time.sleep(0.02)
                    # As the database tells it: without the worker's start.
                    took = "SELECT sum(seconds) FROM llm.stream_offset AS o JOIN llm.all_stream AS s ON s.id = o.stream"
                    row = db.execute(f"{took} WHERE s.name = %s", (unique,)).fetchone()
                    rates[name].append(number / row[0])  # type: ignore[index]
                db.execute("CALL stream_drop(%s)", (unique,))
    return {name: statistics.median(found[1:]) for name, found in rates.items()}


def latency(cluster: Cluster, broker: str) -> Iterator[dict[str, Any]]:
    """From a record's sending to its being seen by a query, at a steady rate, with the defaults."""
    yield from seen_after(cluster, broker, "steady", IDENTITY, "")


def classified(cluster: Cluster, broker: str) -> Iterator[dict[str, Any]]:
    """The same, with each text labelled by a classifier that was fitted on static embeddings."""
    yield from seen_after(cluster, broker, "labelled", CLASSIFY, " and labelled by a fitted classifier")


def seen_after(cluster: Cluster, broker: str, topic: str, transform: str, told: str) -> Iterator[dict[str, Any]]:
    kafka.create_topic(broker, topic, PARTITIONS)
    with database(cluster, topic) as dsn, psycopg.connect(dsn, autocommit=True) as db:
        fit(db, "static")
        create(db, broker, topic, transform)
        with worker(dsn):
            moments.clear()
            sent = threading.Thread(target=send, args=(broker, topic, RATE, SECONDS))
            sent.start()
            seen: dict[int, float] = {}
            deadline = time.monotonic() + SECONDS + 30
            while len(seen) < RATE * SECONDS and time.monotonic() < deadline:
                # Taken out when seen, so that each look is as quick.
                found = db.execute(f"DELETE FROM {topic} RETURNING id").fetchall()
                now = time.time()
                seen.update((number, now) for (number,) in found)
                time.sleep(0.01)
            sent.join()
        waits = sorted(seen[number] - moments[number] for number in seen if number > RATE * 3)
    for share, limit in ((0.5, 0.3), (0.99, 1.0)):
        yield compared(
            COMMAND,
            f"seconds from sent to seen{told}, {share:.0%} of events at {RATE} a second",
            "the aim",
            limit,
            waits[int(len(waits) * share)],
            "s",
            False,
        )


def memory(cluster: Cluster, broker: str) -> Iterator[dict[str, Any]]:
    """What worker, its backends and the host hold each minute, while texts that nobody saw before are labelled."""
    kafka.create_topic(broker, "long", PARTITIONS)
    with database(cluster, "long") as dsn, psycopg.connect(dsn, autocommit=True) as db:
        fit(db, "static")
        create(db, broker, "long", CLASSIFY)
        with worker(dsn) as process:
            sent = threading.Thread(target=send, args=(broker, "long", RATE, MINUTES * 60), daemon=True)
            sent.start()
            minutes: list[dict[str, float]] = []
            for _ in range(MINUTES):
                time.sleep(60)
                minutes.append(held(db, process.pid))
                print("   ", {name: round(value, 1) for name, value in minutes[-1].items()}, flush=True)
            sent.join()
            (count,) = db.execute("SELECT sum(rows) FROM stream_stats").fetchone() or (0,)
            print(f"    {count} of {RATE * MINUTES * 60} events were taken by then", flush=True)
    second = min(1, len(minutes) - 1)
    for name, value in minutes[-1].items():
        what = f"MB of the {name} after {MINUTES} minutes at {RATE} events a second"
        yield compared(COMMAND, what, f"after {second + 1}", minutes[second][name], value, "MB", False, 1)


def held(db: psycopg.Connection, worker: int) -> dict[str, float]:
    """Megabytes (PSS) of the worker, of its backends without the shared buffers, and of the host."""
    backends = db.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'pg_llm worker'").fetchall()
    host = db.execute("SELECT max(host_pid) FROM llm_status()").fetchone()
    return {
        "worker": pss(worker),
        "backends": sum(pss(pid) for (pid,) in backends),
        "host": pss(host[0]),  # type: ignore[index]
    }


def pss(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return (sizes["Pss"] - sizes["Pss_Shmem"]) / 1024


def text(number: int) -> str:
    return f"I want a refund of order {number}" if number % 2 else f"Thank you so much for item {number}"


def fit(db: psycopg.Connection, base: str | None = None) -> None:
    """A classifier of two kinds, on static embeddings or those of the default model."""
    if base is not None:
        db.execute("SELECT llm_distill(%s)", (base,))
    rows = [(text(number), "refund" if number % 2 else "thanks") for number in range(40)]
    db.execute("CREATE TABLE example (body text, kind text)")
    db.cursor().executemany("INSERT INTO example VALUES (%s, %s)", rows)
    db.execute("SELECT llm_fit('kind', 'classify', 'SELECT body, kind FROM example', %s)", (base,))


def create(db: psycopg.Connection, broker: str, topic: str, transform: str) -> None:
    """A stream from a topic of texts into a table of the same name, with the defaults."""
    source = json.dumps({"kind": "kafka", "servers": broker, "topic": topic})
    columns = '["id bigint", "body text"]'
    db.execute("CALL stream_create(%s, %s, %s, %s, %s)", (topic, source, topic, columns, transform))


moments: dict[int, float] = {}


def send(broker: str, topic: str, rate: int, seconds: int) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": broker, "linger.ms": 0, "log_level": 0})
    began = time.time()
    for number in range(rate * seconds):
        while time.time() < began + number / rate:
            time.sleep(0.001)
        if number < RATE * SECONDS:
            moments[number] = time.time()
        message = json.dumps({"id": number, "body": text(number)}).encode()
        producer.produce(topic, message, partition=number % PARTITIONS)
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
def worker(dsn: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "pg_llm.worker", "--dsn", dsn], stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
