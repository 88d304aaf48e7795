"""Alerts are defined over a stream or its windows, and dropped; what they raised is delivered by a worker."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pg_llm.database import search_path
from pg_llm.database.connection import Connection, DatabaseError, Row
from pg_llm.database.security_context import as_extension_owner
from pg_llm.errors import InvalidInput, UndefinedStream
from pg_llm.streams import alerts, anomaly, comparison, compilation, definition, lifecycle, windowing, writing
from pg_llm.streams.definition import Stream

ACTIONS = (*alerts.AT_ONCE, "webhook", "kafka")
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,62}")
_INSERT = """
    INSERT INTO llm.all_stream_alert (stream, "window", name, condition, action, dedupe, cooldown, score, settings,
                                      usename)
    VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7::interval, $8::jsonb, $9::jsonb, pg_get_userbyid($10::oid)) RETURNING id
"""
_TYPES = ("int4", "int4", *("text",) * 7, "int8")
# A time beyond could not be counted back from every event.
_IS_COOLDOWN = "SELECT $1::interval BETWEEN '0' AND '100 years' AS found"
_FIND = """
    SELECT a.id FROM llm.all_stream_alert AS a JOIN llm.all_stream AS s ON s.id = a.stream
    JOIN pg_class AS t ON t.oid = s.target WHERE a.name = $1 AND pg_has_role($2::oid, t.relowner, 'USAGE')
"""
_DELIVERED = """
    UPDATE llm.all_stream_alarm AS m SET error = $2, delivered_at = CASE WHEN $2 IS NULL THEN clock_timestamp() END
    FROM llm.all_stream_alert AS a JOIN llm.all_stream AS s ON s.id = a.stream JOIN pg_class AS c ON c.oid = s.target
    WHERE m.id = $1 AND a.id = m.alert AND pg_has_role($3::oid, c.relowner, 'USAGE')
"""
# Each owner's oldest first; those that failed once come last.
_WAITING = """
    SELECT m.id, a.name, a.action::text AS action, s.source::text AS source, m.evidence::text AS evidence,
           to_json(m.at) #>> '{}' AS at
    FROM llm.all_stream_alert AS a
    JOIN llm.all_stream AS s ON s.id = a.stream JOIN pg_class AS c ON c.oid = s.target
    JOIN pg_roles AS r ON r.rolname = a.usename
    CROSS JOIN LATERAL (
        SELECT w.* FROM llm.all_stream_alarm AS w WHERE w.alert = a.id AND w.delivered_at IS NULL
        ORDER BY w.error IS NOT NULL, w.id LIMIT $2
    ) AS m
    WHERE pg_has_role($1::oid, c.relowner, 'USAGE') AND pg_has_role(r.oid, c.relowner, 'USAGE')
    ORDER BY m.error IS NOT NULL, row_number() OVER (PARTITION BY c.relowner, m.error IS NOT NULL ORDER BY m.id), m.id
    LIMIT $2
"""


def create(
    db: Connection,
    name: str,
    source: str,
    condition: str,
    action: str,
    to: str | None,
    dedupe: str | None,
    cooldown: str | None,
    score: Any,
) -> None:
    """Define an alert over a stream, or over windows, of that name; the rest means what it means to the caller."""
    lifecycle.check_name(name)
    stream, window, relation, groups = _source(db, source)
    definition.check_trusted(stream)
    lifecycle.check_free(db, name)
    told: dict[str, Any] = {"kind": action, "to": _receiver(stream, action, to)}
    chosen = anomaly.checked(score) if score is not None else None
    settings = definition.current_settings(db)
    path = settings["search_path"]
    settings["search_path"] = path if "pg_temp" in path else ", ".join(filter(None, (path, "pg_temp")))
    alert = alerts.Alert(0, name, window, condition, told, dedupe, cooldown, chosen, settings, relation, groups)
    _check_score(stream, alert)
    if cooldown is not None and not db.rows(_IS_COOLDOWN, ("text",), (cooldown,))[0]["found"]:
        raise InvalidInput("cooldown must lie between 0 and 100 years", hint="Write cooldown => '1 hour'.")
    db.run_as(stream.owner, lambda: _check(db, stream, alert))
    resolved = replace(
        alert,
        condition=compilation.resolved_expression(db, "condition", relation, condition),
        dedupe=dedupe and compilation.resolved_expression(db, "expression of dedupe", relation, dedupe),
    )
    db.run_as(stream.owner, lambda: _check(db, stream, resolved))
    writing.lock_all(db, stream.id)
    _insert(db, stream, resolved)


def find(db: Connection, name: str) -> int | None:
    """The number of the alert of that name, if it is the caller's."""
    rows = _find(db, name, db.current_role())
    return int(rows[0]["id"]) if rows else None


def stream_of(db: Connection, number: int) -> Stream:
    """The stream whose alert it is."""
    return definition.by_id(db, _stream_of(db, number))


def waiting(db: Connection, limit: int) -> list[Row]:
    """Alarms that a worker of the caller's has to deliver."""
    return _waiting(db, db.current_role(), limit)


def delivered(db: Connection, number: int, error: str | None) -> None:
    """Note that an alarm was delivered, or why it was not."""
    _delivered(db, number, error[:2000] if error else None, db.current_role())


@as_extension_owner
def drop(db: Connection, number: int) -> None:
    """Forget an alert, with what it has raised."""
    db.rows("DELETE FROM llm.all_stream_alert AS a WHERE a.id = $1", ("int4",), (number,))


def _source(db: Connection, name: str) -> tuple[Stream, int | None, str, list[str] | None]:
    """The stream, the number of the windows, the relation whose rows are watched, and the windows' groups."""
    if row := windowing.find(db, name):
        if row["own"]:
            return definition.by_id(db, row["stream"]), row["id"], row["relation"], row["group_by"]
        raise UndefinedStream(f'the table of the windows "{name}" is gone', hint="stream_drop() forgets them.")
    stream = definition.reading(db, name)
    return stream, None, stream.relation, None


def _receiver(stream: Stream, action: str, to: str | None) -> str | None:
    if action == "table":
        return None
    if not to or len(to.encode()) > 249:
        raise InvalidInput(f'the action {action} needs "to"', hint="A channel, a topic, or the name of a webhook.")
    if action == "notify" and len(to.encode()) > 63:
        raise InvalidInput("a channel has at most 63 bytes")
    if action == "webhook" and not _NAME.fullmatch(to):
        raise InvalidInput(
            f'"{to[:80]}" is no name of a webhook',
            hint="PG_LLM_WEBHOOK_name in the worker's environment has its address.",
        )
    if action == "kafka" and stream.source["kind"] != "kafka":
        raise InvalidInput("an alarm goes to the brokers that the stream reads from, and this one reads from none")
    return to


def _check_score(stream: Stream, alert: alerts.Alert) -> None:
    """Raise InvalidInput for a score that these rows cannot have."""
    method = (alert.score or {}).get("method")
    if method in ("seasonal", "novelty", "drift") and alerts.time_column(stream, alert.window) is None:
        raise InvalidInput(
            f"the score {method} needs rows with a time", hint="stream_create() again with event_time, or name windows."
        )
    if method == "drift" and not set(alert.group_by or ()) - set((alert.score or {})["group"]):
        raise InvalidInput(
            "the score drift is of windows that are grouped by the labels",
            hint="""stream_window(group_by => '{label}').""",
        )


def _check(db: Connection, stream: Stream, alert: alerts.Alert) -> None:
    """Raise InvalidInput for a condition that cannot be read. To be called as the owner."""
    definition.apply(db, alert.settings)
    text = alerts.query(alert).replace("$1", "'[]'").replace("$2", "'{}'::pg_catalog.float8[]")
    try:
        with db.savepoint():
            db.describe(text)
            db.prepare(alerts.query(alert), alerts.TYPES)
            if alert.score is not None and alert.score["method"] in comparison.METHODS:
                with search_path.pinned(db):
                    db.prepare(alerts.comparison_query(db, stream, alert), comparison.TYPES)
    except DatabaseError as error:
        if error.sqlstate.startswith(("22", "42", "0A")):
            raise InvalidInput(
                f"the condition cannot be read: {error}",
                hint="It is an expression over the columns of the row r, and score.",
            ) from None
        raise


@as_extension_owner
def _insert(db: Connection, stream: Stream, alert: alerts.Alert) -> None:
    values = (
        *(stream.id, alert.window, alert.name, alert.condition, json.dumps(alert.action), alert.dedupe, alert.cooldown),
        *(json.dumps(alert.score) if alert.score else None, json.dumps(alert.settings), stream.owner),
    )
    db.rows(_INSERT, _TYPES, values)


@as_extension_owner
def _stream_of(db: Connection, number: int) -> int:
    query = "SELECT a.stream FROM llm.all_stream_alert AS a WHERE a.id = $1"
    return int(db.rows(query, ("int4",), (number,))[0]["stream"])


@as_extension_owner
def _find(db: Connection, name: str, role: int) -> Sequence[Row]:
    return db.rows(_FIND, ("text", "int8"), (name, role))


@as_extension_owner
def _waiting(db: Connection, role: int, limit: int) -> list[Row]:
    return db.rows(_WAITING, ("int8", "int8"), (role, limit))


@as_extension_owner
def _delivered(db: Connection, number: int, error: str | None, role: int) -> None:
    db.rows(_DELIVERED, ("int8", "text", "int8"), (number, error, role))
