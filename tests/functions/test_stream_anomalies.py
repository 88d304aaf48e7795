"""Scores of alerts that look at seasons, at the nearest of the last texts, and at shares of labels."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from database import value
from psycopg import errors
from streams import Reader, create

START = datetime(2026, 1, 5, tzinfo=UTC)


def alert(db: psycopg.Connection, name: str, source: str, condition: str, score: dict[str, Any]) -> None:
    db.execute("CALL stream_alert(%s, %s, %s, score => %s)", (name, source, condition, json.dumps(score)))


def test_a_season(db: psycopg.Connection) -> None:
    create(db, columns='["id int", "load float8", "at timestamptz"]', event_time="at")
    alert(db, "odd", "payments", "abs(score) > 20", {"method": "seasonal", "value": "load", "hours": 24})
    chance = random.Random(5)
    rows = []
    for hour in range(24 * 8):
        load = (100 if 8 <= hour % 24 < 20 else 10) + chance.gauss(0, 2)
        rows.append({"id": hour, "load": load, "at": (START + timedelta(hours=hour)).isoformat()})
    # By night what is usual by day; by day it would be nothing.
    rows[24 * 6 + 3]["load"] = 100.0
    Reader(db, "payments").write([json.dumps(row) for row in rows])
    assert db.execute("SELECT evidence ->> 'id' FROM stream_alarm").fetchall() == [(str(24 * 6 + 3),)]


def test_a_text_like_none_before(db: psycopg.Connection) -> None:
    transform = """
        WITH numbered AS (SELECT *, row_number() OVER () AS number FROM batch)
        SELECT n.id, n.body, n.at, e.embedding FROM numbered AS n JOIN llm_embed_batch(
            (SELECT array_agg(body ORDER BY number) FROM numbered)
        ) AS e ON e.ordinality = n.number
    """
    create(db, columns='["id int", "body text", "at timestamptz"]', event_time="at", transform=transform)
    alert(db, "new", "payments", "score > 0.5", {"method": "novelty", "value": "embedding"})
    subjects = ("order", "parcel", "invoice", "delivery", "refund")
    bodies = [f"Where is my {subjects[n % 5]} number {n}?" for n in range(30)]
    bodies += ["A gas leak in the kitchen, send the fire brigade at once!", "When will my order number 77 arrive?"]
    rows = [{"id": n, "body": body, "at": (START + timedelta(minutes=n)).isoformat()} for n, body in enumerate(bodies)]
    reader = Reader(db, "payments")
    for first in range(0, len(rows), 8):
        reader.write([json.dumps(row) for row in rows[first : first + 8]])
    assert db.execute("SELECT evidence ->> 'id' FROM stream_alarm").fetchall() == [("30",)]
    assert 0.5 < float(value(db, "SELECT evidence ->> 'score' FROM stream_alarm")) < 2
    # A vector of zeros has no direction, and so no distance.
    create(db, columns='["id int", "at timestamptz", "embedding vector"]', event_time="at")
    zeros = {"id": 99, "at": (START + timedelta(days=1)).isoformat(), "embedding": str([0] * 384)}
    assert reader.write([json.dumps(zeros)]) == 1
    assert value(db, "SELECT count(*) FROM stream_alarm") == 1
    assert value(db, "SELECT count(*) FROM stream_dead_letter") == 0


def test_shares_that_drift(db: psycopg.Connection) -> None:
    create(db, columns='["id int", "label text", "at timestamptz"]', event_time="at")
    db.execute("CALL stream_window('shares', 'payments', 'tumbling', '1 hour', group_by => '{label}')")
    alert(db, "drift", "shares", "score > 0.25", {"method": "drift", "value": "rows", "last": 5})
    chance = random.Random(7)
    reader = Reader(db, "payments")
    for hour in range(12):
        # From the ninth hour on complaints are many; before, shares only fluctuate.
        weights = (6, 3, 1) if hour < 9 else (2, 3, 6)
        labels = chance.choices(("praise", "question", "complaint"), weights, k=200)
        rows = [
            {"id": n, "label": label, "at": (START + timedelta(hours=hour, seconds=n)).isoformat()}
            for n, label in enumerate(labels)
        ]
        reader.write([json.dumps(row) for row in rows])
    hours = db.execute("SELECT (evidence ->> 'window_start')::timestamptz FROM stream_alarm ORDER BY 1").fetchall()
    # Once for each window, from the first one that differs on, until what is new is usual.
    assert hours[0][0] == START + timedelta(hours=9)
    assert len(set(hours)) == len(hours) <= 3


def test_scores_that_these_rows_cannot_have(db: psycopg.Connection) -> None:
    create(db)
    novelty = {"method": "novelty", "value": "amount"}
    for score, match in (
        ({"method": "seasonal", "value": "amount"}, "needs rows with a time"),
        (novelty, "needs rows with a time"),
        ({"method": "seasonal", "value": "amount", "hours": 1}, "hours"),
        ({"method": "novelty", "value": "amount", "last": 1e9}, "last"),
        ({"method": "drift", "value": "rows"}, "needs rows with a time"),
    ):
        with pytest.raises(errors.InvalidParameterValue, match=match):
            alert(db, "a", "payments", "score > 1", score)
    create(db, event_time="sent_at")
    with pytest.raises(errors.InvalidParameterValue, match="cannot be read"):
        alert(db, "a", "payments", "score > 1", novelty)
    db.execute("CALL stream_window('w', 'payments', 'tumbling', '1 hour')")
    for source in ("payments", "w"):
        with pytest.raises(errors.InvalidParameterValue, match="grouped by the labels"):
            alert(db, "a", source, "score > 1", {"method": "drift", "value": "rows"})
