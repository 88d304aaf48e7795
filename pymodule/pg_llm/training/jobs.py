"""Training: a model learns from the rows of a query, and callers can name it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pg_llm import arguments
from pg_llm import options as known_options
from pg_llm.database import model_files, models, progress, registry, search_path, training_runs
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.errors import InvalidInput
from pg_llm.models import source
from pg_llm.training import labelled_rows
from pg_llm.training import options as training_options
from pg_llm.training.labelled_rows import Labelled

_REGISTERED_AS = {
    "classify": "classification",
    "tag": "classification",
    "entities": "entities",
    "relations": "relations",
}


def llm_fit(
    db: Connection,
    name: str | None,
    task: str | None,
    query: str | None,
    base: str | None,
    method: str | None,
    options: Any,
) -> dict[str, Any]:
    """Train a model on the rows of a query and register it; returns what was measured on rows kept back."""
    task, query = arguments.required("task", task), arguments.required("query", query)
    with search_path.pinned(db):
        name = registry.new_name(db, name, "train a model")
        chosen = training_options.method(task, method)
        given = arguments.options(options)
        about = _about(db, task, given)
        job = {"task": task, "method": chosen, "options": known_options.check(training_options.OPTIONS, chosen, given)}
        start = _base(db, base, chosen)
    rows = [row for batch in labelled_rows.batches(db, query, task) for row in batch]
    with search_path.pinned(db):
        check(rows, task)
        return fit(db, "llm_fit", name, job, start, rows, about)


def llm_self_train(
    db: Connection, name: str | None, query: str | None, unlabelled: str | None, base: str | None, options: Any
) -> dict[str, Any]:
    """Train a classifier on labelled rows and on its own sure answers to unlabelled ones, as far as that helps."""
    query, unlabelled = arguments.required("query", query), arguments.required("unlabelled", unlabelled)
    with search_path.pinned(db):
        name = registry.new_name(db, name, "train a model")
        chosen = known_options.check(training_options.OPTIONS, "self_train", arguments.options(options))
        start = _base(db, base, "head")
    rows = [row for batch in labelled_rows.batches(db, query, "classify") for row in batch]
    more = [
        (row["c1"], None)
        for batch in labelled_rows.raw(db, unlabelled, 1, "SELECT text FROM …")
        for row in batch
        if row["c1"] is not None
    ]
    with search_path.pinned(db):
        check(rows, "classify")
        if not more:
            raise InvalidInput("the unlabelled query yields no texts", hint="llm_fit() needs labelled rows only.")
        job = {"task": "classify", "method": "self_train", "options": chosen}
        return fit(db, "llm_self_train", name, job, start, [*rows, *more])


def llm_suspect_labels(db: Connection, query: str | None, model: str | None) -> list[dict[str, Any]]:
    """The rows of a query whose label is probably wrong, most doubtful first, with the label that fits better."""
    shape = "SELECT id, text, label FROM …"
    found = [row for batch in labelled_rows.raw(db, query, 3, shape) for row in batch]
    with search_path.pinned(db):
        base = _base(db, model, "head")
        rows = [(json.loads(row["c2"] or "null"), json.loads(row["c3"] or "null")) for row in found]
        for number, row in enumerate(rows, 1):
            if not all(isinstance(value, str) for value in row):
                raise InvalidInput(
                    f"row {number} of the query lacks a text or a label, or they are no texts",
                    hint=f"It has the form {shape}.",
                )
        if not rows:
            raise InvalidInput("the query yields no rows", hint=f"It has the form {shape}.")
        check(rows, "classify")
        job = {"task": "classify", "method": "suspects", "options": {}}
        with training_runs.stream_training(
            db, progress.session_fields(db, "llm_suspect_labels", "", ""), job, base, rows
        ) as made:
            suspects = made["suspects"]
    return [
        {
            "key": found[item["position"]]["c1"],
            "input": rows[item["position"]][0],
            "label": rows[item["position"]][1],
            "suggested": item["suggested"],
            "quality": item["quality"],
        }
        for item in suspects
    ]


def _about(db: Connection, task: str, given: dict[str, Any]) -> dict[str, Any]:
    """Options of the model that are not the training's, taken out of those given."""
    if task != "relations" or "entities_model" not in given:
        return {}
    name = given.pop("entities_model")
    if not isinstance(name, str):
        raise InvalidInput("entities_model must be the name of a model", hint="Leave it out for llm.entities_model.")
    return {"entities_model": models.find(db, name, "entities").name}


def fit(
    db: Connection,
    command: str,
    name: str,
    job: dict[str, Any],
    base: Model,
    rows: Sequence[Labelled],
    about: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Train, keep the files in the database, register with what else is said about it, note the run.

    Anything that fails leaves nothing.
    """
    with training_runs.stream_training(
        db, progress.session_fields(db, command, job["task"], name), job, base, rows
    ) as made:
        model_files.store(db, Path(made["folder"]), made["digest"])
    reads_with = base.wire if job["method"] in training_options.HEAD_METHODS else None
    registry.register(
        db, name, _REGISTERED_AS[job["task"]], f"database:{made['digest']}", None, about or {}, reads_with
    )
    training_runs.record(db, name, job, base, made, len(rows), _hash(rows))
    return {"model": name, "method": job["method"], "seconds": made["seconds"], **made["metrics"]}


def check(rows: Sequence[Labelled], task: str) -> None:
    """Raise InvalidInput for rows that nothing can be learnt from."""
    if task == "classify":
        counts = Counter(label for _, label in rows)
        if len(counts) < 2:
            raise InvalidInput(
                f'all {len(rows)} rows have the label "{next(iter(counts))}"', hint="Give rows of two labels at least."
            )
        rarest, count = min(counts.items(), key=lambda item: item[1])
        if count < 2:
            raise InvalidInput(
                f'there is one row with the label "{rarest}"',
                hint="Each label needs two rows at least: one to learn from and one to measure on.",
            )
        return
    labels = Counter(item if task == "tag" else item[0] for _, truth in rows for item in truth)
    # A pair without a relation shows entities, and nothing else.
    labels.pop(None, None)
    if not labels:
        what = {"tag": "label", "entities": "entity", "relations": "relation"}[task]
        raise InvalidInput(f"none of the {len(rows)} rows has any {what}")
    if len(rows) < 5:
        raise InvalidInput(f"{len(rows)} rows are too few to learn from and to measure on", hint="Give 5 at least.")
    everywhere = [label for label, count in labels.items() if count == len(rows)] if task == "tag" else []
    if everywhere:
        raise InvalidInput(
            f'the label "{everywhere[0]}" is on every row, so there is nothing to tell apart',
            hint="Add rows without it, with an empty array of labels if need be.",
        )


def _base(db: Connection, name: str | None, method: str) -> Model:
    """The model to start from: embeddings for a head, any transformer for the others."""
    kinds = ("embedding",) if method == "head" else ("embedding", "classification", "entities", "relations")
    found = models.find(db, name, "embedding", kinds)
    remote = source.is_endpoint(found.wire["source"])
    if method != "head" and (remote or found.wire["base"]):
        raise InvalidInput(
            f'model "{found.name}" cannot be fine-tuned: its weights are not here', hint="Choose another base model."
        )
    return found


def _hash(rows: Sequence[Labelled]) -> str:
    """The same for the same rows in any order."""
    total = hashlib.sha256()
    for digest in sorted(hashlib.sha256(json.dumps(row).encode()).digest() for row in rows):
        total.update(digest)
    return total.hexdigest()
