"""Embeddings: texts to vectors, and how alike two texts are."""

from __future__ import annotations

from pg_llm import arguments, vectors
from pg_llm.database import models
from pg_llm.database.connection import Connection


def llm_embed(db: Connection, input: str | None, model: str | None) -> str | None:
    """The embedding of a text as a unit vector; NULL for NULL."""
    found = models.find(db, model, "embedding")
    return None if input is None else found.run("embedding", [input])[0]


def llm_embed_batch(db: Connection, inputs: list[str | None] | None, model: str | None) -> list[tuple[int, str | None]]:
    """The embedding of each text with its position from 1; NULL for NULL."""
    found = models.find(db, model, "embedding")
    given = arguments.texts(inputs)
    return list(arguments.zip_with_nulls(given, found.run("embedding", [text for text in given if text is not None])))


def llm_similarity(db: Connection, a: str | None, b: str | None, model: str | None) -> float | None:
    """The cosine similarity of two texts' embeddings, from -1 to 1; NULL if one is NULL."""
    found = models.find(db, model, "embedding")
    return None if a is None or b is None else vectors.cosine(*found.run("embedding", [a, b]))
