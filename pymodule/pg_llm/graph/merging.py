"""Merging of entities and its undoing: what was extracted stays, and the entity that represents it changes.

Evidence refers to both, so that only the evidence and the relations of the merged entities are written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from pg_llm.database.connection import Connection
from pg_llm.database.security_context import as_extension_owner
from pg_llm.graph import garbage_collection, store

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Merge:
    """An entity that another one represents from now on; the score is None for a merge that a person asked for."""

    kept: int
    merged: int
    score: float | None
    reason: str


@as_extension_owner
def lock_graph(db: Connection, graph: int) -> None:
    """Block ingestion and new sources until the transaction ends."""
    db.rows("SELECT FROM llm.all_graph WHERE id = $1 FOR UPDATE", ("int4",), (graph,))
    db.rows("SELECT FROM llm.all_graph_source WHERE graph = $1 ORDER BY id FOR UPDATE", ("int4",), (graph,))


@as_extension_owner
def merge(db: Connection, graph: int, merges: Sequence[Merge]) -> None:
    """Merge entities into others that are not merged themselves. The graph is locked."""
    kept, merged = [each.kept for each in merges], [each.merged for each in merges]
    db.rows(
        "INSERT INTO llm.all_merge (graph, kept, merged, score, reason) SELECT $1, * FROM unnest($2, $3, $4, $5)"
        " ON CONFLICT (merged, kept) DO UPDATE"
        " SET score = excluded.score, reason = excluded.reason, state = excluded.state,"
        " merged_at = clock_timestamp()",
        ("int4", "int8[]", "int8[]", "float4[]", "text[]"),
        (graph, kept, merged, [each.score for each in merges], [each.reason for each in merges]),
    )
    target = dict(zip(merged, kept, strict=True))
    earlier = db.rows("SELECT id, merged_into FROM llm.all_entity WHERE merged_into = ANY($1)", ("int8[]",), (merged,))
    _set_representatives(db, target | {row["id"]: target[row["merged_into"]] for row in earlier})
    _reassign_evidence(db, graph, [*merged, *(row["id"] for row in earlier)])


@as_extension_owner
def unmerge(db: Connection, graph: int, entity: int) -> None:
    """Undo the merge of an entity and remember that; what was merged into it before follows it. The graph is locked."""
    below = db.rows(
        "WITH RECURSIVE below (id) AS (SELECT $1 UNION SELECT m.merged FROM llm.all_merge AS m"
        " JOIN below AS b ON m.kept = b.id WHERE m.state = 'merged') SELECT id FROM below",
        ("int8",),
        (entity,),
    )
    moved = db.rows(
        "SELECT id, merged_into FROM llm.all_entity WHERE id = ANY($1) AND merged_into IS NOT NULL",
        ("int8[]",),
        ([row["id"] for row in below],),
    )
    former = next(row["merged_into"] for row in moved if row["id"] == entity)
    db.rows("UPDATE llm.all_merge SET state = 'undone' WHERE merged = $1 AND state = 'merged'", ("int8",), (entity,))
    changed = [row["id"] for row in moved if row["merged_into"] == former]
    _set_representatives(db, {number: entity for number in changed if number != entity})
    _clear_representatives(db, [entity])
    _reassign_evidence(db, graph, changed)
    garbage_collection.delete_unsupported(db, "entity", [former, entity])


@as_extension_owner
def forbid_merge(db: Connection, graph: int, kept: int, merged: int, reason: str) -> None:
    """Remember that these two must not be merged, unless they are merged already."""
    db.rows(
        "INSERT INTO llm.all_merge (graph, kept, merged, reason, state) VALUES ($1, $2, $3, $4, 'undone')"
        " ON CONFLICT DO NOTHING",
        ("int4", "int8", "int8", "text"),
        (graph, kept, merged, reason),
    )


@as_extension_owner
def unmerge_all(db: Connection, graph: int) -> int:
    """Undo all merges of a graph; returns how many entities were merged. The graph is locked."""
    query = "SELECT id, merged_into FROM llm.all_entity WHERE graph = $1 AND merged_into IS NOT NULL ORDER BY id"
    rows = list(db.stream(query, ("int4",), (graph,)))
    changed = [row["id"] for row in rows]
    _clear_representatives(db, changed)
    db.rows("DELETE FROM llm.all_merge WHERE graph = $1 AND state = 'merged'", ("int4",), (graph,))
    _reassign_evidence(db, graph, changed)
    for batch in _batches(sorted({row["merged_into"] for row in rows})):
        garbage_collection.delete_unsupported(db, "entity", batch)
    return len(changed)


def _set_representatives(db: Connection, representatives: dict[int, int]) -> None:
    db.rows(
        "UPDATE llm.all_entity AS e SET merged_into = u.standing FROM unnest($1, $2) AS u (id, standing)"
        " WHERE e.id = ANY($1) AND e.id = u.id",
        ("int8[]", "int8[]"),
        (list(representatives), list(representatives.values())),
    )


def _clear_representatives(db: Connection, numbers: Sequence[int]) -> None:
    db.rows("UPDATE llm.all_entity SET merged_into = NULL WHERE id = ANY($1)", ("int8[]",), (list(numbers),))


def _reassign_evidence(db: Connection, graph: int, changed: Sequence[int]) -> None:
    """Let the evidence for these entities, and for relations of theirs, count for their representatives."""
    for batch in _batches(changed):
        db.poll()
        now = representatives(db, batch)
        db.rows(
            "UPDATE llm.all_evidence AS v SET entity = u.standing FROM unnest($1, $2) AS u (id, standing)"
            " WHERE v.extracted = ANY($1) AND v.extracted = u.id AND v.entity IS NOT NULL",
            ("int8[]", "int8[]"),
            (list(now), list(now.values())),
        )
        affected = db.rows(
            "SELECT id FROM llm.all_relation WHERE subject = ANY($1)"
            " UNION SELECT id FROM llm.all_relation WHERE object = ANY($1)",
            ("int8[]",),
            (list(batch),),
        )
        for relations in _batches([row["id"] for row in affected]):
            _reassign_relations(db, graph, relations)


def _reassign_relations(db: Connection, graph: int, numbers: Sequence[int]) -> None:
    """The same for those of these relations that have evidence of their own."""
    evidence = db.rows(
        "SELECT DISTINCT extracted, relation FROM llm.all_evidence"
        " WHERE extracted = ANY($1) AND relation IS NOT NULL ORDER BY extracted",
        ("int8[]",),
        (list(numbers),),
    )
    if not evidence:
        return
    extracted = db.rows(
        "SELECT id, subject, predicate, object FROM llm.all_relation WHERE id = ANY($1)",
        ("int8[]",),
        ([row["extracted"] for row in evidence],),
    )
    ends = representatives(db, {row[end] for row in extracted for end in ("subject", "object")})
    triples = {row["id"]: (ends[row["subject"]], row["predicate"], ends[row["object"]]) for row in extracted}
    now = store.relation_ids(db, graph, sorted(set(triples.values())))
    db.rows(
        "UPDATE llm.all_evidence AS v SET relation = u.standing FROM unnest($1, $2) AS u (id, standing)"
        " WHERE v.extracted = ANY($1) AND v.extracted = u.id AND v.relation IS NOT NULL",
        ("int8[]", "int8[]"),
        (list(triples), [now[triple] for triple in triples.values()]),
    )
    moved = [(row["relation"], now[triples[row["extracted"]]]) for row in evidence]
    store.update_sole_evidence(db, {number for before, after in moved if before != after for number in (before, after)})
    garbage_collection.delete_unsupported(db, "relation", sorted({row["relation"] for row in evidence}))


@as_extension_owner
def representatives(db: Connection, numbers: Collection[int]) -> dict[int, int]:
    """The entity that represents each of these: the one that it is merged into, or itself."""
    rows = db.rows(
        "SELECT id, coalesce(merged_into, id) AS standing FROM llm.all_entity WHERE id = ANY($1)",
        ("int8[]",),
        (sorted(numbers),),
    )
    return {row["id"]: row["standing"] for row in rows}


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[start : start + _BATCH] for start in range(0, len(numbers), _BATCH))
