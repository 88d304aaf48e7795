"""Named-entity recognition, with labels outside the model's own assigned by zero-shot classification."""

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
# Characters of context on either side of an entity.
_CONTEXT = 60


def recognize(
    db: Connection,
    inputs: Sequence[str | None],
    labels: Sequence[Label] | None,
    model: str | None,
    threshold: float,
) -> list[tuple[int, list[dict[str, Any]] | None]]:
    """The entities of each text as rows with positions from 1, beside the text's position; None for NULL."""
    recognizer = models.find(db, model, "entities", ("entities",))
    texts = [text for text in inputs if text is not None]
    rows = [
        [
            {"entity": text[start:end], "label": label, "start_pos": start + 1, "end_pos": end + 1, "score": score}
            for label, start, end, score in entities
            if score >= threshold
        ]
        for text, entities in zip(texts, find(db, recognizer, texts, labels), strict=True)
    ]
    return list(arguments.zip_with_nulls(inputs, rows))


def find(db: Connection, recognizer: Model, texts: Sequence[str], labels: Sequence[Label] | None) -> list[list[Entity]]:
    """The entities of each text; if the recognizer knows none of the labels, a classification model assigns them."""
    if labels is None or {name for name, _ in labels} & set(recognizer.labels or ()):
        return [json.loads(result) for result in recognizer.run("entities", texts, labels=labels)]
    recognized = [json.loads(result) for result in recognizer.run("entities", texts, labels=None)]
    phrases = [phrase(text, entity) for text, entities in zip(texts, recognized, strict=True) for entity in entities]
    classifier = models.find(db, None, "classification", scoring.MODELS)
    scores = iter(classifier.run("classification", phrases, labels=labels, examples=[], many=False, variant=0))
    return [[_relabelled(entity, json.loads(next(scores))) for entity in entities] for entities in recognized]


def phrase(text: str, entity: Entity) -> str:
    """The entity, the label that the recognizer gave it, and the words around it."""
    label, start, end, _ = entity
    context = text[max(0, start - _CONTEXT) : end + _CONTEXT]
    return f"{text[start:end]} ({label}): {context}"


def _relabelled(entity: Entity, scores: scoring.Scores) -> Entity:
    _, start, end, score = entity
    label = scoring.best(scores)
    return label, start, end, score * scores[label]
