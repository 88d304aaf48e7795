"""The registry of models: which there are, what they are doing, and who adds one."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from pg_llm import arguments
from pg_llm.database import model_files, models
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.errors import DuplicateModel, InsufficientPrivilege, InvalidInput, ModelInUse
from pg_llm.runtime import client, lock

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")


def llm_register_model(
    db: Connection,
    name: str | None,
    task: str | None,
    source: str | None,
    revision: str | None,
    options: dict[str, Any] | None,
) -> str:
    """Add a model to the registry, after loading it once; returns its digest."""
    task, source = arguments.required("task", task), arguments.required("source", source)
    chosen = arguments.options(options)
    return register(db, new_name(db, name, "register a model"), task, source, revision, chosen)


def new_name(db: Connection, name: str | None, what: str) -> str:
    """A name that can be registered, by somebody who may do so. Raises what stands in the way."""
    name = arguments.required("name", name)
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f'not a model name: "{name}"', hint="Use letters, digits, '.', '_', '/' and '-', at most 63."
        )
    administer(db, what)
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
    """Load a model once and add it to the registry; returns its digest. `base` is what a trained head reads with."""
    wire = {
        "name": name,
        "task": task,
        "source": source,
        "revision": revision,
        "digest": None,
        "options": options,
        "base": base,
    }
    request = {"op": "resolve", "model": wire}
    found = models.with_files(db, lambda: client.ask(models.engine(db), [request], db.poll)[0])
    added = db.rows(
        "INSERT INTO llm.model (name, task, source, revision, digest, options, dimensions, labels, base)"
        " VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9::jsonb) ON CONFLICT (name) DO NOTHING RETURNING name",
        ("text", "text", "text", "text", "text", "text", "int4", "text[]", "text"),
        (
            name,
            task,
            source,
            revision,
            found["digest"],
            json.dumps(options),
            found.get("dimensions"),
            found.get("labels"),
            json.dumps(base) if base else None,
        ),
    )
    if not added:
        raise DuplicateModel(f'model "{name}" has been registered meanwhile')
    return str(found["digest"])


def replace(db: Connection, name: str, by: str) -> None:
    """Let a name stand for what another one stands for."""
    db.rows(
        """
        UPDATE llm.model AS m SET (source, revision, digest, options, base, dimensions, labels, registered_at) =
            (SELECT n.source, n.revision, n.digest, n.options, n.base, n.dimensions, n.labels, now()
             FROM llm.model AS n WHERE n.name = $2)
        WHERE m.name = $1
        """,
        ("text", "text"),
        (name, by),
    )


def replace_files(db: Connection, name: str, digest: str) -> None:
    """Let a model that was trained here have other files, and forget those that it had."""
    old = models.find(db, name)
    db.rows(
        "UPDATE llm.model SET source = $2, digest = $3, registered_at = now() WHERE name = $1",
        ("text", "text", "text"),
        (name, f"database:{digest}", digest),
    )
    if old.wire["digest"] != digest and model_files.drop_unused(db, old.wire["digest"]):
        client.ask_if_running({"op": "forget", "model": old.wire}, db.poll)


def llm_drop_model(db: Connection, name: str | None) -> None:
    """Remove a model from the registry; an error while a semantic index still needs it."""
    found = models.find(db, arguments.required("name", name))
    users = db.rows("SELECT target::text AS target FROM llm.embedding_column WHERE model = $1", ("text",), (name,))
    if users:
        raise ModelInUse(
            f'model "{name}" is in use', detail=f"Indexed with it: {', '.join(row['target'] for row in users)}."
        )
    if db.rows("SELECT FROM llm.recommender WHERE name = $1", ("text",), (name,)):
        raise ModelInUse(f'model "{name}" is a recommender\'s', hint=f"SELECT llm_drop_recommender('{name}');")
    _drop(db, found)


def drop(db: Connection, name: str) -> None:
    """Remove a model that nothing needs any more."""
    _drop(db, models.find(db, name))


def _drop(db: Connection, found: Model) -> None:
    db.rows("DELETE FROM llm.model WHERE name = $1", ("text",), (found.name,))
    trained = str(found.wire["source"]).startswith("database:")
    if not trained or model_files.drop_unused(db, found.wire["digest"]):
        client.ask_if_running({"op": "forget" if trained else "unload", "model": found.wire}, db.poll)


def llm_load_model(db: Connection, name: str | None) -> None:
    """Load a model now, so that the next call finds it ready."""
    models.find(db, arguments.required("name", name)).ask("load")


def llm_unload_model(db: Connection, name: str | None) -> bool:
    """Drop a model from memory; true if it was there. The next call loads it again."""
    found = models.find(db, arguments.required("name", name))
    administer(db, "unload a model")
    return bool(found.ask("unload"))


def llm_status(db: Connection) -> list[dict[str, Any]]:
    """The model host and each registered model: state, device, engine, memory and work done since the host started."""
    specs = [
        Model(db, row).wire
        for row in db.rows(
            "SELECT m.name, m.task, m.source, m.revision, m.digest, m.options::text AS options, m.base::text AS base,"
            " m.dimensions, m.labels, NULL AS engine FROM llm.model AS m ORDER BY m.name"
        )
    ]
    try:
        status = client.inquire({"op": "status", "models": specs}, db.poll)
    except client.NotAnswering:
        nothing = {**_NOTHING, "host_pid": lock.holder(), "state": "not answering"}
        return [{**nothing, "model": spec["name"], "task": spec["task"]} for spec in specs]
    if status is None:
        return [{**_NOTHING, "model": spec["name"], "task": spec["task"]} for spec in specs]
    host = {
        "host_pid": status["pid"],
        "up_since": datetime.fromtimestamp(status["started_at"], UTC).isoformat(),
    }
    states = zip(specs, status["models"], strict=True)
    return [{**_NOTHING, **host, **state, "model": spec["name"], "task": spec["task"]} for spec, state in states]


_NOTHING: dict[str, Any] = {
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


def administer(db: Connection, what: str, right: str = "INSERT") -> None:
    """Loading from a source reads the server's files, so the right to write the registry is checked before."""
    query = "SELECT has_table_privilege('llm.model', $1) AS allowed"
    allowed = db.rows(query, ("text",), (right,))[0]["allowed"]
    if not allowed:
        raise InsufficientPrivilege(
            f"permission denied to {what}",
            hint=f"It takes the {right} right on llm.model; see 'Security' in the README.",
        )
