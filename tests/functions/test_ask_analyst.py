"""Forty questions of an analyst about a shop of eight tables, by somebody who had not seen how questions are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from database import install
from nl2sql import OWN, right
from workbench.cluster import Cluster

QUESTIONS: list[dict[str, Any]] = json.loads((OWN / "analyst.json").read_text(encoding="utf-8"))
# Answered rightly without a model when this was written.
FEWEST_RIGHT = 4


@pytest.fixture(scope="module")
def shop(cluster: Cluster) -> Iterator[psycopg.Connection]:
    cluster.sql("CREATE DATABASE analyst")
    install(host=cluster.host, port=cluster.port, user="postgres", password=None, dbname="analyst")
    with psycopg.connect(cluster.dsn("analyst"), autocommit=True) as db:
        db.execute((OWN / "analyst.sql").read_bytes())
        db.execute("SET llm.ask_log = on")
        yield db


def verdict(db: psycopg.Connection, gold: str | list[str] | None, answer: str | None, sql: str) -> str:
    if answer is None:
        return "silent"
    golds = [gold] if isinstance(gold, str) else gold or []
    return "right" if any(right(db, each.rstrip("; "), sql) for each in golds) else "wrong"


def test_without_a_model_none_is_answered_wrongly(shop: psycopg.Connection) -> None:
    asked: dict[int, Any] = {}
    verdicts = []
    for number, question in enumerate(QUESTIONS):
        before = asked.get(question.get("after"))
        row = shop.execute(
            "SELECT answer, sql, id FROM ask(%s, after => %s)", (question["question"], before)
        ).fetchone()
        assert row is not None
        answer, sql, asked[number] = row
        verdicts.append((verdict(shop, question["sql"], answer, sql), question["question"], sql))
    assert [each for each in verdicts if each[0] == "wrong"] == []
    assert sum(each[0] == "right" for each in verdicts) >= FEWEST_RIGHT
    assert len(verdicts) == 40
