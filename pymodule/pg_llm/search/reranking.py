"""The relevance of texts to a query, by a model that reads both."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.database import models
from pg_llm.database.connection import Connection

MODELS = ("ranking", "generation", "embedding")


def rank(db: Connection, query: str, texts: Sequence[str | None], model: str | None) -> list[float | None]:
    """As `rerank`, for texts of a caller: None for NULL, and where `llm.on_error` says so for one that fails."""
    scores = models.find(db, model, "ranking", MODELS).run_rows("ranking", texts, query=query)
    return [None if score is None else float(score) for score in scores]


def rerank(db: Connection, query: str, passages: Sequence[str], model: str | None) -> list[float]:
    """The relevance of each passage to the query, higher is better; None is the model of `llm.ranking_model`.

    A probability from 0 to 1, or for an embedding model the cosine similarity.
    """
    ranker = models.find(db, model, "ranking", MODELS)
    return [float(score) for score in ranker.run("ranking", passages, query=query)] if passages else []
