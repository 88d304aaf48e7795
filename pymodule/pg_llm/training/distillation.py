"""Distillation: a small, fast embedding model is made of a large one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pg_llm.database import model_files, models, progress, registry, search_path, training_runs
from pg_llm.database.connection import Connection
from pg_llm.errors import InvalidInput
from pg_llm.models import source
from pg_llm.options import Option
from pg_llm.privacy import lineage
from pg_llm.training import jobs, labelled_rows

METHODS = ("static",)
OPTIONS = {"dimensions": Option(METHODS, 256, 8, 4096, "length of the vectors, at most the base model's")}
_SHAPE = "SELECT text FROM …"
# More teach the vectors of a vocabulary nothing new.
_MOST_TEXTS = 20_000


def distill(
    db: Connection, name: str | None, base: str | None, method: str, query: str | None, options: dict[str, Any]
) -> dict[str, Any]:
    """Distil the base model and register what comes out; returns what was measured on texts kept back.

    The query runs with the caller's rights and search path.
    """
    with search_path.pinned(db):
        name = registry.new_name(db, name, "train a model")
        start = models.find(db, base, "embedding")
        if source.is_endpoint(start.wire["source"]):
            raise InvalidInput(
                f'model "{start.name}" cannot be distilled: its vocabulary is not here',
                hint="Choose another base model.",
            )
    texts = [] if query is None else _texts(db, query)
    job = {"task": "embed", "method": method, "options": options}
    with search_path.pinned(db):
        jobs.check_strangers(db, start, texts)
        session = progress.session_fields(db, "llm_distill", "embed", name)
        with training_runs.stream_training(db, session, job, start, [(text, "") for text in texts]) as result:
            model_files.store(db, Path(result["folder"]), result["digest"])
        registry.register(db, name, "embedding", f"database:{result['digest']}", None, {})
        job = {**job, "options": {**options, **training_runs.inherited_privacy(db, start)}}
        training_runs.record(db, name, job, start, result, len(texts), _digest(texts))
        lineage.record(db, result["digest"], texts, start)
    return {"model": name, "method": method, "seconds": result["seconds"], **result["metrics"]}


def _texts(db: Connection, query: str) -> list[str]:
    texts: list[str] = []
    for rows in labelled_rows.read_columns(db, query, 1, _SHAPE):
        texts += [row["c1"] for row in rows if row["c1"] is not None]
        if len(texts) >= _MOST_TEXTS:
            break
    if not texts:
        raise InvalidInput("the query yields no texts", hint=f"It has the form {_SHAPE}.")
    return texts[:_MOST_TEXTS]


def _digest(texts: Sequence[str]) -> str:
    """A digest of the texts that does not depend on their order."""
    digests = sorted(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts)
    return hashlib.sha256(b"".join(digests)).hexdigest()
