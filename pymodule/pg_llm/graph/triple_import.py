"""Ready triples, from the rows of a query: all of them are what one row of the graph says, each once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pg_llm.database import column_types, search_path
from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import Connection, Row
from pg_llm.errors import InvalidInput
from pg_llm.graph import store as graph_store
from pg_llm.graph.schema_check import Allowed
from pg_llm.graph.store import Mention, Said, Statement

_BATCH = 1000
_KEY = '"import"'
_NEEDED = ("subject", "predicate", "object")
_OPTIONAL = ("subject_type", "object_type", "confidence")
_HINT = (
    "The query has the columns subject, predicate, object and, where you like, subject_type, object_type, confidence."
)


def store(db: Connection, graph: Row, source: int, query: str) -> int:
    """Read the query under the caller's search path; how many triples are new."""
    new = 0
    with search_path.pinned(db):
        allowed = Allowed(graph)
    for rows in _batches(db, query):
        with search_path.pinned(db):
            said = [_said(row, allowed) for row in rows]
            graph_store.hold(db, source)
            number = graph_store.take(db, graph["id"], source, [_KEY])[_KEY]
            new += graph_store.add(db, graph["id"], source, number, said)
            db.poll()
    return new


def _batches(db: Connection, query: str) -> Iterator[list[Row]]:
    shape = db.describe(query)
    names = [name for name, _ in shape]
    for name in _NEEDED:
        if name not in names:
            raise InvalidInput(f'the query has no column "{name}"', hint=_HINT)
    strange = [name for name in names if name not in (*_NEEDED, *_OPTIONAL)]
    if strange:
        raise InvalidInput(f'the query has a column "{strange[0]}" that means nothing here', hint=_HINT)
    with search_path.pinned(db):
        types = column_types.of(db, [type_ for _, type_ in shape])
    columns = ", ".join(f"{_value(name, its)} AS {name}" for name, its in zip(names, types, strict=True))
    yield from db.batches(f"SELECT {columns} FROM ({query}\n) AS q", size=_BATCH)


def _value(name: str, its: ColumnType) -> str:
    text = its.text(f"q.{name}")
    if name != "confidence":
        return text
    return f"{f'q.{name}' if its.builtin else f'({text})'}::pg_catalog.float4"


def _said(row: dict[str, Any], allowed: Allowed) -> Said:
    """The two entities and the relation of a row; nothing where one of them is missing."""
    subject, predicate, object_ = (" ".join((row[name] or "").split()) for name in _NEEDED)
    if not (subject and predicate and object_):
        return Said(_KEY, 0)
    confidence = 1.0 if row.get("confidence") is None else row["confidence"]
    if not 0 <= confidence <= 1:
        raise InvalidInput(f"confidence must lie between 0 and 1, not {confidence:g}", hint=_HINT)
    types = [row.get(f"{side}_type") or "entity" for side in ("subject", "object")]
    allowed.type(types[0])
    allowed.type(types[1])
    allowed.predicate(predicate)
    mentions = [Mention(types[0], subject, None, None, None, confidence)]
    if (types[1], object_) != (types[0], subject):
        mentions.append(Mention(types[1], object_, None, None, None, confidence))
    return Said(_KEY, 0, mentions, [Statement(0, predicate, len(mentions) - 1, None, None, None, confidence)])
