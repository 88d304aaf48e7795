"""Progress reports of long-running commands, for the view llm_progress.

The model host keeps the reports, so that other sessions see them before the work commits, and they vanish with the
reporting session.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from pg_llm import interrupts
from pg_llm.database.connection import Connection
from pg_llm.runtime import client, lock

Report = Callable[[str, int, int], None]


def read_reports(db: Connection) -> list[dict[str, Any]]:
    """The reports of this database that the caller's roles may see."""
    try:
        reports = client.inquire({"op": "progress"}, db.poll) or []
    except client.NotAnswering:
        return [{**_EMPTY, "pid": lock.holder(), "command": "model host", "phase": "not answering"}]
    database = db.rows("SELECT current_database()::text AS name")[0]["name"]
    # Other databases' texts are not even parsed: they may be invalid in this one's encoding.
    reports = [report for report in reports if report["datname"] == database]
    return db.rows(
        """
        SELECT p.pid, p.usename, p.command, p.target, p.name, p.phase, p.done, p.total, p.started_at, p.detail::text
        FROM jsonb_to_recordset($1::jsonb) AS p(
            pid int, usename text, command text, target text, name text, phase text, done bigint, total bigint,
            started_at timestamptz, detail jsonb
        )
        JOIN pg_roles AS r ON r.rolname = p.usename
        WHERE (pg_has_role(r.oid, 'USAGE') OR pg_has_role('pg_read_all_stats', 'USAGE'))
        """,
        ("text",),
        (json.dumps(reports),),
    )


_EMPTY: dict[str, Any] = dict.fromkeys(
    ("pid", "usename", "command", "target", "name", "phase", "done", "total", "started_at", "detail")
)


def session_fields(db: Connection, command: str, target: str, name: str) -> dict[str, Any]:
    """The fields that all reports of a command share: session, user, database, start and arguments."""
    session = db.rows(
        # Under the caller's search path in part: llm_merge fires triggers.
        "SELECT pg_catalog.pg_backend_pid() AS pid, pg_catalog.current_database()::pg_catalog.text AS datname,"
        " CURRENT_USER::pg_catalog.text AS usename,"
        " pg_catalog.to_jsonb(pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.#>>) '{}' AS started_at"
    )[0]
    return {**session, "command": command, "target": target, "name": name}


@contextlib.contextmanager
def reporting(db: Connection, command: str, target: str, name: str) -> Iterator[Report]:
    """Report progress while the block runs, by the function of phase, done and total (rows) that it is given."""
    with reporting_as(db, session_fields(db, command, target, name)) as report:
        yield report


@contextlib.contextmanager
def reporting_as(db: Connection, fields: dict[str, Any]) -> Iterator[Report]:
    """As `reporting`, with fields that the command has already."""

    def report(phase: str, done: int, total: int) -> None:
        client.inform({"op": "report", "report": {**fields, "phase": phase, "done": done, "total": total}}, db.poll)

    try:
        yield report
        client.inform({"op": "report", "report": None}, db.poll)
    except BaseException:
        with interrupts.deferred():
            client.abandon()
        raise
