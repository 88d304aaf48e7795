"""Recommendations on MovieLens-100k: each user's last film, ranked among all that the user had not seen.

Everything is chosen on the event before the last; the last one is looked at once. Half of the events share their
time with another, and count in the file's order. With `--data FOLDER`, where the unpacked MovieLens-1M lies, that too,
beside published figures; with ITEMS=1000000 also the answer times for a catalogue of that size.
"""

from __future__ import annotations

import itertools
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from database import install, value
from films import films, films_1m
from psycopg.types.json import Jsonb
from recommender_peers import als, hits, ndcg, neighbours, popularity, ranks, sasrec
from workbench.bench import compared, shown
from workbench.cluster import Cluster

COMMAND = "./run bench recommendation"
SEEDS = (0, 1, 2)
CALLS = 200
HISTORY = 1000


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    """Quality beside plain recommenders, items without events, answer times."""
    cluster.sql("CREATE DATABASE bench_recommendation")
    where = {"host": cluster.host, "port": cluster.port, "user": "postgres", "password": None}
    install(**where, dbname="bench_recommendation")
    with psycopg.connect(cluster.dsn("bench_recommendation"), autocommit=True) as db:
        large = _published(db) if "BENCH_DATA" in os.environ else ()
        return shown(itertools.chain(_speed(db), _quality(db), _cold(db), large))


def _quality(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    events, items = films()
    number = {item[0]: place for place, item in enumerate(items)}
    users = {user: [number[item] for item in found] for user, found in _sequences(events).items()}
    names, histories, targets = (
        list(users),
        [each[:-1] for each in users.values()],
        [each[-1] for each in users.values()],
    )
    _load(db, "film", items, "event", _without_last(events))
    own = []
    for seed in SEEDS:
        started = time.monotonic()
        _fit(db, f"films{seed}", "event", "film", seed)
        own.append((*_measured(db, f"films{seed}", names, histories, targets, number), time.monotonic() - started))
    peers: dict[str, Callable[..., Any]] = {
        "popularity": popularity,
        "item-kNN": neighbours(1.0),
        "item-kNN with recency decay 0.7": neighbours(0.7),
        "implicit ALS": als,
        "plain SASRec": sasrec,
    }
    for name, score in peers.items():
        runs = []
        for seed in SEEDS if score in (als, sasrec) else SEEDS[:1]:
            started = time.monotonic()
            places = ranks(score(histories, len(items), seed), histories, targets)
            runs.append((hits(places), ndcg(places), time.monotonic() - started))
        for place, what in enumerate(("HR@10", "NDCG@10")):
            means = [statistics.mean(run[place] for run in found) for found in (runs, own)]
            label = f"MovieLens-100k, {what}, mean of {len(SEEDS)} seeds"
            yield compared(COMMAND, label, name, means[0], means[1], what, True, 4)
        seconds = [statistics.mean(run[-1] for run in found) for found in (runs, own)]
        yield compared(COMMAND, "MovieLens-100k, seconds to fit and to rank", name, *seconds, "s", False, 1)
    error = statistics.mean(run[2] for run in own)
    seeds = [round(run[1], 4) for run in own]
    print(f"  NDCG@10 of each seed: {seeds}; one standard error on {len(names)} users: {error:.4f}")


def _published(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    """MovieLens-1M, beside NDCG@10 on the same split as the papers report it."""
    events, items = films_1m(Path(os.environ["BENCH_DATA"]))
    number = {item[0]: place for place, item in enumerate(items)}
    users = {user: [number[item] for item in found] for user, found in _sequences(events).items()}
    _load(db, "film_1m", items, "event_1m", _without_last(events))
    _fit(db, "films_1m", "event_1m", "film_1m", 0)
    histories, targets = [each[:-1] for each in users.values()], [each[-1] for each in users.values()]
    found = _measured(db, "films_1m", list(users), histories, targets, number)[1]
    for name, published in {"SASRec": 0.126, "gSASRec": 0.173, "FuXi-α": 0.181}.items():
        yield compared(COMMAND, "MovieLens-1M, NDCG@10", f"{name}, as published", published, found, "NDCG@10", True, 3)


def _measured(
    db: psycopg.Connection,
    name: str,
    users: list[str],
    histories: list[list[int]],
    targets: list[int],
    number: dict[str, int],
) -> tuple[float, float, float]:
    """HR, NDCG and the latter's standard error, from the lists that recommend_batch() gives."""
    query = "SELECT user_id, item FROM recommend_batch(%s, 10, %s)"
    lists: dict[str, list[int]] = {user: [] for user in users}
    for user, item in db.execute(query, (users, name)):
        lists[user].append(number[item])
    assert not any(set(lists[user]) & set(history) for user, history in zip(users, histories, strict=True))
    places = [
        lists[user].index(target) if target in lists[user] else 10_000
        for user, target in zip(users, targets, strict=True)
    ]
    found = np.asarray(places)
    gains = [ndcg(found[row : row + 1]) for row in range(len(found))]
    return hits(found), ndcg(found), float(np.std(gains)) / len(found) ** 0.5


def _cold(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    """A tenth of the films hidden: how often is a hidden film among 50, when it is what the user sees next?"""
    events, items = films()
    hidden = set(random.Random(3).sample([item[0] for item in items], len(items) // 10))
    users = _sequences(events)
    _load(db, "film_all", items, "event_shown", [event for event in events if event[1] not in hidden])
    asked = []
    for sequence in users.values():
        for place, item in enumerate(sequence):
            before = [each for each in sequence[:place] if each not in hidden]
            if item in hidden and len(before) >= 5:
                asked.append((before[-50:], item))
    asked = random.Random(4).sample(asked, 1000)
    recalls = []
    for text in (True, False):
        name = f"cold_{'text' if text else 'alone'}"
        _fit(db, name, "event_shown", "film_all", 0, text=text)
        query = "SELECT count(*) FROM recommend_for(%s, 50, %s) AS r WHERE r.item = %s"
        recalls.append(statistics.mean(value(db, query, before, name, item) for before, item in asked))
    chance = 50 / len(items)
    label = f"hidden films ({len(hidden)} of {len(items)}) among 50, with the films' texts"
    yield compared(COMMAND, label, "chance", chance, recalls[0], "recall@50", True, 4)
    yield compared(COMMAND, label, "without texts", recalls[1], recalls[0], "recall@50", True, 4)


def _speed(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    """A made-up catalogue, a user with 1,000 events, a warm host: milliseconds of one call."""
    sizes = [10_000, 100_000, *([int(os.environ["ITEMS"])] if "ITEMS" in os.environ else [])]
    first = 0.0
    for size in sizes:
        db.execute(f"""
            DROP TABLE IF EXISTS made;
            CREATE TABLE made AS
            SELECT u AS customer, (hashint8(u * 1000003::bigint + s) & 2147483647) % {size} AS product, s AS at
            FROM generate_series(1, {max(2000, size // 10)}) AS u, generate_series(1, 20) AS s;
            INSERT INTO made
            SELECT 0, (hashint8(s * 77) & 2147483647) % {size}, s FROM generate_series(1, {HISTORY}) AS s;
            CREATE INDEX ON made (customer, at);
            ANALYZE made;
        """)
        options = Jsonb({"epochs": 1, "seed": 1})
        query = "SELECT llm_fit_recommender(%s, 'made', 'customer', 'product', 'at', options => %s)"
        # The index of a million vectors is built in memory.
        db.execute("SET maintenance_work_mem = '2GB'")
        started = time.monotonic()
        db.execute(query, (f"made{size}", options))
        print(f"  {size:,} items fitted in {time.monotonic() - started:.0f} s", flush=True)
        call = "SELECT * FROM recommend('0', 10, %s)"
        for _ in range(20):
            db.execute(call, (f"made{size}",)).fetchall()
        times = []
        for turn in range(CALLS):
            # Each call sees another history, so that nothing is remembered.
            db.execute("INSERT INTO made VALUES (0, %s, %s)", (turn, HISTORY + turn + 1))
            started = time.monotonic()
            assert len(db.execute(call, (f"made{size}",)).fetchall()) == 10
            times.append(1000 * (time.monotonic() - started))
        median = statistics.median(times)
        first = first or median
        label = f"recommend(), {size:,} items, {HISTORY:,} events of history: p50"
        yield compared(
            COMMAND,
            label,
            "10 ms" if size == 100_000 else "10,000 items",
            10 if size == 100_000 else first,
            median,
            "ms",
            False,
        )
        db.execute("SELECT llm_drop_recommender(%s)", (f"made{size}",))


def _sequences(events: list[list[str]]) -> dict[str, list[str]]:
    """Each user's items in the order of time, and of the file where that is equal."""
    users: dict[str, list[str]] = {}
    for user, item, _, _ in sorted(events, key=lambda event: float(event[3])):
        users.setdefault(user, []).append(item)
    return users


def _load(db: psycopg.Connection, film: str, items: list[list[str]], event: str, events: list[list[str]]) -> None:
    db.execute(f"CREATE TABLE {film} (id int PRIMARY KEY, title text, genres text)")
    db.execute(f"CREATE TABLE {event} (customer int, film int, rating real, at bigint)")
    with db.cursor() as cursor:
        with cursor.copy(f"COPY {film} FROM STDIN") as copy:
            for item in items:
                copy.write_row((item[0], f"{item[1]} ({item[2]})", item[3]))
        with cursor.copy(f"COPY {event} FROM STDIN") as copy:
            for user, item, rating, at in events:
                copy.write_row((user, item, rating, int(float(at))))
    db.execute(f"CREATE INDEX ON {event} (customer, at); ANALYZE {event}")


def _without_last(events: list[list[str]]) -> list[list[str]]:
    last = {}
    for place, event in enumerate(events):
        if event[0] not in last or float(event[3]) >= float(events[last[event[0]]][3]):
            last[event[0]] = place
    left_out = set(last.values())
    return [event for place, event in enumerate(events) if place not in left_out]


def _fit(db: psycopg.Connection, name: str, event: str, film: str, seed: int, text: bool = True) -> None:
    query = """SELECT llm_fit_recommender(%s, %s, 'customer', 'film', 'at', items => %s::regclass, item_key => 'id',
                                          item_text => %s, options => %s)"""
    db.execute(query, (name, event, film, "{title,genres}" if text else None, Jsonb({"seed": seed})))
