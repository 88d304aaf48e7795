"""SQL: entities: which named things a text speaks of, and where."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.classify import entities
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function


@sql_function
def llm_entities(
    db: Connection, input: str | None, labels: list[str] | None, model: str | None, threshold: float | None
) -> list[dict[str, Any]]:
    """The named things in a text, in their order: words, kind, place, and how sure the model is."""
    return entities.recognize(db, [input], arguments.labels(labels), model, _least(threshold))[0][1] or []


@sql_function
def llm_entities_batch(
    db: Connection,
    inputs: list[str | None] | None,
    labels: list[str] | None,
    model: str | None,
    threshold: float | None,
) -> list[dict[str, Any]]:
    """The named things in each text, with the text's position from 1."""
    texts, least = arguments.texts(inputs), _least(threshold)
    recognized = entities.recognize(db, texts, arguments.labels(labels), model, least)
    return [{"ordinality": position, **row} for position, rows in recognized for row in rows or ()]


def _least(threshold: float | None) -> float:
    return 0.0 if threshold is None else arguments.threshold(threshold)
