"""SQL: extraction: entities and the relations between them, from texts."""

from __future__ import annotations

from typing import Any

from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.graph import extract
from pg_llm.graph import schema as graph_schema


@sql_function
def graph_extract(
    db: Connection, input: str | None, entity_types: list[str] | None, relation_types: Any, model: str | None
) -> list[dict[str, Any]]:
    """The relations that a text states: who or what, which relation, to whom or to what, and where it says so."""
    schema = graph_schema.parse(entity_types, relation_types)
    return extract.triples(db, input, schema, model) if input is not None else []
