"""The comments of the columns that a query may show: those of the relations whose names are in its text."""

from __future__ import annotations

from pg_llm.database import query_text, search_path
from pg_llm.database.connection import Connection

_MOST_NAMES = 500
# A schema and a name at most: to_regclass() refuses names with more parts.
_MOST_PARTS = 2
_RELATIONS = """
    SELECT DISTINCT pg_catalog.to_regclass(n.name)::pg_catalog.int8 AS oid
    FROM pg_catalog.unnest($1::pg_catalog.text[]) AS n (name)
"""
_COMMENTS = """
    SELECT a.attname::text AS name, min(d.description) AS comment
    FROM pg_attribute AS a
    JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = a.attrelid AND d.objsubid = a.attnum
    WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
    GROUP BY a.attname HAVING count(DISTINCT d.description) = 1
"""


def of(db: Connection, query: str) -> dict[str, str]:
    """The comment for each column's name, where the relations agree on it; names are those of the caller's path."""
    names = [name for name in query_text.names(query) if name.count(".") < _MOST_PARTS and '""' not in name]
    if not names:
        return {}
    rows = db.query_unprepared(_RELATIONS, ("pg_catalog.text[]",), (names[:_MOST_NAMES],))
    oids = [int(row["oid"]) for row in rows if row["oid"] is not None]
    with search_path.pinned(db):
        found = db.rows(_COMMENTS, ("int8[]",), (oids,)) if oids else []
    return {row["name"]: row["comment"] for row in found}
