"""Questions with known SQL: how many are answered rightly, wrongly, not at all; and what many tables cost.

Two results are the same where they have the same rows in whatever order, of columns too. Each proposer is asked alone:
the grammar, and a perfect model, an endpoint on loopback that writes the right SQL, which shows how far models are
heard; PERFECT=0 leaves it out. With QWEN=FOLDER, where the GGUF file of Qwen2.5-Coder-0.5B-Instruct lies, also that
model, and beside it prompted plainly with the tables: an hour on two cores. All of these questions were looked at while
the grammar was made: they are a development set, and others fare worse.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
from database import install, value
from faulty_endpoint import FaultyEndpoint, Reply, Request, chat
from nl2sql import FOLDER, HELD, SEEN, Question, expanded, load, own_questions, questions, right
from workbench.bench import compared, shown
from workbench.cluster import Cluster

COMMAND = "./run bench ask"
PLAIN = "Qwen2.5-Coder-0.5B, plain prompt"
NOBODY = "guessing that there are no rows"
# What a question may cost for a model that is prompted plainly.
MOST_TOKENS = 160

PERFECT = "a perfect model"
# The thresholds of the risk-coverage curve.
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)

# The SQL, whether it was answered, and the confidence in it.
Answer = tuple[str | None, bool, float]
Way = Callable[[psycopg.Connection, Question], Answer]


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    """Execution accuracy, abstentions and wrong answers; seconds with few tables and many."""
    return shown(itertools.chain(_public(cluster), _own(cluster), _growth(cluster)))


def _databases(cluster: Cluster, asked: Sequence[Question]) -> dict[str, psycopg.Connection]:
    databases = {}
    for name in dict.fromkeys(question.database for question in asked):
        cluster.sql(f"CREATE DATABASE {name}")
        install(host=cluster.host, port=cluster.port, user="postgres", password=None, dbname=name)
        databases[name] = psycopg.connect(cluster.dsn(name), autocommit=True)
        load(databases[name], name)
    return databases


def _own(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """Our own questions, in two groups of databases."""
    for kind, names in (("first", SEEN), ("second", HELD)):
        asked = own_questions(names)
        databases = _databases(cluster, asked)
        empty = _counted(databases, asked, _nothing)
        with _perfect(databases, asked) as ways:
            for name, way in ways.items():
                yield from _shares(f"own {kind} group, {name}", NOBODY, empty, _counted(databases, asked, way))


def _public(cluster: Cluster) -> Iterator[dict[str, Any]]:
    asked = questions()
    databases = _databases(cluster, asked)
    for db in databases.values() if "QWEN" in os.environ else ():
        db.execute("SELECT llm_register_model('qwen', 'generation', 'path:' || %s)", (os.environ["QWEN"],))
    empty = _counted(databases, asked, _nothing)
    peer, peer_counts = NOBODY, empty
    with _perfect(databases, asked) as ways:
        if "QWEN" in os.environ:
            ways["Qwen2.5-Coder-0.5B"] = _ours("qwen")
            peer, peer_counts = PLAIN, _counted(databases, asked, _plain)
        for name, way in ways.items():
            yield from _shares(name, peer, peer_counts, _counted(databases, asked, way))


@contextlib.contextmanager
def _perfect(databases: dict[str, psycopg.Connection], asked: Sequence[Question]) -> Iterator[dict[str, Way]]:
    """The grammar alone, and with a model that always writes the first SQL that is right."""
    ways = {"grammar alone": _ours(None)}
    if os.environ.get("PERFECT") == "0":
        yield ways
        return
    gold = {question.text.strip(): next(expanded(question.gold)) for question in asked}

    def behaviour(request: Request) -> Reply:
        question = re.findall(r"Question: (.*)", str(request.body["messages"][0]["content"]))[-1]
        return Reply(chat(gold[question.strip()]))

    with FaultyEndpoint().running() as endpoint:
        endpoint.behaviour = behaviour
        for db in databases.values():
            db.execute("SELECT llm_register_model('perfect', 'generation', %s)", (endpoint.source(),))
        yield {**ways, PERFECT: _ours("perfect")}


def _shares(name: str, peer: str, peer_counts: Counter[str], found: Counter[str]) -> Iterator[dict[str, Any]]:
    total = sum(found[kind] for kind in ("right", "wrong", "nothing"))
    for kind, what, better in (
        ("right", "answered rightly", True),
        ("wrong", "answered wrongly, sure enough to answer", False),
        ("nothing", "not answered", False),
        ("unsure", "right, but not sure enough to be answered", False),
    ):
        share, other = found[kind] / total, peer_counts[kind] / total
        yield compared(COMMAND, f"ask, {total} questions, {name}: {what}", peer, other, share, "share", better, 3)
    for threshold in THRESHOLDS:
        covered, wrong = found[f"above {threshold}"], found[f"wrong above {threshold}"]
        others, other_wrong = peer_counts[f"above {threshold}"], peer_counts[f"wrong above {threshold}"]
        for what, other, share, better in (
            ("coverage", others / total, covered / total, True),
            ("risk", other_wrong / max(others, 1), wrong / max(covered, 1), False),
        ):
            what = f"ask, {name}: {what} at a threshold of {threshold}"
            yield compared(COMMAND, what, peer, other, share, "share", better, 3)
    seconds = found["milliseconds"] / total / 1000
    other = peer_counts["milliseconds"] / total / 1000
    yield compared(COMMAND, f"ask, {name}: a question", peer, other, seconds, "s", False, 3)


def _nothing(db: psycopg.Connection, question: Question) -> Answer:
    return "SELECT 1 WHERE false", True, 1.0


def _counted(
    databases: dict[str, psycopg.Connection],
    asked: Sequence[Question],
    way: Way,
) -> Counter[str]:
    found: Counter[str] = Counter()
    for question in asked:
        db = databases[question.database]
        started = time.monotonic()
        sql, sure, confidence = way(db, question)
        found["milliseconds"] += int(1000 * (time.monotonic() - started))
        good = sql is not None and _right(db, question.gold, sql)
        found["right" if sure and good else "wrong" if sure else "nothing"] += 1
        found["unsure"] += good and not sure
        for threshold in THRESHOLDS if sql is not None else ():
            found[f"above {threshold}"] += confidence >= threshold
            found[f"wrong above {threshold}"] += confidence >= threshold and not good
    return found


def _right(db: psycopg.Connection, gold: str, sql: str) -> bool:
    try:
        return right(db, gold, sql)
    except psycopg.Error:
        return False


def _ours(model: str | None) -> Way:
    def answer(db: psycopg.Connection, question: Question) -> Answer:
        query = "SELECT sql, answer IS NOT NULL, confidence FROM ask(%s, model => %s)"
        return db.execute(query, (question.text, model)).fetchone() or (None, False, 0.0)

    return answer


def _plain(db: psycopg.Connection, question: Question) -> Answer:
    """The tables as they are created and the question, and no more."""
    schema = (FOLDER / f"{question.database}.sql").read_text(encoding="utf-8")
    tables = "\n".join(re.findall(r"CREATE TABLE.*?\);", schema, re.S))
    prompt = f"{tables}\n\nWrite a PostgreSQL query that answers: {question.text}\nAnswer with the SQL only."
    written = value(db, "SELECT llm_generate(%s, 'qwen', %s)", prompt, MOST_TOKENS)
    block = re.search(r"```(?:sql)?\s*(.*?)(?:```|$)", written, re.S)
    return (block[1] if block else written).split(";")[0], True, 1.0


def _growth(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """A question about one table among 10 and among 500 with 20 columns each."""
    seconds = {}
    for count in (10, 500):
        name = f"tables_{count}"
        cluster.sql(f"CREATE DATABASE {name}")
        install(host=cluster.host, port=cluster.port, user="postgres", password=None, dbname=name)
        with psycopg.connect(cluster.dsn(name), autocommit=True) as db:
            _fill(db, count)
            started = time.monotonic()
            db.execute("CALL llm_catalog_refresh()")
            refreshed = time.monotonic() - started
            asked = []
            for town in ("Ulm", "Bonn", "Kiel", "Jena", "Trier"):
                started = time.monotonic()
                found = value(db, "SELECT rows FROM ask(%s)", f"What is the average price of houses in {town}?")
                asked.append(time.monotonic() - started)
                assert found == [{"avg": 100}], (count, town, found)
            seconds[count] = sorted(asked)[2]
            columns = value(db, "SELECT count(*) FROM llm.catalog WHERE \"column\" <> ''")
    what = f"llm_catalog_refresh, 500 tables with {columns} columns"
    yield compared(COMMAND, what, "5 minutes", 300, refreshed, "s", False, 1)
    yield compared(COMMAND, "ask among 500 tables", "among 10 tables", seconds[10], seconds[500], "s", False, 3)


def _fill(db: psycopg.Connection, count: int) -> None:
    db.execute("CREATE TABLE house (house_id int PRIMARY KEY, town text, price numeric)")
    db.execute(
        "INSERT INTO house SELECT n, (ARRAY['Ulm', 'Bonn', 'Kiel', 'Jena', 'Trier'])[1 + n %% 5], 100"
        " FROM generate_series(1, 1000) AS n",
        (),
    )
    nouns = (
        "sensor",
        "meter",
        "valve",
        "pump",
        "engine",
        "gauge",
        "filter",
        "boiler",
        "crane",
        "truck",
        "vessel",
        "lamp",
    )
    words = (
        "speed",
        "level",
        "depth",
        "weight",
        "colour",
        "maker",
        "model",
        "batch",
        "grade",
        "width",
        "angle",
        "load",
    )
    for number in range(1, count):
        columns = ", ".join(f"{words[n % 12]}_{n}_{number} {('int', 'text')[n % 2]}" for n in range(20))
        db.execute(f"CREATE TABLE {nouns[number % 12]}_{number} ({columns})")
