"""What training with differential privacy costs: the section of a package by its description, without and with it.

Descriptions whose MD5 begins with 0, 1 or 2 are put away; the defaults were chosen on the others. A private training is
another one every time, so the mean of some is told. PART=head or lora measures one method; lora takes long, so that it
learns from fewer rows, and a head beside it from as many.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import psycopg
from database import install
from workbench.bench import compared, parts, shown
from workbench.cluster import Cluster

COMMAND = "./run bench private_training"
WITHOUT, MAJORITY = "without privacy", "most frequent label"
EPSILONS = {"head": (8, 3, 1), "lora": (8, 3)}
DELTA = 1e-5
TIMES = {"head": 3, "lora": 1}
OPTIONS: dict[str, dict[str, Any]] = {"head": {}, "lora": {"max_tokens": 64}}
MOST = {"head": "ALL", "lora": "1500"}
ROWS = "SELECT text, label FROM package WHERE test = {} ORDER BY md5(text) DESC LIMIT {}"


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    """F1 on descriptions that were put away, and how well an attack tells which rows were learnt from."""
    cluster.sql("CREATE DATABASE bench_private_training")
    where = {"host": cluster.host, "port": cluster.port, "user": "postgres", "password": None}
    install(**where, dbname="bench_private_training")
    with psycopg.connect(cluster.dsn("bench_private_training"), autocommit=True) as db:
        test = _load(db)
        return shown(itertools.chain.from_iterable(_method(db, method, test) for method in parts(TIMES)))


def _load(db: psycopg.Connection) -> list[str]:
    """The table `package`; returns the labels that were put away."""
    db.execute("CREATE TABLE package (text text, label text, test bool)")
    labels = []
    file = Path(os.environ["PG_LLM_DOCUMENTS"])
    with file.open(encoding="utf-8", newline="") as opened, db.cursor().copy("COPY package FROM STDIN") as copy:
        for row in csv.DictReader(opened):
            put_away = hashlib.md5(row["description"].encode()).hexdigest()[0] in "012"
            copy.write_row((row["description"], row["section"], put_away))
            labels += [row["section"]] * put_away
    return labels


def _method(db: psycopg.Connection, method: str, test: list[str]) -> Iterator[dict[str, Any]]:
    most = MOST[method]
    without = _measure(db, method, 1, OPTIONS[method], most)
    if most != "ALL":
        head = _measure(db, "head", 1, {}, most)
        yield compared(
            COMMAND, f"{method}: micro F1, without", "head", head["micro avg"], without["micro avg"], "F1", True, 3
        )
        yield compared(
            COMMAND, f"{method}: macro F1, without", "head", head["macro avg"], without["macro avg"], "F1", True, 3
        )
    majority = max(Counter(test).values()) / len(test)
    yield compared(COMMAND, f"{method}: micro F1, without", MAJORITY, majority, without["micro avg"], "F1", True, 3)
    for epsilon in EPSILONS[method]:
        given = {**OPTIONS[method], "epsilon": epsilon, "delta": DELTA}
        private = _measure(db, method, TIMES[method], given, most)
        for average in ("micro avg", "macro avg"):
            what = f"{method}, epsilon {epsilon}: {average.split()[0]} F1"
            yield compared(COMMAND, what, WITHOUT, without[average], private[average], "F1", True, 3)
        what = f"{method}, epsilon {epsilon}: area of the attack by the loss"
        yield compared(COMMAND, what, WITHOUT, without["attack"], private["attack"], "AUC", False, 3)


def _measure(db: psycopg.Connection, method: str, times: int, options: dict[str, Any], most: str) -> dict[str, float]:
    """The mean over some trainings."""
    learnt, put_away = ROWS.format("false", most), ROWS.format("true", most)
    found = []
    for _ in range(times):
        fit = "SELECT llm_fit('m', 'classify', %s, method => %s, options => %s)"
        db.execute(fit, (learnt, method, json.dumps(options)))
        scores = dict(db.execute("SELECT label, f1::float8 FROM llm_evaluate('m', %s)", (put_away,)))
        attack = "SELECT auc::float8 FROM llm_privacy_report('m', %s, %s)"
        scores["attack"] = db.execute(attack, (learnt, put_away)).fetchone()[0]  # type: ignore[index]
        db.execute("SELECT llm_drop_model('m')")
        found.append(scores)
    return {name: fmean(each.get(name, 0.0) for each in found) for name in ("micro avg", "macro avg", "attack")}
