"""Import of triples from the rows of a query; in the graph all of them are facts of one row, each once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pg_llm.database import column_types, search_path
from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import Connection, Row
from pg_llm.errors import InvalidInput
from pg_llm.graph import store as graph_store
from pg_llm.graph.schema import SchemaValidator
from pg_llm.graph.store import EntityMention, RelationMention, RowFacts

_BATCH = 1000
_KEY = '"import"'
_REQUIRED = ("subject", "predicate", "object")
_OPTIONAL = ("subject_type", "object_type", "confidence")
_HINT = (
    "The query has the columns subject, predicate, object and, where you like, subject_type, object_type, confidence."
)


def import_triples(db: Connection, graph: Row, source: int, query: str) -> int:
    """Run the query under the caller's search path and store its triples; returns how many are new."""
    new = 0
    with search_path.pinned(db):
        validator = SchemaValidator(graph)
    for rows in _batches(db, query):
        with search_path.pinned(db):
            facts = [_facts(row, validator) for row in rows]
            graph_store.try_lock_source(db, source)
            row_id = graph_store.lock_source_rows(db, graph["id"], source, [_KEY])[_KEY]
            new += graph_store.add_facts(db, graph["id"], source, row_id, facts)
            db.poll()
    return new


def _batches(db: Connection, query: str) -> Iterator[list[Row]]:
    """The rows of the query, all columns but the confidence as text. Raises InvalidInput for other columns."""
    described = db.describe(query)
    names = [name for name, _ in described]
    for name in _REQUIRED:
        if name not in names:
            raise InvalidInput(f'the query has no column "{name}"', hint=_HINT)
    unknown = [name for name in names if name not in (*_REQUIRED, *_OPTIONAL)]
    if unknown:
        raise InvalidInput(f'the query has a column "{unknown[0]}" that means nothing here', hint=_HINT)
    with search_path.pinned(db):
        types = column_types.of(db, [type_ for _, type_ in described])
    columns = ", ".join(f"{_value(name, type_)} AS {name}" for name, type_ in zip(names, types, strict=True))
    yield from db.batches(f"SELECT {columns} FROM ({query}\n) AS q", size=_BATCH)


def _value(name: str, type_: ColumnType) -> str:
    """SQL for a column as text, or as a number."""
    text = type_.text(f"q.{name}")
    if name != "confidence":
        return text
    return f"{f'q.{name}' if type_.builtin else f'({text})'}::pg_catalog.float4"


def _facts(row: dict[str, Any], validator: SchemaValidator) -> RowFacts:
    """The two entities and the relation of a row; no facts where one of them is missing."""
    subject, predicate, object_ = (" ".join((row[name] or "").split()) for name in _REQUIRED)
    if not (subject and predicate and object_):
        return RowFacts(_KEY, 0)
    confidence = 1.0 if row.get("confidence") is None else row["confidence"]
    if not 0 <= confidence <= 1:
        raise InvalidInput(f"confidence must lie between 0 and 1, not {confidence:g}", hint=_HINT)
    types = [row.get(f"{side}_type") or "entity" for side in ("subject", "object")]
    validator.check_type(types[0])
    validator.check_type(types[1])
    validator.check_predicate(predicate)
    entities = [EntityMention(types[0], subject, confidence=confidence)]
    if (types[1], object_) != (types[0], subject):
        entities.append(EntityMention(types[1], object_, confidence=confidence))
    return RowFacts(_KEY, 0, entities, [RelationMention(0, predicate, len(entities) - 1, confidence=confidence)])
