"""Merging entities and undoing it: what was read stays as it was, and what stands for it changes.

Evidence names both, so that either way only the evidence and the relations of the entities concerned are written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from pg_llm.database.connection import Connection
from pg_llm.database.security_context import as_extension_owner
from pg_llm.graph import store

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Merge:
    """One entity that another stands for from now on; a score of None is a person's word."""

    kept: int
    merged: int
    score: float | None
    reason: str


@as_extension_owner
def lock(db: Connection, graph: int) -> None:
    """Nobody reads rows into the graph until the transaction ends, nor adds a source to it."""
    db.rows("SELECT FROM llm.all_graph WHERE id = $1 FOR UPDATE", ("int4",), (graph,))
    db.rows("SELECT FROM llm.all_graph_source WHERE graph = $1 ORDER BY id FOR UPDATE", ("int4",), (graph,))


@as_extension_owner
def merge(db: Connection, graph: int, merges: Sequence[Merge]) -> None:
    """Merge entities into others, none of which is merged itself; the graph is locked."""
    kept, merged = [each.kept for each in merges], [each.merged for each in merges]
    db.rows(
        "INSERT INTO llm.all_merge (graph, kept, merged, score, reason) SELECT $1, * FROM unnest($2, $3, $4, $5)"
        " ON CONFLICT (merged, kept) DO UPDATE"
        " SET score = excluded.score, reason = excluded.reason, state = excluded.state,"
        " merged_at = clock_timestamp()",
        ("int4", "int8[]", "int8[]", "float4[]", "text[]"),
        (graph, kept, merged, [each.score for each in merges], [each.reason for each in merges]),
    )
    of = dict(zip(merged, kept, strict=True))
    names = db.rows("SELECT id, merged_into FROM llm.all_entity WHERE merged_into = ANY($1)", ("int8[]",), (merged,))
    _stand(db, of | {row["id"]: of[row["merged_into"]] for row in names})
    _repoint(db, graph, [*merged, *(row["id"] for row in names)])


@as_extension_owner
def unmerge(db: Connection, graph: int, entity: int) -> None:
    """Let a merged entity stand alone again, with what was merged into it; that is remembered. The graph is locked."""
    below = db.rows(
        "WITH RECURSIVE below (id) AS (SELECT $1 UNION SELECT m.merged FROM llm.all_merge AS m"
        " JOIN below AS b ON m.kept = b.id WHERE m.state = 'merged') SELECT id FROM below",
        ("int8",),
        (entity,),
    )
    known = db.rows(
        "SELECT id, merged_into FROM llm.all_entity WHERE id = ANY($1) AND merged_into IS NOT NULL",
        ("int8[]",),
        ([row["id"] for row in below],),
    )
    above = next(row["merged_into"] for row in known if row["id"] == entity)
    db.rows("UPDATE llm.all_merge SET state = 'undone' WHERE merged = $1 AND state = 'merged'", ("int8",), (entity,))
    changed = [row["id"] for row in known if row["merged_into"] == above]
    _stand(db, {number: entity for number in changed if number != entity})
    _alone(db, [entity])
    _repoint(db, graph, changed)
    store.sweep(db, "entity", [above, entity])


@as_extension_owner
def part(db: Connection, graph: int, kept: int, merged: int, reason: str) -> None:
    """Remember that these two are not to be merged, unless they are."""
    db.rows(
        "INSERT INTO llm.all_merge (graph, kept, merged, reason, state) VALUES ($1, $2, $3, $4, 'undone')"
        " ON CONFLICT DO NOTHING",
        ("int4", "int8", "int8", "text"),
        (graph, kept, merged, reason),
    )


@as_extension_owner
def unmerge_all(db: Connection, graph: int) -> int:
    """Let every entity of a graph stand alone again; how many those are. The graph is locked."""
    query = "SELECT id, merged_into FROM llm.all_entity WHERE graph = $1 AND merged_into IS NOT NULL ORDER BY id"
    rows = list(db.stream(query, ("int4",), (graph,)))
    changed = [row["id"] for row in rows]
    _alone(db, changed)
    db.rows("DELETE FROM llm.all_merge WHERE graph = $1 AND state = 'merged'", ("int4",), (graph,))
    _repoint(db, graph, changed)
    for some in _parts(sorted({row["merged_into"] for row in rows})):
        store.sweep(db, "entity", some)
    return len(changed)


def _stand(db: Connection, of: dict[int, int]) -> None:
    db.rows(
        "UPDATE llm.all_entity AS e SET merged_into = u.standing FROM unnest($1, $2) AS u (id, standing)"
        " WHERE e.id = ANY($1) AND e.id = u.id",
        ("int8[]", "int8[]"),
        (list(of), list(of.values())),
    )


def _alone(db: Connection, numbers: Sequence[int]) -> None:
    db.rows("UPDATE llm.all_entity SET merged_into = NULL WHERE id = ANY($1)", ("int8[]",), (list(numbers),))


def _repoint(db: Connection, graph: int, changed: Sequence[int]) -> None:
    """Evidence of what was read as one of these speaks for what stands for it now; so do the relations they are in."""
    for some in _parts(changed):
        db.poll()
        now = standing(db, some)
        db.rows(
            "UPDATE llm.all_evidence AS v SET entity = u.standing FROM unnest($1, $2) AS u (id, standing)"
            " WHERE v.extracted = ANY($1) AND v.extracted = u.id AND v.entity IS NOT NULL",
            ("int8[]", "int8[]"),
            (list(now), list(now.values())),
        )
        touched = db.rows(
            "SELECT id FROM llm.all_relation WHERE subject = ANY($1)"
            " UNION SELECT id FROM llm.all_relation WHERE object = ANY($1)",
            ("int8[]",),
            (list(some),),
        )
        for relations in _parts([row["id"] for row in touched]):
            _repoint_relations(db, graph, relations)


def _repoint_relations(db: Connection, graph: int, numbers: Sequence[int]) -> None:
    """Of these relations, those that were read as they are."""
    said = db.rows(
        "SELECT DISTINCT extracted, relation FROM llm.all_evidence"
        " WHERE extracted = ANY($1) AND relation IS NOT NULL ORDER BY extracted",
        ("int8[]",),
        (list(numbers),),
    )
    if not said:
        return
    read = db.rows(
        "SELECT id, subject, predicate, object FROM llm.all_relation WHERE id = ANY($1)",
        ("int8[]",),
        ([row["extracted"] for row in said],),
    )
    ends = standing(db, {row[end] for row in read for end in ("subject", "object")})
    triples = {row["id"]: (ends[row["subject"]], row["predicate"], ends[row["object"]]) for row in read}
    now = store.relations(db, graph, sorted(set(triples.values())))
    db.rows(
        "UPDATE llm.all_evidence AS v SET relation = u.standing FROM unnest($1, $2) AS u (id, standing)"
        " WHERE v.extracted = ANY($1) AND v.extracted = u.id AND v.relation IS NOT NULL",
        ("int8[]", "int8[]"),
        (list(triples), [now[triple] for triple in triples.values()]),
    )
    moved = [(row["relation"], now[triples[row["extracted"]]]) for row in said]
    store.weigh(db, {number for before, after in moved if before != after for number in (before, after)})
    store.sweep(db, "relation", sorted({row["relation"] for row in said}))


@as_extension_owner
def standing(db: Connection, numbers: Collection[int]) -> dict[int, int]:
    """What stands for each of these entities."""
    rows = db.rows(
        "SELECT id, coalesce(merged_into, id) AS standing FROM llm.all_entity WHERE id = ANY($1)",
        ("int8[]",),
        (sorted(numbers),),
    )
    return {row["id"]: row["standing"] for row in rows}


def _parts(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[start : start + _AT_ONCE] for start in range(0, len(numbers), _AT_ONCE))
