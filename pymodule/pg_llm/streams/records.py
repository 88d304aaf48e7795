"""The columns of a record: what is declared, or what the source itself says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pg_llm.database import search_path
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.errors import InvalidInput
from pg_llm.streams.transform import METADATA

_MOST = 1000
_EXAMPLE = """Write columns => '["id bigint", "amount numeric", "sent_at timestamptz"]'."""
_TYPE = "SELECT $1::pg_catalog.regtype::pg_catalog.oid::pg_catalog.int8 AS oid"
_NAME = """
    SELECT format_type(t.oid, NULL) AS name, t.typtype = 'p' AS pseudo FROM pg_type AS t WHERE t.oid = $1::oid
"""


def columns(
    db: Connection, declared: Any, source: Mapping[str, Any], own: Sequence[tuple[str, str]] | None
) -> list[tuple[str, str]]:
    """Names and types, those of types not PostgreSQL's own qualified; `own` are the source's, where it has some.

    Types are looked up on the caller's path. Raises InvalidInput.
    """
    pairs = _pairs(declared)
    if pairs is None:
        if own is not None:
            return list(own)
        if source.get("format") != "text":
            raise InvalidInput("columns must say what a record holds", hint=_EXAMPLE)
        pairs = [("value", "text")]
    if isinstance(declared, dict) and source.get("format") == "csv" and len(pairs) > 1:
        raise InvalidInput("the fields of CSV have an order, and a JSON object has none", hint=_EXAMPLE)
    if source.get("format") == "text" and len(pairs) != 1:
        raise InvalidInput("a record that is a text has one column", hint="""Write columns => '["body text"]'.""")
    names = [name for name, _ in pairs]
    for name in names:
        if not 0 < len(name.encode()) <= 63 or names.count(name) > 1 or name in METADATA or name == "stream_place":
            raise InvalidInput(f'column "{name[:80]}" has no name of its own, or one that is taken', hint=_EXAMPLE)
    if not 0 < len(names) <= _MOST:
        raise InvalidInput(f"columns has {len(names)} columns, and 1 to {_MOST} are read", hint=_EXAMPLE)
    return [(name, _type(db, type_)) for name, type_ in pairs]


def _pairs(declared: Any) -> list[tuple[str, str]] | None:
    if declared is None:
        return None
    if isinstance(declared, dict):
        listed: list[Any] = list(declared.items())
    elif isinstance(declared, list) and all(isinstance(item, str) for item in declared):
        listed = [tuple(map(str.strip, item.strip().partition(" ")[::2])) for item in declared]
    else:
        raise InvalidInput("columns must be a JSON array of texts, or an object", hint=_EXAMPLE)
    if not all(isinstance(type_, str) and type_ for _, type_ in listed):
        raise InvalidInput("a column in columns has no type", hint=_EXAMPLE)
    return [(name, type_) for name, type_ in listed]


def _type(db: Connection, written: str) -> str:
    try:
        with db.savepoint():
            oid = db.rows(_TYPE, ("text",), (written,))[0]["oid"]
    except DatabaseError as error:
        raise InvalidInput(f'there is no type "{written[:80]}": {error}', hint=_EXAMPLE) from None
    with search_path.pinned(db):
        row = db.rows(_NAME, ("int8",), (oid,))[0]
    if row["pseudo"] or "(" in written:
        hint = "Write the type without a length; a column of the target may have one."
        raise InvalidInput(f'"{written[:80]}" is no type that a column of records can have', hint=hint)
    return str(row["name"])
