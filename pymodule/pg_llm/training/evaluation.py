"""Evaluation: how well a model labels rows whose labels are known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pg_llm import arguments
from pg_llm.classify import entities, scoring
from pg_llm.database import models, registry, search_path
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.errors import InvalidInput
from pg_llm.training import labelled_rows
from pg_llm.training.metrics import Item, Measures

_MODELS = (*scoring.MODELS, "entities", "relations")
_THRESHOLD = 0.5


def llm_evaluate(
    db: Connection, model: str | None, query: str | None, labels: list[str] | None
) -> list[dict[str, Any]]:
    """How well a model labels the rows of a query: precision, recall and F1 of each label and on average."""
    with search_path.pinned(db):
        known = arguments.labels(labels)
        found = models.find(db, arguments.required("model", model), None, _MODELS)
    return _measured(db, found, arguments.required("query", query), known).rows()


def llm_promote(db: Connection, name: str | None, over: str | None, query: str | None) -> list[dict[str, Any]]:
    """Let a name stand for a new model from now on, if that labels the rows of a query better; shows both scores."""
    query = arguments.required("query", query)
    with search_path.pinned(db):
        registry.administer(db, "promote a model", "UPDATE")
        new, old = models.find(db, arguments.required("name", name)), models.find(db, arguments.required("over", over))
        if new.name == old.name:
            raise InvalidInput(f'model "{new.name}" cannot be promoted over itself', hint="Train under a new name.")
        if new.task != old.task or not new.labels or not old.labels:
            raise InvalidInput(
                f'models "{new.name}" and "{old.name}" are not two trained models of one task',
                hint="SELECT name, task, labels FROM llm_models shows what they are.",
            )
    scores = [_measured(db, found, query, None).summary()["macro_f1"] for found in (new, old)]
    better = scores[0] > scores[1]
    if better:
        with search_path.pinned(db):
            registry.replace(db, old.name, new.name)
    return [
        {"model": new.name, "score": scores[0], "promoted": better},
        {"model": old.name, "score": scores[1], "promoted": False},
    ]


def _measured(db: Connection, model: Model, query: str, labels: Sequence[arguments.Label] | None) -> Measures:
    task = model.task if model.task in ("entities", "relations") else labelled_rows.kind(db, query)
    if labels is None and not model.labels:
        # A zero-shot model is asked about the labels that the rows have.
        labels = [(label, None) for label in _labels_of(db, query, task)]
    measures = Measures()
    for rows in labelled_rows.batches(db, query, task):
        texts = [text for text, _ in rows]
        if task == "relations":
            found = _relations(model, rows, labels)
        else:
            found = _entities(db, model, texts, labels) if task == "entities" else _labels(model, texts, labels, task)
        for (_, truth), said in zip(rows, found, strict=True):
            measures.add(items(truth, task), said)
    return measures


def items(truth: Any, task: str) -> list[Item]:
    """What is true of a row, as measures count it."""
    if task == "classify":
        return [(truth,)]
    if task == "relations":
        return [(name, *subject[1:], *target[1:]) for name, subject, target in truth if name is not None]
    return [tuple(item) for item in truth] if task == "entities" else [(label,) for label in truth]


def _labels_of(db: Connection, query: str, task: str) -> list[str]:
    return sorted(
        {
            str(item[0])
            for rows in labelled_rows.batches(db, query, task)
            for _, truth in rows
            for item in items(truth, task)
        }
    )


def _labels(model: Model, texts: Sequence[str], labels: Any, task: str) -> Iterable[list[Item]]:
    many = task == "tag"
    for result in model.run("classification", texts, labels=labels, examples=[], many=many, variant=0):
        scores = json.loads(result)
        if many:
            yield [(label,) for label, score in scores.items() if score >= _THRESHOLD]
        else:
            yield [(scoring.best(scores),)]


def _entities(db: Connection, model: Model, texts: Sequence[str], labels: Any) -> Iterable[list[Item]]:
    for found in entities.find(db, model, texts, labels):
        yield [(label, start, end) for label, start, end, _ in found]


def _relations(model: Model, rows: Sequence[labelled_rows.Labelled], labels: Any) -> Iterable[list[Item]]:
    """What a model says of the entities that the rows mark."""
    names = None if labels is None else {name for name, _ in labels}
    inputs = []
    for text, truth in rows:
        ends = sorted({(kind, start, end, 1.0) for _, *both in truth for kind, start, end in both})
        inputs.append(json.dumps({"text": text, "entities": ends}, ensure_ascii=False))
    for result in model.run("relations", inputs, relations=None, types=None, known=[]):
        found = json.loads(result)
        spans = [entity[1:3] for entity in found["entities"]]
        yield [
            (name, *spans[subject], *spans[target])
            for subject, name, target, *_ in found["relations"]
            if names is None or name in names
        ]
