"""How true the semantic indexes are: rows, and of these the stale and the missing ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from pg_llm.database import table_access
from pg_llm.database.connection import Connection
from pg_llm.database.patience import Patience, Unavailable, is_computed
from pg_llm.search import semantic_index
from pg_llm.search.semantic_index import SemanticIndex

# Those of relations that the caller may read.
_READABLE = """
    SELECT i.id FROM llm.semantic_index AS i JOIN pg_class AS c ON c.oid = i.target
    WHERE has_schema_privilege(c.relnamespace, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    ORDER BY c.relname COLLATE "C", i.name COLLATE "C"
"""


def report(db: Connection) -> Iterator[dict[str, Any]]:
    """One row for each index of a relation that the caller may read, about the rows that the caller may read.

    The counts are None for a relation that is locked, fails, would run code of a role that the caller cannot trust, or
    is computed by such a role for too long.
    """
    patience = Patience(db)
    for row in db.rows(_READABLE):
        index = semantic_index.by_id(db, row["id"])
        if index is not None:
            yield {
                "kind": "index",
                "number": index.id,
                "owner": index.owner,
                "target": index.target,
                "name": index.name,
                "sync": index.definition.sync,
                **_counts(db, patience, index),
            }


def _counts(db: Connection, patience: Patience, index: SemanticIndex) -> dict[str, Any]:
    count = partial(_count, db, index)
    read = partial(table_access.on_unnamed, db, index.source.oid, count, beside=[index.companion_oid])
    try:
        return patience.run(index.owner, read, is_computed(db, index.source.oid))
    except Unavailable:
        # Nobody has named this table: it says nothing about the others.
        return dict.fromkeys(("rows", "stale", "missing", "models"))


def _count(db: Connection, index: SemanticIndex) -> dict[str, Any]:
    (counts,) = db.query_unprepared(f"""
        SELECT count(*) AS rows, count(c.text_hash) AS done, count(*) FILTER (
                   WHERE c.text_hash <> {index.text_hash} OR c.text_hash IS NOT NULL AND {index.document} = ''
               ) AS stale,
               count(*) FILTER (WHERE c.text_hash IS NULL AND {index.document} <> '') AS missing
        FROM {index.source.relation} AS t
        LEFT JOIN LATERAL (
            SELECT c.text_hash FROM {index.companion} AS c WHERE {index.same_row} LIMIT 1
        ) AS c ON true
    """)
    done = counts.pop("done")
    return {**counts, "models": json.dumps({index.definition.model: done} if done else {})}
