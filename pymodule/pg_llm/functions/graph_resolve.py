"""SQL: knowledge graphs: one thing under several names, whether found or said, and what contradicts itself."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput
from pg_llm.graph import conflicts, entity_resolution


@sql_function
def graph_resolve(db: Connection, graph: str | None, threshold: float | None) -> list[dict[str, Any]]:
    """Find the entities of a graph that are one thing under several names, and merge them; returns what was merged."""
    name = arguments.required("graph", graph)
    return entity_resolution.resolve(db, name, arguments.threshold(arguments.required("threshold", threshold)))


@sql_function
def graph_merge(db: Connection, a: str | None, b: str | None, threshold: float | None) -> int:
    """Read all that graph b is made from into graph a too, and resolve it; returns how many entities were merged."""
    into, source = arguments.required("a", a), arguments.required("b", b)
    threshold = arguments.threshold(arguments.required("threshold", threshold))
    return entity_resolution.merge_graphs(db, into, source, threshold)


@sql_function
def graph_merge_entities(db: Connection, kept: int | None, merged: int | None) -> None:
    """Say that two entities of a graph are one thing: the first stands for both from now on."""
    entity_resolution.merge_entities(db, arguments.required("kept", kept), arguments.required("merged", merged))


@sql_function
def graph_unmerge(db: Connection, entity: int | None, graph: str | None) -> int:
    """Undo the merging of one entity, which is remembered, or of all in a graph; returns how many stand alone again."""
    if entity is None and graph is None:
        raise InvalidInput(
            "say which entity, or which graph", hint="SELECT merged, merged_name FROM llm.merge shows what was merged."
        )
    return entity_resolution.unmerge(db, entity, graph)


@sql_function
def graph_conflicts(db: Connection, graph: str | None) -> list[dict[str, Any]]:
    """Where a relation that can have one object has several: the likeliest first, with what speaks for each."""
    return conflicts.conflicts(db, arguments.required("graph", graph))
