"""SQL: entities: which named things a text speaks of, and where."""

from __future__ import annotations

from typing import Any

from pg_llm.classify import entities as entities_
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function


@sql_function
def llm_entities(
    db: Connection, input: str | None, labels: list[str] | None, model: str | None, threshold: float | None
) -> list[dict[str, Any]]:
    """The named things in a text, in their order: words, kind, place, and how sure the model is."""
    return entities_.llm_entities(db, input, labels, model, threshold)


@sql_function
def llm_entities_batch(
    db: Connection,
    inputs: list[str | None] | None,
    labels: list[str] | None,
    model: str | None,
    threshold: float | None,
) -> list[dict[str, Any]]:
    """The named things in each text, with the text's position from 1."""
    return entities_.llm_entities_batch(db, inputs, labels, model, threshold)
