"""Training jobs: fine-tuning, self-training (Yarowsky 1995) and confident learning (Northcutt 2021) on a query's rows.

Queries run under the caller's search path, everything else under the pinned one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pg_llm.database import model_files, models, progress, registry, search_path, training_runs
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.errors import InvalidInput
from pg_llm.models import source
from pg_llm.privacy import lineage
from pg_llm.runtime.training import dataset
from pg_llm.training import label_variants, labelled_rows
from pg_llm.training.labelled_rows import LabelledRow
from pg_llm.training.options import TrainingJob

_MODEL_TASKS = {
    "classify": "classification",
    "tag": "classification",
    "entities": "entities",
    "relations": "relations",
}
_MIN_ROWS = 5
# Rows that are embedded between two reports.
_EMBEDDED = 512
_SUSPECTS_SHAPE = "SELECT id, text, label FROM …"


def fit(db: Connection, name: str | None, job: TrainingJob, query: str, base: str | None) -> dict[str, Any]:
    """Train on the rows of a query and register the model; returns the metrics on the validation rows."""
    with search_path.pinned(db):
        name = registry.new_name(db, name, "train a model")
        options = {}
        if job.entities_model is not None:
            options["entities_model"] = models.find(db, job.entities_model, "entities").name
        start = _base_model(db, base, builds_on_base=job.builds_on_base)
    rows, persons = _read(db, job, query)
    with search_path.pinned(db):
        check(rows, job.task)
        if job.is_private:
            _check_private(db, job, rows, persons, start)
        _warn_of_variants(db, rows, job.task)
        command = "llm_tune" if job.trials else "llm_fit"
        return _train_and_register(db, command, name, job, start, rows, options, persons)


def _read(db: Connection, job: TrainingJob, query: str) -> tuple[list[LabelledRow], list[str]]:
    """The rows, and whose each is where that counts."""
    if job.unit is None:
        return [row for batch in labelled_rows.read(db, query, job.task) for row in batch], []
    read = [row for batch in labelled_rows.read_with_person(db, query, job.task, job.unit) for row in batch]
    return [(text, truth) for text, truth, _ in read], [person for _, _, person in read]


def _check_private(
    db: Connection, job: TrainingJob, rows: Sequence[LabelledRow], persons: Sequence[str], base: Model
) -> None:
    """Raise InvalidInput where epsilon would promise more than holds."""
    units = len(set(persons)) or len(rows)
    if job.options["delta"] * units >= 1:
        raise InvalidInput(
            f"delta {job.options['delta']:g} is too large for {units} {'persons' if persons else 'rows'}",
            hint=f"Choose less than one in their number, such as {0.1 / units:.0e}.",
        )
    if lineage.knows(db, base.name, [text for text, _ in rows]):
        raise InvalidInput(
            f'the base model "{base.name}" has learnt from these rows itself, without privacy or with some of its own',
            hint="Choose a base that knows none of them, such as the one it was trained from.",
        )


def check_strangers(db: Connection, base: Model, texts: Sequence[str]) -> None:
    """Raise InvalidInput where a model is to be made of one that was trained with privacy and of its rows as well."""
    if training_runs.is_private(db, base.wire["digest"]) and lineage.knows(db, base.name, texts):
        raise InvalidInput(
            f'model "{base.name}" has learnt from some of these rows with privacy, and what is made of both would tell'
            " them without",
            hint="Give texts that it has not learnt from.",
        )


def self_train(
    db: Connection, name: str | None, job: TrainingJob, query: str, unlabelled: str, base: str | None
) -> dict[str, Any]:
    """Train a classifier on labelled rows and its own confident predictions; returns the metrics of each round."""
    with search_path.pinned(db):
        name = registry.new_name(db, name, "train a model")
        start = _base_model(db, base, builds_on_base=True)
    rows = [row for batch in labelled_rows.read(db, query, "classify") for row in batch]
    pool: list[LabelledRow] = [
        (row["c1"], None)
        for batch in labelled_rows.read_columns(db, unlabelled, 1, "SELECT text FROM …")
        for row in batch
        if row["c1"] is not None
    ]
    with search_path.pinned(db):
        check(rows, "classify")
        _warn_of_variants(db, rows, "classify")
        if not pool:
            raise InvalidInput("the unlabelled query yields no texts", hint="llm_fit() needs labelled rows only.")
        return _train_and_register(db, "llm_self_train", name, job, start, [*rows, *pool])


def suspect_labels(db: Connection, query: str | None, model: str | None) -> list[dict[str, Any]]:
    """The rows whose label a cross-validated classifier disputes, most doubtful first, with its own choice."""
    selected = [row for batch in labelled_rows.read_columns(db, query, 3, _SUSPECTS_SHAPE) for row in batch]
    with search_path.pinned(db):
        base = _base_model(db, model, builds_on_base=True)
        rows = [(json.loads(row["c2"] or "null"), json.loads(row["c3"] or "null")) for row in selected]
        for number, row in enumerate(rows, 1):
            if not all(isinstance(value, str) for value in row):
                raise InvalidInput(
                    f"row {number} of the query lacks a text or a label, or they are no texts",
                    hint=f"It has the form {_SUSPECTS_SHAPE}.",
                )
        if not rows:
            raise InvalidInput("the query yields no rows", hint=f"It has the form {_SUSPECTS_SHAPE}.")
        check(rows, "classify")
        job = {"task": "classify", "method": "suspects", "options": {}}
        session = progress.session_fields(db, "llm_suspect_labels", "", "")
        examples = _embedded(db, session, base, rows)
        with training_runs.stream_training(db, session, job, base, examples) as result:
            suspects = result["suspects"]
    return [
        {
            "key": selected[suspect["position"]]["c1"],
            "input": rows[suspect["position"]][0],
            "label": rows[suspect["position"]][1],
            "suggested": suspect["suggested"],
            "quality": suspect["quality"],
        }
        for suspect in suspects
    ]


def _train_and_register(
    db: Connection,
    command: str,
    name: str,
    job: TrainingJob,
    base: Model,
    rows: Sequence[LabelledRow],
    options: dict[str, Any] | None = None,
    persons: Sequence[str] = (),
) -> dict[str, Any]:
    """Train, store the files, register the model with its options, record the run; a failure leaves nothing."""
    session = progress.session_fields(db, command, job.task, name)
    examples = _embedded(db, session, base, rows) if job.reads_vectors else rows
    if persons:
        examples = [
            (*example, *(None,) * (3 - len(example)), person) for example, person in zip(examples, persons, strict=True)
        ]
    with training_runs.stream_training(db, session, job.to_wire(), base, examples) as result:
        model_files.store(db, Path(result["folder"]), result["digest"])
    stored = f"database:{result['digest']}"
    # A contrastive head lies beside its own encoder.
    own = {"source": stored, "digest": result["digest"], "task": "embedding", "revision": None, "options": {}}
    reads_with = base.wire if job.keeps_base else {**base.wire, **own} if job.method == "contrastive" else None
    registry.register(db, name, _MODEL_TASKS[job.task], stored, None, options or {}, reads_with)
    metrics = result["metrics"]
    trials = metrics.pop("trials", [])
    _warn_of_baseline(db, name, metrics, job.is_private)
    # A digest of private rows would let whoever knows all but one try that one out.
    digest = "" if job.is_private else _rows_digest(rows)
    for number, trial in enumerate(trials, 1):
        tried = {**job.to_wire(), "options": trial.pop("options")}
        seconds = trial.pop("seconds")
        of_trial = {"metrics": {"trial": number, **trial}, "digest": None, "seconds": seconds}
        training_runs.record(db, name, tried, base, of_trial, len(rows), digest)
    chosen = {**job.to_wire(), "options": metrics.get("options", job.options)}
    training_runs.record(db, name, chosen, base, result, len(set(persons)) or len(rows), digest)
    lineage.record(db, result["digest"], [text for text, _ in rows], base)
    return {"model": name, "method": job.method, "seconds": result["seconds"], **metrics}


def _label_counts(rows: Sequence[LabelledRow], task: str) -> Counter[str]:
    """How often each label is given."""
    if task == "classify":
        return Counter(label for _, label in rows)
    labels = Counter(item if task == "tag" else item[0] for _, truth in rows for item in truth)
    # A pair of entities without a relation is a negative example and no label.
    labels.pop(None, None)
    return labels


def _warn_of_variants(db: Connection, rows: Sequence[LabelledRow], task: str) -> None:
    counts = _label_counts(rows, task)
    for label, other in label_variants.find(counts):
        db.warning(
            f'the label "{label}" ({counts[label]}) may be meant to be "{other}" ({counts[other]})',
            hint="They are learnt as two labels. Write them alike, and train again.",
        )


def _warn_of_baseline(db: Connection, name: str, metrics: dict[str, Any], is_private: bool) -> None:
    """Say so if the model has learnt nothing that a constant answer would not do as well."""
    score, baseline = metrics["micro_f1"], metrics["baseline_f1"]
    # Of a private training the score may be as high by the noise of its counts.
    if score - metrics.get("micro_f1_noise", 0.0) <= baseline:
        rows = metrics.get("test_rows", metrics["validation_rows"])
        constant = f"the same answer for every row has {baseline:.2f}" if baseline else "it finds nothing there"
        db.warning(
            f'model "{name}" has learnt next to nothing: its micro F1 on the {rows} rows kept back is {score:.2f},'
            f" and {constant}",
            hint="Give it a larger epsilon or more rows: so much noise hides what so few have in common."
            if is_private
            else "Give it more rows or epochs, or another method or base; llm_suspect_labels() finds wrong labels.",
        )


def _embedded(
    db: Connection, session: dict[str, Any], base: Model, rows: Sequence[LabelledRow]
) -> Sequence[tuple[Any, ...]]:
    """Few rows with their embeddings, which the host may know already; more are embedded by the training itself."""
    if len(rows) > dataset.SHORT:
        return rows
    embedded: list[tuple[Any, ...]] = []
    with progress.reporting_as(db, session) as report:
        for start in range(0, len(rows), _EMBEDDED):
            report("embedding", start, len(rows))
            part = rows[start : start + _EMBEDDED]
            vectors = base.run("text_vectors", [text for text, _ in part])
            embedded += [(*row, vector) for row, vector in zip(part, vectors, strict=True)]
    return embedded


def check(rows: Sequence[LabelledRow], task: str) -> None:
    """Raise InvalidInput for rows that nothing can be learnt from."""
    if task == "classify":
        counts = _label_counts(rows, task)
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
    labels = _label_counts(rows, task)
    if not labels:
        what = {"tag": "label", "entities": "entity", "relations": "relation"}[task]
        raise InvalidInput(f"none of the {len(rows)} rows has any {what}")
    if len(rows) < _MIN_ROWS:
        raise InvalidInput(
            f"{len(rows)} rows are too few to learn from and to measure on", hint=f"Give {_MIN_ROWS} at least."
        )
    everywhere = [label for label, count in labels.items() if count == len(rows)] if task == "tag" else []
    if everywhere:
        raise InvalidInput(
            f'the label "{everywhere[0]}" is on every row, so there is nothing to tell apart',
            hint="Add rows without it, with an empty array of labels if need be.",
        )


def _base_model(db: Connection, name: str | None, *, builds_on_base: bool) -> Model:
    """The model to start from: an embedding model for a head, any transformer where its weights become the model's."""
    tasks = ("embedding",) if builds_on_base else ("embedding", "classification", "entities", "relations")
    base = models.find(db, name, "embedding", tasks)
    remote = source.is_endpoint(base.wire["source"])
    if not builds_on_base and (remote or base.wire["base"]):
        raise InvalidInput(
            f'model "{base.name}" cannot be fine-tuned: its weights are not here', hint="Choose another base model."
        )
    return base


def _rows_digest(rows: Sequence[LabelledRow]) -> str:
    """A digest of the rows that does not depend on their order."""
    total = hashlib.sha256()
    for digest in sorted(hashlib.sha256(json.dumps(row).encode()).digest() for row in rows):
        total.update(digest)
    return total.hexdigest()
