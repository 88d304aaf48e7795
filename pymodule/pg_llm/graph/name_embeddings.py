"""Embeddings of entity names: each entity's name is embedded once, when the entity first occurs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pg_llm import vectors
from pg_llm.database import catalog, models
from pg_llm.database.connection import Connection, Row
from pg_llm.database.security_context import as_extension_owner

Embedder = Callable[[Sequence[str]], list[Any]]
_BATCH = 256


def embedder(db: Connection, model: str) -> Embedder:
    """A function that embeds names by a model, which it loads when it is first called."""
    return lambda names: models.find(db, model, "embedding").run("embedding", names, role="document")


def cosines(db: Connection, graph: Row, text: str, others: Sequence[str]) -> list[float]:
    """The cosine similarity of a text and each of the others, by the embedding model of a graph."""
    first, *rest = embedder(db, graph["embedding_model"])([text, *others])
    return [vectors.cosine(first, vector) for vector in rest]


def embed_missing(db: Connection, embed: Embedder, entities: Sequence[int]) -> int:
    """Embed the names of those of these entities that have no vector yet; returns how many those were."""
    count = 0
    for start in range(0, len(entities), _BATCH):
        missing = _lock_without_vector(db, entities[start : start + _BATCH])
        if missing:
            _insert(db, missing, embed([row["name"] for row in missing]))
            count += len(missing)
    return count


@as_extension_owner
def _lock_without_vector(db: Connection, entities: Sequence[int]) -> list[Row]:
    """Entities that have no vector; those that another session is embedding are skipped."""
    return db.rows(
        "SELECT e.graph, e.id, e.name FROM llm.all_entity AS e WHERE e.id = ANY($1)"
        " AND NOT EXISTS (SELECT FROM llm.all_entity_embedding AS m WHERE m.entity = e.id OFFSET 0)"
        " ORDER BY e.id FOR NO KEY UPDATE OF e SKIP LOCKED",
        ("int8[]",),
        (list(entities),),
    )


@as_extension_owner
def _insert(db: Connection, entities: Sequence[Row], embeddings: Sequence[str]) -> None:
    db.rows(
        "INSERT INTO llm.all_entity_embedding (graph, entity, embedding)"
        f" SELECT g, e, v::{catalog.schema_of(db, 'vector')}.vector FROM unnest($1, $2, $3) AS u (g, e, v)"
        " ON CONFLICT DO NOTHING",
        ("int4[]", "int8[]", "text[]"),
        (*([row[name] for row in entities] for name in ("graph", "id")), list(embeddings)),
    )
