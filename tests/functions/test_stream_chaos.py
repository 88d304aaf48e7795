"""Streams through losses: whatever is killed or cut, each event is counted once, and windows are what a query gives."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import kafka
import psycopg
import pytest
from database import install, value
from hosts import hosts
from workbench.cluster import TEST_SETTINGS, Cluster, ClusterError

# PG_LLM_EVENTS=200000 takes a quarter of an hour; a loss follows each round.
EVENTS = int(os.environ.get("PG_LLM_EVENTS", 30_000))
ROUND, PARTS, SECONDS = 5000, 20, 5.0
PARTITIONS, WORKERS = 6, 2
START = datetime(2026, 1, 1, tzinfo=UTC)
# What comes, before it is cleaned: so few texts that the host remembers them, until it is killed.
BODIES = [f"I   want a refund of  order {n}" if n % 2 else f"Thank you so much\u00a0 for item {n}" for n in range(40)]
FIT = """
    SELECT llm_fit('kind', 'classify', $$
        SELECT CASE WHEN n % 2 = 0 THEN 'I want a refund of order ' ELSE 'Thank you so much for item ' END || n AS body,
               CASE WHEN n % 2 = 0 THEN 'refund' ELSE 'thanks' END AS kind
        FROM generate_series(1, 40) AS n
    $$)
"""
TRANSFORM = """
    WITH numbered AS (SELECT *, row_number() OVER () AS number FROM batch),
    cleaned AS (SELECT * FROM llm_clean_batch((SELECT array_agg(body ORDER BY number) FROM numbered))),
    labelled AS (
        SELECT * FROM llm_classify_batch((SELECT array_agg(cleaned ORDER BY ordinality) FROM cleaned), model => 'kind')
    )
    SELECT n.id, n.device, c.cleaned AS body, l.label, n.at
    FROM numbered AS n JOIN cleaned AS c ON c.ordinality = n.number JOIN labelled AS l ON l.ordinality = n.number
"""
WINDOWS = {
    "per_minute": (
        "'tumbling', '1 min', group_by => '{label}', aggregates => '{\"n\": \"count(*)\", \"ids\": \"sum(id)\"}'",
        "SELECT window_start, window_end, label, n, ids FROM per_minute",
        "SELECT date_bin('1 min', at, 'epoch'), date_bin('1 min', at, 'epoch') + '1 min', label, count(*), sum(id)"
        " FROM event GROUP BY 1, 2, 3",
    ),
    "per_session": (
        "'session', '1 min', group_by => '{device}', aggregates => '{\"n\": \"count(*)\", \"ids\": \"sum(id)\"}'",
        "SELECT window_start, window_end, device, n, ids FROM per_session",
        "SELECT min(at), max(at) + '1 min', device, count(*), sum(id) FROM ("
        " SELECT *, count(*) FILTER (WHERE fresh) OVER (PARTITION BY device ORDER BY at ROWS UNBOUNDED PRECEDING)"
        " AS number FROM (SELECT *, coalesce(at - lag(at) OVER (PARTITION BY device ORDER BY at) > '1 min', true)"
        " AS fresh FROM event) AS f) AS s GROUP BY device, number",
    ),
}


def messages(first: int, last: int, chance: random.Random) -> Iterator[kafka.Message]:
    """Events in bursts of one device, out of order by up to forty seconds."""
    for n in range(first, last):
        at = START + timedelta(seconds=n / 100 + chance.uniform(0, 40))
        row = {"id": n, "device": n // 500 % 50, "body": chance.choice(BODIES), "at": at.isoformat()}
        yield chance.randrange(PARTITIONS), json.dumps(row).encode()


class Losses:
    """What may be lost, in an order by chance in which each comes as often."""

    def __init__(self, cluster: Cluster, proxy: kafka.Proxy, chance: random.Random) -> None:
        self._cluster, self._proxy, self._chance = cluster, proxy, chance
        self.workers = [self._worker() for _ in range(WORKERS)]
        self._deck: list[Callable[[], None]] = []
        self.happened: dict[str, int] = {}

    def one(self) -> None:
        """Lose something."""
        if not self._deck:
            self._deck = [self.worker, self.server, self.host, self.brokers, self.sessions]
            self._chance.shuffle(self._deck)
        lost = self._deck.pop()
        lost()
        self.happened[lost.__name__] = self.happened.get(lost.__name__, 0) + 1

    def worker(self) -> None:
        victim = self._chance.randrange(WORKERS)
        self.workers[victim].kill()
        self.workers[victim].wait()
        self.workers[victim] = self._worker()

    def server(self) -> None:
        self._cluster.kill()
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(ClusterError):
                return self._cluster.start()
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def host(self) -> None:
        deadline = time.monotonic() + 30
        while not (found := hosts(self._cluster.data)):
            assert time.monotonic() < deadline, "no host was started"
            time.sleep(0.05)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def brokers(self) -> None:
        self._proxy.cut()

    def sessions(self) -> None:
        with psycopg.connect(self._cluster.dsn(), autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'pg_llm worker' AND random() < 0.7"
            )

    def end(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()

    def _worker(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pg_llm.worker", "--dsn", self._cluster.dsn()]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_each_event_is_cleaned_labelled_and_counted_once_whatever_is_lost() -> None:
    seed = int(os.environ.get("PG_LLM_SEED", random.SystemRandom().randrange(1 << 31)))
    print(f"PG_LLM_SEED={seed}")
    chance = random.Random(seed)
    # What a power cut would leave: all that was committed.
    settings = TEST_SETTINGS | {"synchronous_commit": "on"}
    with kafka.tansu() as broker, kafka.Proxy(broker) as proxy, Cluster(settings=settings) as cluster:
        install(host=cluster.host, port=cluster.port, user="postgres", dbname="postgres", password=None)
        kafka.create_topic(broker, "once", PARTITIONS)
        source = json.dumps({"kind": "kafka", "servers": proxy.address, "topic": "once"})
        columns = '["id bigint", "device int", "body text", "at timestamptz"]'
        with psycopg.connect(cluster.dsn(), autocommit=True) as db:
            db.execute(FIT)
            db.execute(
                "CALL stream_create('once', %s, 'event', %s, %s, event_time => 'at', max_batch => 1000)",
                (source, columns, TRANSFORM),
            )
            for name, (definition, _, _) in WINDOWS.items():
                db.execute(f"CALL stream_window('{name}', 'once', {definition})")
        began = time.monotonic()
        losses = Losses(cluster, proxy, chance)
        try:
            # Events come all the time, so that some are in hand whenever something is lost.
            for first in range(0, EVENTS, ROUND):
                when = chance.randrange(PARTS)
                for part in range(PARTS):
                    begin = first + part * ROUND // PARTS
                    kafka.produce(broker, "once", messages(begin, min(begin + ROUND // PARTS, EVENTS), chance))
                    time.sleep(chance.uniform(0, 2 * SECONDS / PARTS))
                    if part == when:
                        losses.one()
            with psycopg.connect(cluster.dsn(), autocommit=True) as db:
                wait_until_nothing_waits(db)
                print(f"{losses.happened}, {proxy.connections} connections, {time.monotonic() - began:.0f} seconds")
                check(db)
        finally:
            losses.end()


def wait_until_nothing_waits(db: psycopg.Connection, patience: float = 600) -> None:
    deadline = time.monotonic() + patience
    while value(db, "SELECT count(*) FROM event") < EVENTS:
        assert time.monotonic() < deadline, db.execute("SELECT * FROM stream_stats").fetchall()
        time.sleep(0.2)
    # Whatever came twice would come now.
    time.sleep(2)


def check(db: psycopg.Connection) -> None:
    counted = db.execute("SELECT count(*), count(DISTINCT id), min(id), max(id) FROM event").fetchone()
    assert counted == (EVENTS, EVENTS, 0, EVENTS - 1)
    assert value(db, "SELECT sum(rows) FROM stream_stats") == EVENTS
    assert value(db, "SELECT count(*) FROM stream_dead_letter") == 0
    expected = "CASE WHEN body ~ '^I want' THEN 'refund' ELSE 'thanks' END"
    assert value(db, f"SELECT count(*) FROM event WHERE label IS DISTINCT FROM {expected}") == 0
    assert value(db, "SELECT count(DISTINCT body) FROM event WHERE body !~ '  |\u00a0'") == len(BODIES)
    for name, (_, kept, query) in WINDOWS.items():
        assert value(db, f"SELECT sum(n) FROM {name}") == EVENTS
        for one, other in ((kept, query), (query, kept)):
            assert db.execute(f"({one}) EXCEPT ALL ({other}) LIMIT 3").fetchall() == [], name
