"""The model registry: registration, replacement and removal, loading and unloading, and the host's status."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pg_llm import arguments
from pg_llm.database import model_files, models
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.errors import DuplicateModel, InsufficientPrivilege, InvalidInput, ModelInUse
from pg_llm.runtime import client, lock

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")


def new_name(db: Connection, name: str | None, action: str) -> str:
    """The name, if it is valid and free and the caller may register models; `action` is for the error message."""
    name = arguments.required("name", name)
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f'not a model name: "{name}"', hint="Use letters, digits, '.', '_', '/' and '-', at most 63."
        )
    administer(db, action)
    if db.rows("SELECT FROM llm.model WHERE name = $1", ("text",), (name,)):
        raise DuplicateModel(f'model "{name}" is already registered')
    return name


def register(
    db: Connection,
    name: str,
    task: str,
    source: str,
    revision: str | None,
    options: dict[str, Any],
    base: dict[str, Any] | None = None,
) -> str:
    """Load a model once and add it to the registry; returns its digest. `base` is the model under a trained head.

    What is written down are the options as resolved: with the precision that was chosen.
    """
    wire = {
        "name": name,
        "task": task,
        "source": source,
        "revision": revision,
        "digest": None,
        "options": options,
        "base": base,
        "redactors": models.redactors(db, options),
    }
    request = {"op": "resolve", "model": wire}
    resolved = models.with_files(db, lambda: client.ask(models.engine(db), [request], db.poll)[0])
    added = db.rows(
        "INSERT INTO llm.model (name, task, source, revision, digest, options, dimensions, labels, base)"
        " VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9::jsonb) ON CONFLICT (name) DO NOTHING RETURNING name",
        ("text", "text", "text", "text", "text", "text", "int4", "text[]", "text"),
        (
            name,
            task,
            source,
            revision,
            resolved["digest"],
            json.dumps(resolved["options"]),
            resolved.get("dimensions"),
            resolved.get("labels"),
            json.dumps(base) if base else None,
        ),
    )
    if not added:
        raise DuplicateModel(f'model "{name}" has been registered meanwhile')
    return str(resolved["digest"])


def replace(db: Connection, name: str, by: str) -> None:
    """Let the name refer to the model of another name."""
    db.rows(
        """
        UPDATE llm.model AS m
        SET (source, revision, digest, options, base, dimensions, labels, calibration, registered_at) =
            (SELECT n.source, n.revision, n.digest, n.options, n.base, n.dimensions, n.labels, n.calibration, now()
             FROM llm.model AS n WHERE n.name = $2)
        WHERE m.name = $1
        """,
        ("text", "text"),
        (name, by),
    )


def set_calibration(db: Connection, name: str, digest: str | None, calibration: Sequence[float]) -> bool:
    """Keep the calibration with the model; false where the name stands for another one by now."""
    query = "UPDATE llm.model SET calibration = $3 WHERE name = $1 AND digest IS NOT DISTINCT FROM $2 RETURNING name"
    return bool(db.rows(query, ("text", "text", "float8[]"), (name, digest, list(calibration))))


def calibration_quantile(db: Connection, name: str, share: float) -> tuple[int, float | None]:
    """How many rows a model was calibrated on, and the least number that so large a share of one more lies below.

    None where the rows are too few for one.
    """
    query = """
        SELECT coalesce(cardinality(m.calibration), 0) AS rows,
               m.calibration[ceil((cardinality(m.calibration) + 1) * $2 - 1e-9)::int4] AS value
        FROM llm.model AS m WHERE m.name = $1
    """
    (row,) = db.rows(query, ("text", "float8"), (name, share))
    return row["rows"], row["value"]


def replace_files(db: Connection, name: str, digest: str) -> None:
    """Give a model that was trained here new files, and delete its old ones if nothing else uses them."""
    old = models.find(db, name)
    db.rows(
        "UPDATE llm.model SET source = $2, digest = $3, registered_at = now() WHERE name = $1",
        ("text", "text", "text"),
        (name, f"database:{digest}", digest),
    )
    if old.wire["digest"] != digest and model_files.drop_unused(db, old.wire["digest"]):
        client.ask_if_running({"op": "forget", "model": old.wire}, db.poll)


def drop_unless_in_use(db: Connection, name: str) -> None:
    """Drop a model. Raises ModelInUse if a semantic index or a recommender needs it."""
    model = models.find(db, name)
    users = db.rows("SELECT target::text AS target FROM llm.semantic_index WHERE model = $1", ("text",), (name,))
    if users:
        raise ModelInUse(
            f'model "{name}" is in use', detail=f"Indexed with it: {', '.join(row['target'] for row in users)}."
        )
    if db.rows("SELECT FROM llm.recommender WHERE name = $1", ("text",), (name,)):
        raise ModelInUse(f'model "{name}" is a recommender\'s', hint=f"SELECT llm_drop_recommender('{name}');")
    _drop(db, model)


def drop(db: Connection, name: str) -> None:
    """Drop a model without looking for users."""
    _drop(db, models.find(db, name))


def _drop(db: Connection, model: Model) -> None:
    db.rows("DELETE FROM llm.model WHERE name = $1", ("text",), (model.name,))
    trained = str(model.wire["source"]).startswith("database:")
    if not trained or model_files.drop_unused(db, model.wire["digest"]):
        client.ask_if_running({"op": "forget" if trained else "unload", "model": model.wire}, db.poll)


def load(db: Connection, name: str) -> None:
    """Load a model into memory."""
    models.find(db, name).ask("load")


def unload(db: Connection, name: str) -> bool:
    """Remove a model from memory; true if it was loaded."""
    model = models.find(db, name)
    administer(db, "unload a model")
    return bool(model.ask("unload"))


def status(db: Connection) -> list[dict[str, Any]]:
    """A row per registered model: its state and counts in the host, and the host's pid and start."""
    specs = [
        Model(db, row).wire
        for row in db.rows(
            "SELECT m.name, m.task, m.source, m.revision, m.digest, m.options::text AS options, m.base::text AS base,"
            " m.dimensions, m.labels, NULL AS engine FROM llm.model AS m ORDER BY m.name"
        )
    ]
    try:
        reported = client.inquire({"op": "status", "models": specs}, db.poll)
    except client.NotAnswering:
        not_answering = {**_UNLOADED, "host_pid": lock.holder(), "state": "not answering"}
        return [{**not_answering, "model": spec["name"], "task": spec["task"]} for spec in specs]
    if reported is None:
        return [{**_UNLOADED, "model": spec["name"], "task": spec["task"]} for spec in specs]
    host = {
        "host_pid": reported["pid"],
        "up_since": datetime.fromtimestamp(reported["started_at"], UTC).isoformat(),
    }
    states = zip(specs, reported["models"], strict=True)
    return [{**_UNLOADED, **host, **state, "model": spec["name"], "task": spec["task"]} for spec, state in states]


_UNLOADED: dict[str, Any] = {
    "host_pid": None,
    "up_since": None,
    "state": "unloaded",
    "device": None,
    "engine": None,
    "bytes": None,
    "calls": None,
    "rows": None,
    "queue": None,
    "memo_hits": None,
}


def administer(db: Connection, action: str, right: str = "INSERT") -> None:
    """Raise InsufficientPrivilege unless the caller has the right on the registry."""
    # Checked before anything is loaded, as loading reads the server's files.
    query = "SELECT has_table_privilege('llm.model', $1) AS allowed"
    allowed = db.rows(query, ("text",), (right,))[0]["allowed"]
    if not allowed:
        raise InsufficientPrivilege(
            f"permission denied to {action}",
            hint=f"GRANT {right} ON llm.model allows it; the manual's chapter on security says to whom.",
        )
