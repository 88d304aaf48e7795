"""Training runs: started in the model host (or a child process), and recorded in llm.run."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from pg_llm import interrupts
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.runtime import client


def record(
    db: Connection, name: str, job: dict[str, Any], base: Model | None, result: dict[str, Any], count: int, digest: str
) -> None:
    """Record a training: its job, base model, result, number of rows and their digest."""
    db.rows(
        "INSERT INTO llm.run"
        " (model, task, method, base, base_digest, digest, rows, data_hash, options, metrics, seconds)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10::jsonb, $11)",
        ("text", "text", "text", "text", "text", "text", "int8", "text", "text", "text", "float4"),
        (
            name,
            job["task"],
            job["method"],
            base.name if base else "",
            base and base.wire["digest"],
            result["digest"],
            count,
            digest,
            json.dumps(job["options"]),
            json.dumps(result["metrics"]),
            result["seconds"],
        ),
    )


def is_private(db: Connection, digest: str | None) -> bool:
    """Whether a model was trained with differential privacy."""
    query = "SELECT FROM llm.run AS r WHERE r.digest = $1 AND r.options ? 'epsilon' LIMIT 1"
    return bool(db.rows(query, ("text",), (digest,)))


def inherited_privacy(db: Connection, base: Model) -> dict[str, Any]:
    """Epsilon, delta and unit of a base that was trained with differential privacy: what is made of it keeps them."""
    query = """
        SELECT r.options::text AS options FROM llm.run AS r WHERE r.digest = $1 AND r.options ? 'epsilon'
        ORDER BY r.finished_at DESC LIMIT 1
    """
    for row in db.rows(query, ("text",), (base.wire["digest"],)):
        options = json.loads(row["options"])
        return {name: options[name] for name in ("epsilon", "delta", "unit") if name in options}
    return {}


@contextlib.contextmanager
def stream_training(
    db: Connection, report_fields: dict[str, Any], job: dict[str, Any], base: Model | None, rows: Sequence[Any]
) -> Iterator[Any]:
    """The result of a training; its folder exists while the block runs."""
    if base:
        base.ask("load")
    engine = base.engine if base else models.engine(db)
    try:
        yield client.train(engine, {**job, "base": base and base.wire}, rows, report_fields, db.poll)
        client.release(engine, db.poll)
    except BaseException:
        with interrupts.deferred():
            client.abandon()
        raise
