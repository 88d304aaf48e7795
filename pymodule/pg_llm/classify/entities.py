"""Entities: which named things a text speaks of, and where."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm import arguments
from pg_llm.arguments import Label
from pg_llm.classify import scoring
from pg_llm.database import models
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model

# Label, start and end from 0, score.
Entity = tuple[str, int, int, float]
_AROUND = 60


def llm_entities(
    db: Connection, input: str | None, labels: list[str] | None, model: str | None, threshold: float | None
) -> list[dict[str, Any]]:
    """The named things in a text, in their order: words, kind, place, and how sure the model is."""
    found = _found(db, [input], labels, model, threshold)
    return found[0] if input is not None else []


def llm_entities_batch(
    db: Connection,
    inputs: list[str | None] | None,
    labels: list[str] | None,
    model: str | None,
    threshold: float | None,
) -> list[dict[str, Any]]:
    """The named things in each text, with the text's position from 1."""
    given = arguments.texts(inputs)
    results = arguments.zip_with_nulls(given, _found(db, given, labels, model, threshold))
    return [{"ordinality": position, **entity} for position, its in results for entity in its or ()]


def _found(
    db: Connection, inputs: Sequence[str | None], labels: list[str] | None, model: str | None, threshold: float | None
) -> list[list[dict[str, Any]]]:
    """The entities of each text that is not NULL."""
    least = 0.0 if threshold is None else arguments.threshold(threshold)
    able, wanted = models.find(db, model, "entities", ("entities",)), arguments.labels(labels)
    texts = [text for text in inputs if text is not None]
    return [
        [
            {"entity": text[start:end], "label": label, "start_pos": start + 1, "end_pos": end + 1, "score": score}
            for label, start, end, score in entities
            if score >= least
        ]
        for text, entities in zip(texts, find(db, able, texts, wanted), strict=True)
    ]


def find(db: Connection, able: Model, texts: Sequence[str], wanted: Sequence[Label] | None) -> list[list[Entity]]:
    """The entities of each text; labels that the model does not know are told apart by the classification model."""
    if wanted is None or {name for name, _ in wanted} & set(able.labels or ()):
        return [json.loads(result) for result in able.run("entities", texts, labels=wanted)]
    found = [json.loads(result) for result in able.run("entities", texts, labels=None)]
    phrases = [phrase(text, entity) for text, its in zip(texts, found, strict=True) for entity in its]
    judge = models.find(db, None, "classification", scoring.MODELS)
    answers = iter(judge.run("classification", phrases, labels=wanted, examples=[], many=False, variant=0))
    return [[_named(entity, json.loads(next(answers))) for entity in its] for its in found]


def phrase(text: str, entity: Entity) -> str:
    """The entity, what the model took it for, and the words around it."""
    label, start, end, _ = entity
    around = text[max(0, start - _AROUND) : end + _AROUND]
    return f"{text[start:end]} ({label}): {around}"


def _named(entity: Entity, scores: dict[str, float]) -> Entity:
    _, start, end, score = entity
    label = scoring.best(scores)
    return label, start, end, score * scores[label]
