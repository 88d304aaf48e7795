"""Mappings from the columns of a table to the entities and relations of a graph, after the manner of R2RML (W3C 2012).

A mapping is a list of objects with `subject`, `subject_type`, `predicate`, `object` and `object_type`; subject and
object name columns, those of a table behind a foreign key as `column.column`.
"""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection, Row
from pg_llm.errors import InvalidInput
from pg_llm.graph import source as graph_source
from pg_llm.graph.schema import SchemaValidator

_KEYS = ("subject", "subject_type", "predicate", "object", "object_type")
_HINT = (
    """Write mapping => '[{"subject": "name", "subject_type": "patient", "predicate": "has", "object": "disease"}]';"""
    """ "object": "doctor_id.name" follows a foreign key."""
)


def parse(given: str | None) -> list[Any]:
    """The items of the argument `mapping`, a JSON list or one object. Raises InvalidInput."""
    mapping = arguments.parse_json("mapping", given)
    items = [mapping] if isinstance(mapping, dict) else mapping
    if not isinstance(items, list) or not items:
        raise InvalidInput("mapping must be a JSON list of objects", hint=_HINT)
    return items


def complete(db: Connection, items: list[Any], graph: Row, table: Table) -> list[dict[str, Any]]:
    """The mapping with all types filled in. Raises InvalidInput where it does not fit the table or the graph."""
    validator = SchemaValidator(graph)
    completed = []
    for item in items:
        well_formed = (
            isinstance(item, dict)
            and item.keys() <= set(_KEYS)
            and all(isinstance(value, str) and value for value in item.values())
        )
        if not well_formed or "subject" not in item or ("predicate" in item) != ("object" in item):
            raise InvalidInput(
                "each part of a mapping has a subject, and beside it both a predicate and an object or neither",
                hint=_HINT,
            )
        full = {"subject_type": _unqualified(table.relation), **item}
        if "object" in item:
            full.setdefault("object_type", _default_type(db, table, item["object"]))
        check_types(validator, full)
        completed.append(full)
    return completed


def check_types(validator: SchemaValidator, item: dict[str, Any]) -> None:
    """Raise InvalidInput where the graph does not allow a type or the predicate of an item."""
    for key in ("subject_type", "object_type"):
        if key in item:
            validator.check_type(item[key])
    if "predicate" in item:
        validator.check_predicate(item["predicate"])


def _default_type(db: Connection, table: Table, column: str) -> str:
    """The name of the column, or of the table that its foreign key leads to."""
    if column in table.columns:
        return column
    return _unqualified(graph_source.foreign_keys(db, table, [column])[0].relation)


def _unqualified(relation: str) -> str:
    return relation.rpartition(".")[2].strip('"')
