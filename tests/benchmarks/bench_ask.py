"""Questions with known SQL: how many are answered rightly, wrongly, not at all; and what many tables cost.

Two results are the same where they have the same rows in whatever order, of columns too. Proposers are asked alone and
together: the grammar, and models behind an endpoint on loopback that are perfect, or wrong in two ways, which shows how
far models are heard; MODELS=0 leaves them out. With QWEN=FOLDER, where the GGUF file of Qwen2.5-Coder-0.5B-Instruct
lies, only the public questions are asked, and of the grammar, that model with it, and the model prompted plainly with
the tables; an hour on two cores, after which RECORD=FILE goes on where a run was ended. All of these questions were
looked at while the grammar was made: a development set, and others fare worse. The model's prompt was written with
those at even places before our eyes, and not those at odd ones.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

import answer_record
import ask_proposers
import ask_scores
import psycopg
from ask_proposers import Answer, Proposer
from ask_scores import Answered
from database import install, value
from nl2sql import CHINESE, FOLDER, HELD, OFFICE, SEEN, Question, load, own_questions, questions, right
from workbench.bench import compared, shown
from workbench.cluster import Cluster

COMMAND = "./run bench ask"
QWEN = "Qwen2.5-Coder-0.5B"
PLAIN = "Qwen2.5-Coder-0.5B, plain prompt"
NOBODY = "guessing that there are no rows"
# What a question may cost for a model that is prompted plainly.
MOST_TOKENS = 160


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    """Execution accuracy, abstentions and wrong answers; seconds with few tables and many."""
    if "QWEN" in os.environ:
        return shown(_qwen(cluster))
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
    """Our own questions, in groups of databases; short ones by themselves."""
    for kind, names in (("first", SEEN), ("second", HELD), ("short", OFFICE), ("Chinese", CHINESE)):
        asked = own_questions(names)
        databases = _databases(cluster, asked)
        empty = _answered(databases, asked, _nothing)
        with ask_proposers.running(databases, asked) as proposers:
            for name, proposer in proposers.items():
                found = _answered(databases, asked, proposer)
                yield from _shares(f"own {kind} group, {name}", NOBODY, empty, found)


def _public(cluster: Cluster) -> Iterator[dict[str, Any]]:
    asked = questions()
    databases = _databases(cluster, asked)
    empty = _answered(databases, asked, _nothing)
    with ask_proposers.running(databases, asked) as proposers:
        for name, proposer in proposers.items():
            yield from _shares(name, NOBODY, empty, _answered(databases, asked, proposer))


def _qwen(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """The plain prompt of the model and the product, on all public questions and on the half that was put away."""
    asked = questions()
    databases = _databases(cluster, asked)
    for db in databases.values():
        db.execute("SELECT llm_register_model('qwen', 'generation', 'path:' || %s)", (os.environ["QWEN"],))
    record = answer_record.Record(cluster)
    ways: dict[str, Proposer] = {QWEN: ask_proposers.ask("qwen"), PLAIN: _plain}
    answered: dict[str, list[Answered]] = {name: [] for name in ways}
    # One way after the other, as llama.cpp need not read tables again that stood in the prompt before.
    for name, proposer in ways.items():
        for question in asked:
            answer = functools.partial(_answered, databases, [question], proposer)
            answered[name].append(record.of(name, question, answer))
    plain, found = answered[PLAIN], answered[QWEN]
    yield from _shares(QWEN, PLAIN, plain, found)
    yield from _shares(f"{QWEN}, put away", PLAIN, plain[1::2], found[1::2])
    spent, other = record.processor_seconds(found, QWEN), record.processor_seconds(plain, PLAIN)
    yield compared(COMMAND, f"ask, {QWEN}: a question on all processors", PLAIN, other, spent, "s", False, 3)


def _shares(name: str, peer: str, others: Sequence[Answered], found: Sequence[Answered]) -> Iterator[dict[str, Any]]:
    """Shares of all questions and of each kind, the risk-coverage curve, calibration and time."""
    measures = (
        ("answered rightly", ask_scores.right, True),
        ("answered wrongly, sure enough to answer", ask_scores.wrong, False),
        ("not answered", ask_scores.silent, False),
        ("right, but not sure enough to be answered", ask_scores.unsure, False),
        ("expected calibration error", ask_scores.calibration_error, False),
    )
    for what, measure, better in measures:
        what = f"ask, {len(found)} questions, {name}: {what}"
        yield compared(COMMAND, what, peer, measure(others), measure(found), "share", better, 3)
    peers = ask_scores.by_kind(others)
    for kind, answers in ask_scores.by_kind(found).items():
        for what, measure, better in measures[:2]:
            what = f"ask, {name}, {len(answers)} of the kind {kind}: {what}"
            yield compared(COMMAND, what, peer, measure(peers[kind]), measure(answers), "share", better, 3)
    for threshold in ask_scores.THRESHOLDS:
        for what, at, better in (("coverage", ask_scores.coverage, True), ("risk", ask_scores.risk, False)):
            what = f"ask, {name}: {what} at a threshold of {threshold}"
            yield compared(COMMAND, what, peer, at(others, threshold), at(found, threshold), "share", better, 3)
    taken, other = ask_scores.seconds(found), ask_scores.seconds(others)
    yield compared(COMMAND, f"ask, {name}: a question", peer, other, taken, "s", False, 3)


def _nothing(db: psycopg.Connection, question: Question) -> Answer:
    return "SELECT 1 WHERE false", True, 1.0


def _answered(
    databases: dict[str, psycopg.Connection], asked: Sequence[Question], proposer: Proposer
) -> list[Answered]:
    found = []
    for question in asked:
        db = databases[question.database]
        started = time.monotonic()
        sql, sure, confidence = proposer(db, question)
        seconds = time.monotonic() - started
        good = sql is not None and _right(db, question.gold, sql)
        found.append(Answered(question, sure, None if sql is None else confidence, good, seconds, sql))
    return found


def _right(db: psycopg.Connection, gold: str, sql: str) -> bool:
    try:
        return right(db, gold, sql)
    except psycopg.Error:
        return False


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
