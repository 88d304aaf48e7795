"""SQL: extraction: entities and the relations between them, from texts."""

from __future__ import annotations

from typing import Any

from pg_llm.database.session import sql_function
from pg_llm.graph import extract


@sql_function
def graph_extract(
    input: str | None, entity_types: list[str] | None, relation_types: Any, model: str | None
) -> list[dict[str, Any]]:
    """The relations that a text states: who or what, which relation, to whom or to what, and where it says so."""
    return extract.graph_extract(input, entity_types, relation_types, model)
