"""Vectors of the names in a graph: each entity has one, made when it is first spoken of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pg_llm.database import catalog, models
from pg_llm.database.connection import Connection, Row
from pg_llm.database.security_context import as_extension_owner

Embed = Callable[[Sequence[str]], list[Any]]
_EMBEDDED = 256


def embed(db: Connection, vectors: Embed, numbers: Sequence[int]) -> int:
    """Give those of these entities a vector that have none; how many that were."""
    done = 0
    for start in range(0, len(numbers), _EMBEDDED):
        lacking = _lacking(db, numbers[start : start + _EMBEDDED])
        if lacking:
            _keep(db, lacking, vectors([row["name"] for row in lacking]))
            done += len(lacking)
    return done


@as_extension_owner
def _lacking(db: Connection, numbers: Sequence[int]) -> list[Row]:
    return db.rows(
        # What somebody else is giving a vector needs none from here.
        "SELECT e.graph, e.id, e.name FROM llm.all_entity AS e WHERE e.id = ANY($1)"
        " AND NOT EXISTS (SELECT FROM llm.all_entity_embedding AS m WHERE m.entity = e.id OFFSET 0)"
        " ORDER BY e.id FOR NO KEY UPDATE OF e SKIP LOCKED",
        ("int8[]",),
        (list(numbers),),
    )


@as_extension_owner
def _keep(db: Connection, entities: Sequence[Row], vectors: Sequence[str]) -> None:
    db.rows(
        "INSERT INTO llm.all_entity_embedding (graph, entity, embedding)"
        f" SELECT g, e, v::{catalog.schema_of(db, 'vector')}.vector FROM unnest($1, $2, $3) AS u (g, e, v)"
        " ON CONFLICT DO NOTHING",
        ("int4[]", "int8[]", "text[]"),
        (*([row[name] for row in entities] for name in ("graph", "id")), list(vectors)),
    )


def embedder(db: Connection, name: str) -> Embed:
    """What makes vectors of names, by the model of that name."""
    return lambda names: models.find(db, name, "embedding").run("embedding", names, role="document")
