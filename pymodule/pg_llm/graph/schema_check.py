"""What a graph's schema lets in, where it has one."""

from __future__ import annotations

import json

from pg_llm.database.connection import Row
from pg_llm.errors import InvalidInput
from pg_llm.graph import schema as graph_schema


class Allowed:
    """The types of entities and relations of a graph; one without lists takes any."""

    def __init__(self, graph: Row) -> None:
        schema = graph_schema.parse(graph["entity_types"], json.loads(graph["relation_types"] or "null"))
        self._name: str = graph["name"]
        self._types = sorted(name for name, _ in schema.entity_types or ())
        self._predicates = sorted(schema.relation_types or ())

    def type(self, name: str) -> None:
        """Raise InvalidInput for a type of entity that the graph does not hold."""
        self._check("entity type", name, self._types)

    def predicate(self, name: str) -> None:
        """Raise InvalidInput for a type of relation that the graph does not hold."""
        self._check("relation type", name, self._predicates)

    def _check(self, what: str, name: str, known: list[str]) -> None:
        if known and name not in known:
            raise InvalidInput(f'the graph "{self._name}" has no {what} "{name}"', hint=f"It has: {', '.join(known)}.")
