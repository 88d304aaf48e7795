"""Embeddings of texts, and their cosine similarity."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm import vectors
from pg_llm.database import models
from pg_llm.database.connection import Connection


def embed(db: Connection, texts: Sequence[str | None], model: str | None) -> list[str | None]:
    """One vector literal per text, None for NULL; the model must exist even where there is no text."""
    return models.find(db, model, "embedding").run_rows("embedding", texts)


def similarity(db: Connection, a: str | None, b: str | None, model: str | None) -> float | None:
    """The cosine of both texts' embeddings."""
    encoder = models.find(db, model, "embedding")
    return None if a is None or b is None else vectors.cosine(*encoder.run("embedding", [a, b]))
