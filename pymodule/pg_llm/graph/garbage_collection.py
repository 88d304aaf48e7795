"""Garbage collection of a graph: entities and relations that no evidence supports any more are deleted."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.database.connection import Connection
from pg_llm.database.security_context import as_extension_owner

# OFFSET 0 keeps each subquery from becoming a join, which would read the whole graph: it is an index lookup per id.
_SUPPORTED = {
    "relation": """
    EXISTS (SELECT FROM llm.all_evidence AS v WHERE v.relation = c.id OFFSET 0)
    OR EXISTS (SELECT FROM llm.all_evidence AS v WHERE v.extracted = c.id AND v.relation IS NOT NULL OFFSET 0)
""",
    # Evidence that was extracted for a merged entity counts for the one that it is merged into.
    "entity": """
    EXISTS (SELECT FROM llm.all_evidence AS v WHERE v.entity = c.id OFFSET 0)
    OR EXISTS (SELECT FROM llm.all_evidence AS v WHERE v.extracted = c.id AND v.entity = (
        SELECT e.merged_into FROM llm.all_entity AS e WHERE e.id = c.id OFFSET 0) OFFSET 0)
    OR EXISTS (SELECT FROM llm.all_relation AS r WHERE r.subject = c.id OFFSET 0)
    OR EXISTS (SELECT FROM llm.all_relation AS r WHERE r.object = c.id OFFSET 0)
    OR EXISTS (SELECT FROM llm.all_entity AS a WHERE a.merged_into = c.id OFFSET 0)
""",
}


@as_extension_owner
def delete_unsupported(db: Connection, kind: str, numbers: Sequence[int]) -> int:
    """Delete those of these entities or relations that nothing supports; returns how many those were.

    They are locked and checked again, since a writer that has begun to add evidence for one holds a lock on it.
    """
    unsupported = f"NOT ({_SUPPORTED[kind]})"
    count = 0
    # Deleting a merged entity may leave the one that it was merged into unsupported.
    while numbers and (locked := _lock(db, kind, numbers, unsupported)):
        confirmed = db.rows(f"SELECT c.id FROM unnest($1) AS c (id) WHERE {unsupported}", ("int8[]",), (locked,))
        deleted = db.rows(
            f"DELETE FROM llm.all_{kind} WHERE id = ANY($1)"
            f" RETURNING {'merged_into' if kind == 'entity' else 'NULL::int8'} AS other",
            ("int8[]",),
            ([row["id"] for row in confirmed],),
        )
        count += len(deleted)
        numbers = [row["other"] for row in deleted if row["other"] is not None]
    return count


def _lock(db: Connection, kind: str, numbers: Sequence[int], condition: str) -> list[int]:
    """Lock those of these for which the condition on `c.id` holds until the transaction ends; returns them."""
    if not numbers:
        return []
    rows = db.rows(f"SELECT c.id FROM unnest($1) AS c (id) WHERE {condition}", ("int8[]",), (list(numbers),))
    locked = (
        db.rows(
            f"SELECT id FROM llm.all_{kind} WHERE id = ANY($1) ORDER BY id FOR UPDATE",
            ("int8[]",),
            ([row["id"] for row in rows],),
        )
        if rows
        else []
    )
    return [row["id"] for row in locked]


def delete_orphans(db: Connection, entities: set[int], relations: set[int]) -> None:
    """Delete those of these that the evidence just deleted was the last to support."""
    # Entities are locked before relations, as writers lock them, so that no deadlock arises.
    _lock(
        db, "entity", sorted(entities), "NOT EXISTS (SELECT FROM llm.all_evidence AS v WHERE v.entity = c.id OFFSET 0)"
    )
    for kind, candidates in (("relation", relations), ("entity", entities)):
        if candidates:
            delete_unsupported(db, kind, sorted(candidates))
