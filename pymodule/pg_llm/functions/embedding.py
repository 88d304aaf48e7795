"""SQL: embeddings: texts to vectors, and how alike two texts are."""

from __future__ import annotations

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.search import embedding


@sql_function
def llm_embed(db: Connection, input: str | None, model: str | None) -> str | None:
    """The embedding of a text as a unit vector; NULL for NULL."""
    return embedding.embed(db, [input], model)[0]


@sql_function
def llm_embed_batch(db: Connection, inputs: list[str | None] | None, model: str | None) -> list[tuple[int, str | None]]:
    """The embedding of each text with its position from 1; NULL for NULL."""
    return list(enumerate(embedding.embed(db, arguments.texts(inputs), model), 1))


@sql_function
def llm_similarity(db: Connection, a: str | None, b: str | None, model: str | None) -> float | None:
    """The cosine similarity of two texts' embeddings, from -1 to 1; NULL if one is NULL."""
    return embedding.similarity(db, a, b, model)
