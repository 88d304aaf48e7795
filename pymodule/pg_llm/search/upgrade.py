"""Semantic indexes of version 0.1.0, which lay in columns of the table itself, move to companion tables.

The definition of such an index is in the arguments of a row trigger, `zz_NAME_forget`; its columns are NAME and
NAME_text.
"""

from __future__ import annotations

import json
from typing import Any

from pg_llm.database import column_types, ownership
from pg_llm.database.connection import Connection, Row
from pg_llm.database.quoting import quote_ident
from pg_llm.database.transaction import pinned
from pg_llm.search import companion, index

# What an index of 0.1.0 could not be told.
_OPTIONS = {
    "chunking": "auto",
    "chunk_tokens": None,
    "chunk_overlap": 0,
    "template": None,
    "storage": "vector",
    "sentences": "outlying",
}
_OF_TABLE = """
    SELECT c.oid::int8 AS oid, c.relname::text AS table, format('%I.%I', n.nspname, c.relname) AS relation,
           pg_get_userbyid(c.relowner)::text AS owner, g.tgname::text AS trigger, d.definition::text AS definition
    FROM pg_trigger AS g JOIN pg_class AS c ON c.oid = g.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL llm.semantic_definition(g.tgargs) AS d (definition)
    WHERE g.tgfoid = 'llm.semantic_forget()'::regprocedure AND g.tgparentid = 0 AND d.definition IS NOT NULL
    AND CASE WHEN $1::oid IS NULL THEN pg_has_role(c.relowner, 'USAGE') ELSE c.oid = $1::oid END
    ORDER BY c.oid, g.tgname
"""
# Statement triggers of a live index, in a database that was restored from a dump of 0.1.0; an update drops them.
_FOLLOWING = """
    SELECT g.tgname::text AS trigger, g.tgrelid::regclass::text AS relation, p.oid::regprocedure::text AS function
    FROM pg_trigger AS g JOIN pg_proc AS p ON p.oid = g.tgfoid
    WHERE g.tgrelid IN (SELECT t.relation FROM llm.relation_tree($1::oid) AS t (relation))
    AND g.tgname IN ('zz_' || $2 || '_insert', 'zz_' || $2 || '_update') AND p.proname ~ '_sync_[0-9]+_[0-9]+$'
"""


def upgrade(db: Connection, target: str | None) -> None:
    """Move the indexes of a table, or of all tables whose owner's rights the caller has; each by itself."""
    oid = None if target is None else ownership.oid(db, target)
    with pinned(db):
        found = db.rows(_OF_TABLE, ("text",), (oid,))
    for row in found:
        if not ownership.acts_for(db, row["owner"]):
            raise ownership.not_owner(f"table {row['relation']}", row["owner"])
        _move(db, row, json.loads(row["definition"]))


def _move(db: Connection, row: Row, definition: dict[str, Any]) -> None:
    name, columns = definition["name"], definition["columns"]
    with pinned(db):
        known = column_types.of_relation(db, row["oid"])
    lost = [column for column in columns if column not in known]
    if lost:
        db.warning(
            f'the semantic index "{name}" of {row["relation"]} has lost its column "{lost[0]}", and is removed',
            hint=f"CALL semantic_index('{row['relation']}', …) with the columns that it has now.",
        )
    else:
        options = {field: definition[field] for field in ("model", "method", "metric", "sync", "text_config")}
        index.create(
            db, str(row["oid"]), columns, companion.default_name(row["table"], name), None, **_OPTIONS, **options
        )
    with pinned(db):
        _remove(db, row, name)


def _remove(db: Connection, row: Row, name: str) -> None:
    """Drop the columns and triggers that the index had in the table itself."""
    relation, functions = row["relation"], set()
    for following in db.rows(_FOLLOWING, ("int8", "text"), (row["oid"], name)):
        db.execute(f"DROP TRIGGER {quote_ident(following['trigger'])} ON {following['relation']}")
        functions.add(following["function"])
    for function in sorted(functions):
        db.execute(f"DROP FUNCTION {function}")
    db.execute(f"DROP TRIGGER {quote_ident(row['trigger'])} ON {relation}")
    db.execute(
        f"ALTER TABLE {relation} DROP COLUMN IF EXISTS {quote_ident(name)},"
        f" DROP COLUMN IF EXISTS {quote_ident(f'{name}_text')}"
    )
