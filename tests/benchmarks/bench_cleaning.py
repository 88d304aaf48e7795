"""Errors of tables: found and repaired, without and with marked rows, beside a plain vote; clean tables; growth.

With RAHA=3 also beside three seeds of Raha and Baran (PyPI raha 1.26, in an environment of its own), 20 minutes more.
Nothing in the product knows these tables: no name, value or rule of theirs.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from database import install
from dirty import NAMES, Cell, Pair, f1, formats, load, read, repair_f1, vote
from pg_llm.workbench.bench import compared
from pg_llm.workbench.cluster import Cluster
from psycopg.types.json import Jsonb
from raha_peer import measure

COMMAND = "./run bench cleaning"
PEER = "majority vote"
MARKED = 20
SEEDS = (1, 2, 3)


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    """F1 of detection and repair on three tables, proposals on clean ones, seconds at 1, 4 and 16 times the rows."""
    cluster.sql("CREATE DATABASE bench_cleaning")
    where = {"host": cluster.host, "port": cluster.port, "user": "postgres", "password": None}
    install(**where, dbname="bench_cleaning")
    found = []
    with psycopg.connect(cluster.dsn("bench_cleaning"), autocommit=True) as db:
        for name, pair in [*((name, read(name)) for name in NAMES), ("formats", formats())]:
            for row in (*_quality(db, name, pair), *_clean(db, name, pair), *_growth(db, name, pair)):
                print(f"  {row['what']}: {row['value']} {row['unit']} ({row['peer']}: {row['peer_value']})", flush=True)
                found.append(row)
    return found


def _quality(db: psycopg.Connection, name: str, pair: Pair) -> Iterator[dict[str, Any]]:
    started = time.monotonic()
    voted = vote(pair)
    peer_seconds = time.monotonic() - started
    load(db, name, pair.names, pair.dirty)
    peer = {"detection": f1(voted, pair.errors), "repair": repair_f1(pair, voted)}
    seeds = int(os.environ.get("RAHA", "0"))
    raha = measure(pair, MARKED, seeds) if seeds else {}
    for marked in (0, MARKED):
        runs = [_repair(db, name, pair, marked, seed) for seed in (SEEDS if marked else SEEDS[:1])]
        for place, what in enumerate(("detection", "repair")):
            value = statistics.mean(run[place] for run in runs)
            label = f"{name}: {what}, {marked} marked rows"
            yield compared(COMMAND, label, PEER, max(peer[what], 0.001), value, "F1", True, 3)
            if raha:
                yield compared(COMMAND, label, f"Raha + Baran, {MARKED} rows", raha[what], value, "F1", True, 3)
        seconds = statistics.mean(run[2] for run in runs)
        label = f"{name}: find and propose, {marked} marked rows"
        yield compared(COMMAND, label, PEER, peer_seconds, seconds, "s", False, 2)
        if raha:
            yield compared(COMMAND, label, f"Raha + Baran, {MARKED} rows", raha["seconds"], seconds, "s", False, 1)


def _repair(db: psycopg.Connection, name: str, pair: Pair, marked: int, seed: int) -> tuple[float, float, float]:
    """F1 of detection and of repair, and seconds; marked rows count like all others."""
    chosen = random.Random(seed).sample(range(len(pair.dirty)), marked)
    labels = [
        {"key": {pair.names[0]: int(pair.dirty[row][0])}, "column": column, "value": pair.clean[row][place] or None}
        for row in chosen for place, column in enumerate(pair.names) if place
    ]  # fmt: skip
    started = time.monotonic()
    changes = _changes(db, name, pair, labels)
    seconds = time.monotonic() - started
    repairs = {cell: new or "" for cell, (new, state) in changes.items() if state == "proposed"}
    return f1(changes, pair.errors), repair_f1(pair, repairs), seconds


def _changes(db: psycopg.Connection, name: str, pair: Pair, labels: list[Any]) -> dict[Cell, tuple[str | None, str]]:
    found = db.execute("SELECT llm_find_errors(%s::regclass, labels => %s)", (f'"{name}"', Jsonb(labels))).fetchone()
    assert found is not None
    db.execute("SELECT llm_propose_repairs(%s)", found)
    places = {row[0]: number for number, row in enumerate(pair.dirty)}
    query = 'SELECT key ->> %s, "column", new, state FROM llm.change WHERE run = %s'
    return {
        (places[key], pair.names.index(column)): (new, state)
        for key, column, new, state in db.execute(query, (pair.names[0], found[0]))
    }


def _clean(db: psycopg.Connection, name: str, pair: Pair) -> Iterator[dict[str, Any]]:
    load(db, name, pair.names, pair.clean)
    changes = _changes(db, name, pair, [])
    share = 100 * sum(state == "proposed" for _, state in changes.values()) / (len(pair.clean) * len(pair.names))
    yield compared(COMMAND, f"{name}, clean: cells with a proposal", "at most", 0.5, max(share, 0.001), "%", False, 3)


def _growth(db: psycopg.Connection, name: str, pair: Pair) -> Iterator[dict[str, Any]]:
    """The table several times over, each time with values of its own."""
    seconds = {}
    for times in (1, 4, 16):
        copies = [
            [str(len(pair.dirty) * copy + row), *(value and f"{value}{copy or ''}" for value in values[1:])]
            for copy in range(times) for row, values in enumerate(pair.dirty)
        ]  # fmt: skip
        load(db, name, pair.names, copies)
        started = time.monotonic()
        run = db.execute("SELECT llm_find_errors(%s::regclass)", (f'"{name}"',)).fetchone()
        db.execute("SELECT llm_propose_repairs(%s)", run)
        seconds[times] = time.monotonic() - started
        if times > 1:
            what = f"{name}: find and propose, {times} times the rows ({len(copies)})"
            yield compared(COMMAND, what, f"{times} times the time", times * seconds[1], seconds[times], "s", False, 2)
