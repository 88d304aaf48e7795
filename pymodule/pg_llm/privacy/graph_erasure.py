"""Erasure from knowledge graphs: the evidence of a row, entities that name a person, and what they alone supported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg_llm.database.connection import Connection
from pg_llm.privacy.derived_data import GRAPH_ENTITIES, GRAPH_ROWS, TYPES

_COUNT = "SELECT count(*) AS n FROM ({query}) AS found"
_TOUCHED = """
    SELECT v.entity, v.relation, v.extracted FROM llm.all_evidence AS v
    WHERE v."row" = ANY ($1) OR v.entity = ANY ($2) OR v.relation IS NULL AND v.extracted = ANY ($2)
    OR v.relation = ANY ($3) OR v.relation IS NOT NULL AND v.extracted = ANY ($3)
"""
_DELETE_EVIDENCE = _TOUCHED.replace("SELECT v.entity, v.relation, v.extracted FROM", "DELETE FROM")
_RELATIONS = "SELECT r.id FROM llm.all_relation AS r WHERE r.subject = ANY ($1) OR r.object = ANY ($1)"
_UNSUPPORTED_RELATIONS = """
    DELETE FROM llm.all_relation AS r WHERE r.id = ANY ($1) AND (r.id = ANY ($2) OR NOT EXISTS (
        SELECT FROM llm.all_evidence AS v WHERE v.relation = r.id OR v.extracted = r.id AND v.relation IS NOT NULL
    )) RETURNING r.subject, r.object
"""
_UNSUPPORTED_ENTITIES = """
    DELETE FROM llm.all_entity AS e WHERE e.id = ANY ($1) AND NOT EXISTS (
        SELECT FROM llm.all_evidence AS v WHERE v.entity = e.id OR v.extracted = e.id AND v.relation IS NULL
    ) AND NOT EXISTS (SELECT FROM llm.all_relation AS r WHERE r.subject = e.id OR r.object = e.id)
    AND NOT EXISTS (SELECT FROM llm.all_entity AS o WHERE o.merged_into = e.id)
    RETURNING e.id, e.merged_into
"""


def count(db: Connection, values: Sequence[Any]) -> dict[str, int]:
    """How many rows of graphs are the person's, and how many entities name it; as the extension's owner."""
    return {
        name: int(db.rows(_COUNT.format(query=query), TYPES, values)[0]["n"])
        for name, query in (("rows of graphs", GRAPH_ROWS), ("entities of graphs", GRAPH_ENTITIES))
    }


def erase(db: Connection, values: Sequence[Any]) -> dict[str, int]:
    """Delete these with their evidence, relations, vectors and merges; as the extension's owner."""
    rows = [row["id"] for row in db.rows(GRAPH_ROWS, TYPES, values)]
    named = [row["id"] for row in db.rows(GRAPH_ENTITIES, TYPES, values)]
    if not rows and not named:
        return {}
    about = [row["id"] for row in db.rows(_RELATIONS, ("int8[]",), (named,))]
    touched = db.rows(_TOUCHED, ("int8[]",) * 3, (rows, named, about))
    db.rows(_DELETE_EVIDENCE, ("int8[]",) * 3, (rows, named, about))
    db.rows("DELETE FROM llm.all_graph_row WHERE id = ANY ($1)", ("int8[]",), (rows,))
    relations = {
        *about,
        *(number for row in touched if row["relation"] for number in (row["relation"], row["extracted"])),
    }
    gone = db.rows(_UNSUPPORTED_RELATIONS, ("int8[]", "int8[]"), (sorted(relations), about))
    db.rows("UPDATE llm.all_entity SET merged_into = NULL WHERE merged_into = ANY ($1)", ("int8[]",), (named,))
    candidates = {number for row in touched if row["entity"] for number in (row["entity"], row["extracted"])}
    candidates |= {number for row in gone for number in (row["subject"], row["object"])} | set(named)
    deleted = 0
    # Deleting a merged entity may leave the one that it was merged into unsupported.
    while candidates and (step := db.rows(_UNSUPPORTED_ENTITIES, ("int8[]",), (sorted(candidates),))):
        deleted += len(step)
        candidates = candidates - {row["id"] for row in step} | {row["merged_into"] for row in step} - {None}
    return {"rows of graphs": len(rows), "entities of graphs": deleted}
