"""Conflicts in a graph: functional predicates under which one subject has several objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pg_llm.database.connection import Connection, Row
from pg_llm.graph import registry, schema

# Passages for each of the objects that are shown.
_MAX_PASSAGES = 20


def conflicts(db: Connection, name: str) -> list[dict[str, Any]]:
    """The subjects with several objects under a functional predicate, and the evidence for each object."""
    graph = registry.find(db, name)
    rows = db.rows(
        """
        SELECT r.subject, r.predicate,
               array_agg(r.object ORDER BY r.confidence DESC, r.support DESC, r.object) AS objects,
               array_agg(r.id ORDER BY r.confidence DESC, r.support DESC, r.object) AS relations,
               array_agg(r.confidence ORDER BY r.confidence DESC, r.support DESC, r.object) AS confidences
        FROM llm.relation AS r WHERE r.graph = $1 AND r.predicate = ANY($2)
        GROUP BY r.subject, r.predicate HAVING count(*) > 1 ORDER BY r.subject, r.predicate COLLATE "C"
        """,
        ("int4", "text[]"),
        (graph["id"], schema.functional_predicates(graph)),
    )
    return [_conflict(db, row) for row in rows]


def _conflict(db: Connection, conflict: Row) -> dict[str, Any]:
    rows = db.rows(
        "SELECT id, name FROM llm.entity WHERE id = ANY($1)",
        ("int8[]",),
        ([conflict["subject"], *conflict["objects"]],),
    )
    names = {row["id"]: row["name"] for row in rows}
    objects = [names[number] for number in conflict["objects"]]
    return {
        "subject": conflict["subject"],
        "subject_name": names[conflict["subject"]],
        "predicate": conflict["predicate"],
        "objects": objects,
        "confidences": conflict["confidences"],
        "evidence": _evidence(db, objects, conflict["relations"]),
    }


def _evidence(db: Connection, objects: Sequence[str], relations: Sequence[int]) -> str:
    """The evidence for each of a subject's objects, as JSON, the surest passages first."""
    rows = db.rows(
        """
        SELECT v.relation, v."table"::text AS "table", v.key::text AS key, v."column"::text AS "column",
               v.start_pos, v.end_pos, v.confidence
        FROM llm.evidence AS v WHERE v.relation = ANY($1) ORDER BY v.confidence DESC, v."table", v.key, v.start_pos
        """,
        ("int8[]",),
        (list(relations),),
    )
    passages = []
    for name, relation in zip(objects, relations, strict=True):
        for row in [row for row in rows if row["relation"] == relation][:_MAX_PASSAGES]:
            values = {key: value for key, value in row.items() if key != "relation" and value is not None}
            passages.append({"object": name, **values, "key": json.loads(row["key"])})
    return json.dumps(passages, ensure_ascii=False)
