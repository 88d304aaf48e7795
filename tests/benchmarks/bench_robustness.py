"""Typos before and after a training against them, and how often conformal sets have the right label.

Nothing was chosen on the test rows. On two idle cores the typos take half an hour, the sets five minutes; PART= one of
typos, sets measures that alone, ROWS= how many rows the typos are learnt from.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from database import install, value
from sentiment import data_sets
from workbench.bench import compared, parts, shown
from workbench.cluster import Cluster

COMMAND = "./run bench robustness"
ROWS = int(os.environ.get("ROWS", "4000"))
TRAININGS = {"as it is": {}, "FGM and a copy with typos": {"adversarial": "fgm", "augment": 1}}
ALPHAS = (0.2, 0.1, 0.05)
# Rows that sets are calibrated on: the share that they cover varies by a point then, whatever the model.
CALIBRATION = 1000


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    """Accuracy on clean rows and under typos; coverage of sets on three sets of data."""
    cluster.sql("CREATE DATABASE bench_robustness")
    where = {"host": cluster.host, "port": cluster.port, "user": "postgres", "password": None}
    install(**where, dbname="bench_robustness")
    with psycopg.connect(cluster.dsn("bench_robustness"), autocommit=True) as db:
        db.execute("CREATE TABLE row (data text, test bool, number int, text text, label text)")
        for data, both in data_sets().items():
            for test, given in zip((False, True), both, strict=True):
                with db.cursor().copy("COPY row FROM STDIN") as copy:
                    for number, (text, label) in enumerate(given):
                        copy.write_row((data, test, number, text, label))
        there: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
            "sets": lambda: _sets(db),
            "typos": lambda: _typos(db),
        }
        return shown(itertools.chain.from_iterable(there[part]() for part in parts(there)))


def _sets(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    """A head learns from the rows after those that it is calibrated on."""
    query = "SELECT text, label FROM row WHERE data = '{}' AND NOT test AND number {} {}"
    for data in ("film reviews", "product reviews", "tweets"):
        name = data.replace(" ", "-")
        count = min(CALIBRATION, value(db, "SELECT count(*) / 2 FROM row WHERE data = %s AND NOT test", data))
        db.execute("SELECT llm_fit(%s, 'classify', %s)", (name, query.format(data, ">=", count)))
        db.execute("SELECT llm_calibrate(%s, %s)", (name, query.format(data, "<", count)))
        for alpha in ALPHAS:
            covered, size, tested = db.execute(
                """
                WITH tested AS (
                    SELECT array_agg(text ORDER BY number) AS texts, array_agg(label ORDER BY number) AS labels
                    FROM row WHERE data = %s AND test
                )
                SELECT avg((t.labels[s.ordinality] = ANY (s.labels))::int), avg(cardinality(s.labels)), count(*)
                FROM tested AS t, llm_classify_set_batch(t.texts, %s, %s) AS s
                """,
                (data, name, alpha),
            ).fetchall()[0]
            what = f"{data}: sets at alpha {alpha:g}, {tested} rows, {size:.2f} labels a row"
            yield compared(COMMAND, what, "1 - alpha", 1 - alpha, float(covered), "coverage", True, 3)


def _typos(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    data = "film reviews"
    query = f"SELECT text, label FROM row WHERE data = '{data}' AND NOT test AND number < {ROWS}"
    test = f"SELECT text, label FROM row WHERE data = '{data}' AND test"
    found = []
    for what, options in TRAININGS.items():
        name = what.replace(" ", "-")
        given = json.dumps({"epochs": 2, "max_tokens": 64, **options})
        fit = "SELECT llm_fit(%s, 'classify', %s, method => 'finetune', options => %s)"
        db.execute(fit, (name, query, given))
        told = db.execute("SELECT attack, accuracy FROM llm_robustness(%s, %s, '{typos}')", (name, test)).fetchall()
        found.append(dict(told))
    for attack in ("none", "typos"):
        before, after = (each[attack] for each in found)
        what = f"{data}, {ROWS} rows, attack {attack}: FGM and a copy with typos"
        yield compared(COMMAND, what, "finetune as it is", before, after, "accuracy", True, 3)
