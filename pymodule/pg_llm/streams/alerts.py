"""Alerts: a condition over rows that a stream wrote, or over windows that changed, and what follows where it holds.

The alarm is kept with the row that raised it, in the transaction that wrote the row: each row raises it once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pg_llm.database import search_path
from pg_llm.database.connection import Connection, Row
from pg_llm.database.security_context import as_extension_owner
from pg_llm.streams import anomaly, comparison, definition
from pg_llm.streams.definition import Stream

_OF_STREAM = """
    SELECT a.id, a.name, a."window", a.condition, a.action::text AS action, a.dedupe, a.cooldown::text AS cooldown,
           a.score::text AS score, a.settings::text AS settings,
           format('%I.%I', coalesce(v.nspname, n.nspname), coalesce(b.relname, c.relname)) AS relation,
           w.group_by
    FROM llm.all_stream_alert AS a JOIN llm.all_stream AS s ON s.id = a.stream
    JOIN pg_class AS c ON c.oid = s.target JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_roles AS r ON r.rolname = a.usename
    LEFT JOIN llm.all_stream_window AS w ON w.id = a."window" AND w.stream = a.stream
    LEFT JOIN pg_class AS b ON b.oid = w.relation AND b.relowner = c.relowner
    LEFT JOIN pg_namespace AS v ON v.oid = b.relnamespace
    WHERE a.stream = $1 AND pg_has_role(r.oid, c.relowner, 'USAGE') AND (a."window" IS NULL OR b.oid IS NOT NULL)
    ORDER BY a.id
"""
_STATES = (
    "SELECT s.group_key, s.state::text AS state FROM llm.stream_score AS s WHERE s.alert = $1 AND s.group_key = ANY($2)"
)
_REMEMBER = """
    INSERT INTO llm.stream_score (alert, group_key, state)
    SELECT $1, n.key, n.state::jsonb FROM unnest($2, $3) AS n (key, state)
    ON CONFLICT (alert, group_key) DO UPDATE SET state = excluded.state
"""
# Without a cooldown a key raises an alarm once and for all.
_RAISE = """
    INSERT INTO llm.all_stream_alarm (alert, at, dedupe_key, evidence, delivered_at)
    SELECT $1, m.at, $3, $4::jsonb || CASE WHEN $7 IS NULL THEN '{}' ELSE jsonb_build_object('score', $7) END,
           CASE WHEN $6 THEN clock_timestamp() END
    FROM (SELECT coalesce($2::timestamptz, clock_timestamp()) AS at) AS m
    WHERE $3 IS NULL OR NOT EXISTS (
        SELECT FROM llm.all_stream_alarm AS a WHERE a.alert = $1 AND a.dedupe_key = $3
        AND ($5 IS NULL OR a.at > m.at - $5::interval AND a.at < m.at + $5::interval)
    )
    RETURNING id
"""
# To publications of the alert: only those of the same target, and so of the same owner.
_PUBLISH = """
    INSERT INTO llm.stream_change (stream, event, payload)
    SELECT p.id, 'alarm',
           jsonb_build_object('id', m.id, 'alert', a.name, 'at', m.at, 'evidence', m.evidence)::text
    FROM llm.all_stream_alarm AS m JOIN llm.all_stream_alert AS a ON a.id = m.alert
    JOIN llm.all_stream AS s ON s.id = a.stream JOIN llm.all_stream AS p ON p.target = s.target
    WHERE m.id = $1 AND p.publish @> jsonb_build_object('alert', a.id)
"""
_RAISE_TYPES = (*("int4", "text", "text", "text", "text"), "bool", "float8")
# What is done in the transaction itself; the worker does the rest after it.
AT_ONCE = ("table", "notify")


@dataclass(frozen=True, slots=True)
class Alert:
    """The definition of an alert; `relation` is the target or the windows' table, `group_by` the windows' groups."""

    id: int
    name: str
    window: int | None
    condition: str
    action: dict[str, Any]
    dedupe: str | None
    cooldown: str | None
    score: dict[str, Any] | None
    settings: dict[str, str]
    relation: str
    group_by: list[str] | None


def of_stream(db: Connection, stream: Stream) -> list[Alert]:
    """The alerts over a stream, and over its windows."""
    alerts = []
    for row in _rows(db, stream.id):
        read = {name: json.loads(row[name]) if row[name] else None for name in ("action", "score", "settings")}
        alerts.append(Alert(**{**row, **read}))
    return alerts


def query(alert: Alert) -> str:
    """The rows among $1, a JSON array, for which the condition holds; $2 are their scores."""
    dedupe = f"(\n{alert.dedupe}\n)::pg_catalog.text" if alert.dedupe is not None else "NULL::pg_catalog.text"
    return (
        f"SELECT stream_element.stream_row::pg_catalog.text AS evidence, stream_score.score, {dedupe} AS dedupe_key"
        " FROM pg_catalog.jsonb_array_elements($1::pg_catalog.jsonb) WITH ORDINALITY"
        " AS stream_element (stream_row, stream_number)"
        f" CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::{alert.relation}, stream_element.stream_row) AS r"
        " CROSS JOIN LATERAL (SELECT ($2)[stream_element.stream_number] AS score) AS stream_score"
        f" WHERE (\n{alert.condition}\n) ORDER BY stream_element.stream_number"
    )


TYPES = ("text", "float8[]")


def evaluate(db: Connection, stream: Stream, alert: Alert, rows: str) -> int:
    """Raise the alarm for rows that were written, a JSON array. Returns how often.

    To be called as the target's owner.
    """
    if rows == "[]":
        return 0
    scores = _scores(db, stream, alert, rows) if alert.score is not None else []

    def under_settings() -> list[Row]:
        definition.apply(db, alert.settings)
        return db.rows(query(alert), TYPES, (rows, scores))

    # What is set is put back with the role.
    return sum(_raise(db, stream, alert, hit) for hit in db.run_as(db.current_role(), under_settings))


def time_column(stream: Stream, window: int | None) -> str | None:
    """The column of a row, or of a window, by which it comes before others."""
    return "window_start" if window is not None else stream.event_time


def comparison_query(db: Connection, stream: Stream, alert: Alert) -> str:
    """The query with the scores of rows that are compared with others of their table. Needs a pinned path."""
    score = alert.score or {}
    labels = [name for name in alert.group_by or () if name not in score["group"]]
    return comparison.query(db, score, alert.relation, str(time_column(stream, alert.window)), labels)


def _scores(db: Connection, stream: Stream, alert: Alert, written: str) -> list[float | None]:
    chosen = alert.score or {}
    if chosen["method"] in comparison.METHODS:
        with search_path.pinned(db):
            compared = db.rows(comparison_query(db, stream, alert), comparison.TYPES, (written,))
        given = [row["score"] for row in compared]
        return [each if each is not None and math.isfinite(each) else None for each in given]
    rows: list[dict[str, Any]] = json.loads(written)
    keys = [json.dumps([row.get(name) for name in chosen["group"]]) for row in rows]
    states = _states(db, alert.id, sorted(set(keys)))
    found: list[float | None] = []
    for key, row in zip(keys, rows, strict=True):
        value: Any = row.get(chosen["value"])
        state = states.setdefault(key, {})
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        at = _seconds(row.get(str(time_column(stream, alert.window))))
        found.append(anomaly.score(chosen, state, float(value), at) if is_number else None)
    _remember(db, alert.id, states)
    return found


def _seconds(moment: Any) -> float | None:
    """The seconds of a time in JSON since 1970, one without an offset being in UTC; None for what is none."""
    try:
        parsed = datetime.fromisoformat(moment)
    except (TypeError, ValueError):
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def _raise(db: Connection, stream: Stream, alert: Alert, hit: Row) -> int:
    evidence = json.loads(hit["evidence"])
    at = evidence.get("window_end" if alert.window is not None else stream.event_time)
    key = hit["dedupe_key"]
    if alert.dedupe is None and alert.window is not None:
        # A window that changes again is the same window.
        groups = alert.group_by or ()
        if alert.score is not None and alert.score["method"] == "drift":
            # All labels of a window drift together.
            groups = [name for name in groups if name in alert.score["group"]]
        key = json.dumps([evidence.get(name) for name in ("window_start", *groups)])
    number = _keep(db, alert, at, key, hit["evidence"], hit["score"])
    if number is None:
        return 0
    if alert.action["kind"] == "notify":
        # Not the row: any role of the database may listen.
        payload = json.dumps({"id": number, "alert": alert.name})
        db.rows("SELECT pg_catalog.pg_notify($1, $2)", ("text", "text"), (alert.action["to"], payload))
    return 1


@as_extension_owner
def _keep(
    db: Connection, alert: Alert, at: str | None, key: str | None, evidence: str, score: float | None
) -> int | None:
    done = alert.action["kind"] in AT_ONCE
    rows = db.rows(_RAISE, _RAISE_TYPES, (alert.id, at, key, evidence, alert.cooldown, done, score))
    if not rows:
        return None
    db.rows(_PUBLISH, ("int8",), (rows[0]["id"],))
    return int(rows[0]["id"])


@as_extension_owner
def _rows(db: Connection, stream: int) -> list[Row]:
    return db.rows(_OF_STREAM, ("int4",), (stream,))


@as_extension_owner
def _states(db: Connection, alert: int, keys: list[str]) -> dict[str, anomaly.State]:
    return {row["group_key"]: json.loads(row["state"]) for row in db.rows(_STATES, ("int4", "text[]"), (alert, keys))}


@as_extension_owner
def _remember(db: Connection, alert: int, states: Mapping[str, anomaly.State]) -> None:
    texts = [json.dumps(state) for state in states.values()]
    db.rows(_REMEMBER, ("int4", "text[]", "text[]"), (alert, list(states), texts))
