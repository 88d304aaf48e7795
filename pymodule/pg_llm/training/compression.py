"""Compression: a smaller, faster model takes the place of another, measured against it on rows kept back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pg_llm import options
from pg_llm.database import model_files, models, progress, registry, search_path, training_runs
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.errors import InvalidInput
from pg_llm.models import source
from pg_llm.options import Option
from pg_llm.privacy import lineage
from pg_llm.training import jobs, labelled_rows
from pg_llm.training.labelled_rows import LabelledRow

METHODS = ("int8", "int4", "layers", "prune", "distill", "static")
TARGET = {
    "min_quality": Option(METHODS, 0.9, 0, 1, "share of the base's quality that the model must keep"),
    "layers": Option(("layers", "distill"), 0, 0, 48, "layers that are left; 0 is half of them"),
    "share": Option(("prune",), 0.5, 0.05, 0.95, "share of the feed-forward neurons that are removed"),
    "dimensions": Option(("static",), 0, 0, 4096, "length of the vectors; 0 is 256, and 128 of a classifier"),
    "epochs": Option(("prune", "distill"), 2, 1, 100, "passes over the texts"),
    "seed": Option(("prune", "distill", "static"), 0, 0, 2**31, "start of the random numbers"),
}
# These run the base's own files.
_PRECISIONS = ("int8", "int4")
_SHAPE = "SELECT text FROM …"
_MOST_TEXTS = 20_000


def compress(
    db: Connection, name: str | None, base: str | None, method: str, query: str, target: dict[str, Any]
) -> dict[str, Any]:
    """Compress the base and register the result; returns size, speed and quality of both.

    The query runs with the caller's rights and search path. Raises InvalidInput where too little quality is left.
    """
    with search_path.pinned(db):
        name = registry.new_name(db, name, "train a model")
        start = _base(db, base)
    rows = _rows(db, start, query)
    job = {"task": "compress", "method": method, "options": target}
    with search_path.pinned(db):
        if method not in _PRECISIONS:
            jobs.check_strangers(db, start, [text for text, _ in rows])
        session = progress.session_fields(db, "llm_compress", method, name)
        with training_runs.stream_training(db, session, job, start, rows) as result:
            metrics = result["metrics"]
            _refuse_poor(start, metrics, target["min_quality"])
            if method not in _PRECISIONS:
                model_files.store(db, Path(result["folder"]), result["digest"])
        _register(db, name, start, method, result)
        task = "embed" if start.task == "embedding" else "classify"
        privacy = training_runs.inherited_privacy(db, start)
        job = {**job, "task": task, "options": {**target, **privacy}}
        training_runs.record(db, name, job, start, result, len(rows), _digest(rows))
        if method not in _PRECISIONS:
            lineage.record(db, result["digest"], [text for text, _ in rows], start)
    return {"model": name, "method": method, "seconds": result["seconds"], **_ratios(metrics)}


def pareto(db: Connection, base: str | None, query: str, methods: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The base and what each method makes of it, on the same rows; nothing is registered.

    A method that the base cannot be compressed by is left out, with a warning.
    """
    with search_path.pinned(db):
        registry.administer(db, "train a model")
        start = _base(db, base)
    rows = _rows(db, start, query)
    ladder: list[dict[str, Any]] = []
    for method in methods:
        job = {"task": "compress", "method": method, "options": options.check(TARGET, method, {}), "is_trial": True}
        with search_path.pinned(db):
            session = progress.session_fields(db, "llm_pareto", method, start.name)
            try:
                with training_runs.stream_training(db, session, job, start, rows) as result:
                    metrics = result["metrics"]
            except InvalidInput as error:
                db.warning(f"{method} is left out: {error.message}", hint=error.hint)
                continue
        if not ladder:
            ladder.append({"method": "base", **metrics["before"], "cosine": 1.0, "seconds": 0.0})
        ladder.append({"method": method, **metrics["after"], "cosine": metrics["cosine"], "seconds": result["seconds"]})
    for row in ladder:
        yield {**row, "on_front": not any(_dominates(other, row) for other in ladder)}


def _dominates(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether one is no worse in speed, size and quality, and better in one of them."""
    first, second = ((row["rows_per_second"], -row["bytes"], row["quality"]) for row in (one, other))
    return first != second and all(mine >= theirs for mine, theirs in zip(first, second, strict=True))


def _base(db: Connection, name: str | None) -> Model:
    base = models.find(db, name, "embedding", ("embedding", "classification"))
    if any(source.is_endpoint(wire["source"]) for wire in (base.wire, base.wire["base"]) if wire):
        raise InvalidInput(
            f'model "{base.name}" cannot be compressed: its weights are not here', hint="Choose another base model."
        )
    return base


def _rows(db: Connection, base: Model, query: str) -> list[LabelledRow]:
    """Texts for an encoder, and for a classifier texts with their labels."""
    if base.task == "embedding":
        texts: list[LabelledRow] = []
        for rows in labelled_rows.read_columns(db, query, 1, _SHAPE):
            texts += [(row["c1"], "") for row in rows if row["c1"] is not None and row["c1"].strip()]
            if len(texts) >= _MOST_TEXTS:
                break
        if not texts:
            raise InvalidInput("the query yields no texts", hint=f"It has the form {_SHAPE}.")
        return texts[:_MOST_TEXTS]
    task = labelled_rows.inferred_task(db, query)
    labelled = [row for batch in labelled_rows.read(db, query, task) for row in batch]
    jobs.check(labelled, task)
    return labelled


def _refuse_poor(base: Model, metrics: dict[str, Any], least: float) -> None:
    before, after = metrics["before"]["quality"], metrics["after"]["quality"]
    if after < least * before:
        raise InvalidInput(
            f"the compressed model has a quality of {after:.3f} on {metrics['held_out_rows']} rows kept back, and"
            f' "{base.name}" one of {before:.3f}: less than min_quality allows',
            hint="Set min_quality in target lower, leave more layers, give more rows, or use another method.",
        )


def _register(db: Connection, name: str, base: Model, method: str, result: dict[str, Any]) -> None:
    chosen = result["metrics"].pop("options")
    if method in _PRECISIONS:
        result["digest"] = base.wire["digest"]
        registry.register(db, name, base.task, base.wire["source"], base.wire["revision"], chosen)
        return
    stored = f"database:{result['digest']}"
    if base.task == "classification" and (method == "static" or base.wire["base"]):
        # The head and what it reads with lie in one folder.
        own = {"source": stored, "digest": result["digest"], "task": "embedding", "revision": None, "options": chosen}
        registry.register(db, name, base.task, stored, None, {}, {**base.wire, "base": None, **own})
        return
    registry.register(db, name, base.task, stored, None, chosen)


def _ratios(metrics: dict[str, Any]) -> dict[str, Any]:
    """The measures, and how many times as fast and as small the model is."""
    before, after = metrics["before"], metrics["after"]
    faster = after["rows_per_second"] / before["rows_per_second"]
    return {**metrics, "faster": round(faster, 2), "smaller": round(before["bytes"] / after["bytes"], 2)}


def _digest(rows: Sequence[LabelledRow]) -> str:
    """A digest of the rows that does not depend on their order."""
    digests = sorted(hashlib.sha256(json.dumps(row).encode()).digest() for row in rows)
    return hashlib.sha256(b"".join(digests)).hexdigest()
