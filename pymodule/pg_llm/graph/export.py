"""Export of a graph: its triples as rows, and as GraphML, Turtle, JSON-LD or Cypher."""

from __future__ import annotations

from collections.abc import Iterator

from pg_llm.database.connection import Connection, Row
from pg_llm.errors import InvalidInput
from pg_llm.graph import formats, registry

_MAX_RELATIONS = 1_000_000
_TRIPLES = """
    SELECT s.name AS subject, s.type AS subject_type, r.predicate, o.name AS object, o.type AS object_type,
           r.confidence, r.support
    FROM llm.relation AS r JOIN llm.entity AS s ON s.id = r.subject AND s.graph = r.graph
    JOIN llm.entity AS o ON o.id = r.object AND o.graph = r.graph
    WHERE r.graph = $1 AND s.graph = $1 AND o.graph = $1
    ORDER BY s.name COLLATE "C", s.type COLLATE "C", r.predicate COLLATE "C", o.name COLLATE "C", o.type COLLATE "C"
"""


def triples(db: Connection, name: str | None) -> Iterator[Row]:
    """The relations of a graph that the caller may see, with names and types of their ends, fetched by a cursor."""
    graph = registry.find(db, name)
    return db.stream(_TRIPLES, ("int4",), (graph["id"],))


def serialize(db: Connection, name: str, format: str) -> str:
    """The part of a graph that the caller may see as one text in a format of `formats.FORMATS`."""
    graph = registry.find(db, name)
    entities = db.stream(
        "SELECT id, name, type, aliases FROM llm.entity WHERE graph = $1 ORDER BY id", ("int4",), (graph["id"],)
    )
    return "".join(formats.FORMATS[format](graph["name"], entities, _relations(db, graph)))


def _relations(db: Connection, graph: Row) -> Iterator[Row]:
    """The relations by id. Raises InvalidInput where there are more than one text should hold."""
    query = "SELECT id, subject, predicate, object, confidence, support FROM llm.relation WHERE graph = $1 ORDER BY id"
    for number, relation in enumerate(db.stream(query, ("int4",), (graph["id"],))):
        if number == _MAX_RELATIONS:
            raise InvalidInput(
                f'the graph "{graph["name"]}" has more than {_MAX_RELATIONS} relations, too many for one text',
                hint=r"\copy (SELECT * FROM graph_triples('NAME')) TO 'triples.csv' CSV HEADER writes them all.",
            )
        yield relation
