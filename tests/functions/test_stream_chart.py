"""stream_chart: records and lag by minute, values of windows, alarms as marks."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from database import value
from psycopg import errors
from streams import Reader, create, payments


def drawn(db: psycopg.Connection, name: str) -> dict[str, Any]:
    return dict(value(db, "SELECT stream_chart(%s)", name))


def alarms(spec: dict[str, Any]) -> list[tuple[str, str]]:
    return [(row["x"], row["alarm"]) for row in spec["data"]["values"] if "alarm" in row]


def test_streams_and_windows(db: psycopg.Connection) -> None:
    db.execute("SET timezone = 'UTC'")
    create(db, event_time="sent_at")
    assert drawn(db, "payments")["encoding"]["text"] == {"value": "0 rows"}
    db.execute("CALL stream_window('hourly', 'payments', 'tumbling', '1 hour', group_by => '{id}')")
    db.execute("CALL stream_window('all', 'payments', 'tumbling', '1 hour')")
    db.execute("CALL stream_alert('many', 'all', 'rows >= 2')")
    db.execute("CALL stream_alert('large', 'payments', 'amount > 100')")
    reader = Reader(db, "payments")
    day = "2026-01-01T{:02}:10:00Z"
    reader.write(payments((1, 500, day.format(9)), (2, 5, day.format(9)), (1, 7, day.format(10))))
    # One line of the values for each group.
    grouped = drawn(db, "hourly")
    assert {(row["x"], row["series"], row["value"]) for row in grouped["data"]["values"]} == {
        ("2026-01-01T09:00:00Z", "1", 1),
        ("2026-01-01T09:00:00Z", "2", 1),
        ("2026-01-01T10:00:00Z", "1", 1),
    }
    assert "layer" not in grouped
    # The window that raised an alarm has a mark.
    marked = drawn(db, "all")
    lines, rules = marked["layer"]
    assert lines["mark"]["type"] == "line"
    assert rules["mark"]["type"] == "rule"
    assert alarms(marked) == [("2026-01-01T09:00:00Z", "many")]
    # A stream has records by minute, and the alarms when they were raised.
    db.execute("UPDATE llm.stream_minute SET minute = minute - interval '2 min'")
    reader.write(payments((3, 1, day.format(11))))
    stream = drawn(db, "payments")
    rows = [row["value"] for row in stream["data"]["values"] if row.get("series") == "rows"]
    assert sum(rows) == 4
    assert len(rows) >= 3
    assert {alert for _, alert in alarms(stream)} == {"many", "large"}


def test_old_minutes_are_forgotten(db: psycopg.Connection) -> None:
    create(db)
    reader = Reader(db, "payments")
    reader.write(payments((1, 1, None)))
    db.execute("UPDATE llm.stream_minute SET minute = minute - interval '25 h'")
    reader.write(payments((2, 1, None)))
    assert db.execute("SELECT count(*), sum(rows) FROM llm.stream_minute").fetchall() == [(1, 1)]


def test_hostile_names_and_others(db: psycopg.Connection, role: str) -> None:
    create(db, columns=json.dumps(["id bigint", "sent_at timestamptz"]), event_time="sent_at")
    db.execute("""CALL stream_window('a "w', 'payments', 'session', '1 h', aggregates => '{"a\\"; b": "count(*)"}')""")
    Reader(db, "payments").write(['{"id": 1, "sent_at": "2026-01-01T00:00:00Z"}'])
    assert [row["value"] for row in drawn(db, 'a "w')["data"]["values"]] == [1]
    for name, error in ((None, errors.InvalidParameterValue), ("nothing", errors.UndefinedObject)):
        with pytest.raises(error):
            value(db, "SELECT stream_chart(%s)", name)
    db.execute(f"SET ROLE {role}")
    for name in ("payments", 'a "w'):
        with pytest.raises(errors.UndefinedObject):
            value(db, "SELECT stream_chart(%s)", name)
