"""Evaluation of classifiers, taggers, entity and relation models on labelled rows, and promotion of the better one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pg_llm.arguments import Label
from pg_llm.classify import entities, scoring
from pg_llm.database import models, registry, search_path
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.errors import InvalidInput
from pg_llm.training import labelled_rows
from pg_llm.training.labelled_rows import LabelledRow
from pg_llm.training.metrics import ClassificationMetrics, Item

_MODELS = (*scoring.MODELS, "entities", "relations")
# Probability from which a tag is predicted.
_THRESHOLD = 0.5


def evaluate(db: Connection, name: str, query: str, labels: Sequence[Label] | None) -> list[dict[str, Any]]:
    """Precision, recall and F1 of a model on the rows of a query: one row per label, then the averages."""
    with search_path.pinned(db):
        model = models.find(db, name, None, _MODELS)
    return _evaluate(db, model, query, labels).rows()


def promote(db: Connection, name: str, over: str, query: str) -> list[dict[str, Any]]:
    """Let the name `over` stand for the model `name` if that has the higher macro F1; shows both scores."""
    with search_path.pinned(db):
        registry.administer(db, "promote a model", "UPDATE")
        new, old = models.find(db, name), models.find(db, over)
        if new.name == old.name:
            raise InvalidInput(f'model "{new.name}" cannot be promoted over itself', hint="Train under a new name.")
        if new.task != old.task or not new.labels or not old.labels:
            raise InvalidInput(
                f'models "{new.name}" and "{old.name}" are not two trained models of one task',
                hint="SELECT name, task, labels FROM llm_models shows what they are.",
            )
    new_score, old_score = (_evaluate(db, model, query, None).summary()["macro_f1"] for model in (new, old))
    promoted = new_score > old_score
    if promoted:
        with search_path.pinned(db):
            registry.replace(db, old.name, new.name)
    return [
        {"model": new.name, "score": new_score, "promoted": promoted},
        {"model": old.name, "score": old_score, "promoted": False},
    ]


def _evaluate(db: Connection, model: Model, query: str, labels: Sequence[Label] | None) -> ClassificationMetrics:
    task = model.task if model.task in ("entities", "relations") else labelled_rows.inferred_task(db, query)
    if labels is None and not model.labels:
        # A zero-shot model chooses among the labels that the rows have.
        labels = [(label, None) for label in _labels_of(db, query, task)]
    metrics = ClassificationMetrics()
    for rows in labelled_rows.read(db, query, task):
        for (_, truth), prediction in zip(rows, _predictions(db, model, rows, labels, task), strict=True):
            metrics.add(items(truth, task), prediction)
    return metrics


def items(truth: Any, task: str) -> list[Item]:
    """The ground truth of a row as items that metrics count."""
    if task == "classify":
        return [(truth,)]
    if task == "relations":
        return [(name, *subject[1:], *target[1:]) for name, subject, target in truth if name is not None]
    return [tuple(item) for item in truth] if task == "entities" else [(label,) for label in truth]


def _labels_of(db: Connection, query: str, task: str) -> list[str]:
    return sorted(
        {
            str(item[0])
            for rows in labelled_rows.read(db, query, task)
            for _, truth in rows
            for item in items(truth, task)
        }
    )


def _predictions(
    db: Connection, model: Model, rows: Sequence[LabelledRow], labels: Sequence[Label] | None, task: str
) -> Iterable[list[Item]]:
    if task == "relations":
        return _predict_relations(model, rows, labels)
    texts = [text for text, _ in rows]
    if task == "entities":
        return _predict_entities(db, model, texts, labels)
    return _predict_labels(model, texts, labels, multi_label=task == "tag")


def _predict_labels(
    model: Model, texts: Sequence[str], labels: Sequence[Label] | None, *, multi_label: bool
) -> Iterable[list[Item]]:
    for result in model.run("classification", texts, labels=labels, examples=[], many=multi_label, variant=0):
        scores = json.loads(result)
        if multi_label:
            yield [(label,) for label, score in scores.items() if score >= _THRESHOLD]
        else:
            yield [(scoring.best(scores),)]


def _predict_entities(
    db: Connection, model: Model, texts: Sequence[str], labels: Sequence[Label] | None
) -> Iterable[list[Item]]:
    for recognized in entities.find(db, model, texts, labels):
        yield [(label, start, end) for label, start, end, _ in recognized]


def _predict_relations(
    model: Model, rows: Sequence[LabelledRow], labels: Sequence[Label] | None
) -> Iterable[list[Item]]:
    """Relations between the entities that the rows mark, so that errors of a recognizer do not count."""
    names = None if labels is None else {name for name, _ in labels}
    inputs = []
    for text, truth in rows:
        marked = sorted({(type_, start, end, 1.0) for _, *pair in truth for type_, start, end in pair})
        inputs.append(json.dumps({"text": text, "entities": marked}, ensure_ascii=False))
    for result in model.run("relations", inputs, relations=None, types=None, known=[]):
        prediction = json.loads(result)
        spans = [entity[1:3] for entity in prediction["entities"]]
        yield [
            (name, *spans[subject], *spans[target])
            for subject, name, target, *_ in prediction["relations"]
            if names is None or name in names
        ]
