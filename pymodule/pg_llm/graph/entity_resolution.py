"""Knowledge graphs: one thing under several names, whether found or said, and what contradicts itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pg_llm import arguments
from pg_llm.database.connection import Connection, Row
from pg_llm.database.progress import Report, reporting
from pg_llm.errors import InvalidInput, UndefinedGraph
from pg_llm.graph import lifecycle, merging, name_vectors, nearest, schema, source_copy
from pg_llm.graph.merging import Merge
from pg_llm.graph.resolution.matching import Joined, Matching, Member

# Of the passages for one of several objects so many are shown.
_SHOWN = 20
_ENTITY_HINT = "SELECT id, name FROM llm.entity shows the entities."


def graph_resolve(db: Connection, graph: str | None, threshold: float | None) -> list[dict[str, Any]]:
    """Find the entities of a graph that are one thing under several names, and merge them; returns what was merged."""
    row = lifecycle.owned(db, graph)
    least = arguments.threshold(arguments.required("threshold", threshold))
    with reporting(db, "graph_resolve", row["name"], "") as report:
        return _resolve(db, row, least, report)


def graph_merge(db: Connection, a: str | None, b: str | None, threshold: float | None) -> int:
    """Read all that graph b is made from into graph a too, and resolve it; returns how many entities were merged."""
    row = lifecycle.owned(db, arguments.required("a", a))
    other = lifecycle.owned(db, arguments.required("b", b))
    least = arguments.threshold(arguments.required("threshold", threshold))
    if row["id"] == other["id"]:
        raise InvalidInput("a graph cannot be merged with itself", hint="graph_resolve() merges the entities of one.")
    with reporting(db, "graph_merge", row["name"], other["name"]) as report:
        before = _merged(db, row["id"])
        source_copy.join(db, row, other, report)
        _resolve(db, row, least, report)
        return _merged(db, row["id"]) - before


def graph_merge_entities(db: Connection, kept: int | None, merged: int | None) -> None:
    """Say that two entities of a graph are one thing: the first stands for both from now on."""
    numbers = [arguments.required("kept", kept), arguments.required("merged", merged)]
    if numbers[0] == numbers[1]:
        raise InvalidInput("an entity cannot be merged with itself")
    graphs = {_own(db, number)["graph"] for number in numbers}
    if len(graphs) > 1:
        raise InvalidInput(
            "the two entities are of two graphs", hint="graph_merge(a, b) reads the tables of one graph into another."
        )
    merging.lock(db, graphs.copy().pop())
    one, other = (_own(db, number) for number in numbers)
    if one["type"] != other["type"]:
        raise InvalidInput(
            f'the two entities are of two types, "{one["type"]}" and "{other["type"]}"',
            hint="Only what is of one type can be one thing.",
        )
    for each in (one, other):
        if each["merged_into"] is not None:
            raise InvalidInput(
                f"entity {each['id']} is merged already, into {each['merged_into']}",
                hint=f"Name {each['merged_into']} in its place, or call graph_unmerge({each['id']}) first.",
            )
    merging.merge(db, one["graph"], [Merge(numbers[0], numbers[1], None, "merged by hand")])


def graph_unmerge(db: Connection, entity: int | None, graph: str | None) -> int:
    """Undo the merging of one entity, which is remembered, or of all in a graph; returns how many stand alone again."""
    if entity is None and graph is None:
        raise InvalidInput(
            "say which entity, or which graph", hint="SELECT merged, merged_name FROM llm.merge shows what was merged."
        )
    row = lifecycle.owned(db, graph) if graph is not None else None
    if entity is None:
        assert row
        merging.lock(db, row["id"])
        return merging.unmerge_all(db, row["id"])
    found = _own(db, entity)
    if row and found["graph"] != row["id"]:
        raise UndefinedGraph(f'the graph "{row["name"]}" has no entity {entity}', hint=_ENTITY_HINT)
    merging.lock(db, found["graph"])
    if _own(db, entity)["merged_into"] is None:
        raise InvalidInput(
            f"entity {entity} is not merged into another",
            hint="SELECT merged, merged_name FROM llm.merge shows what was merged.",
        )
    merging.unmerge(db, found["graph"], entity)
    return 1


def graph_conflicts(db: Connection, graph: str | None) -> list[dict[str, Any]]:
    """Where a relation that can have one object has several: the likeliest first, with what speaks for each."""
    row = lifecycle.named(db, arguments.required("graph", graph))
    found = db.rows(
        """
        SELECT r.subject, r.predicate,
               array_agg(r.object ORDER BY r.confidence DESC, r.support DESC, r.object) AS objects,
               array_agg(r.id ORDER BY r.confidence DESC, r.support DESC, r.object) AS relations,
               array_agg(r.confidence ORDER BY r.confidence DESC, r.support DESC, r.object) AS confidences
        FROM llm.relation AS r WHERE r.graph = $1 AND r.predicate = ANY($2)
        GROUP BY r.subject, r.predicate HAVING count(*) > 1 ORDER BY r.subject, r.predicate COLLATE "C"
        """,
        ("int4", "text[]"),
        (row["id"], _functional(row)),
    )
    return [_conflict(db, each) for each in found]


def _conflict(db: Connection, found: Row) -> dict[str, Any]:
    rows = db.rows(
        "SELECT id, name FROM llm.entity WHERE id = ANY($1)", ("int8[]",), ([found["subject"], *found["objects"]],)
    )
    of = {row["id"]: row["name"] for row in rows}
    objects = [of[number] for number in found["objects"]]
    return {
        "subject": found["subject"],
        "subject_name": of[found["subject"]],
        "predicate": found["predicate"],
        "objects": objects,
        "confidences": found["confidences"],
        "evidence": _evidence(db, objects, found["relations"]),
    }


def _evidence(db: Connection, objects: Sequence[str], relations: Sequence[int]) -> str:
    """What speaks for each of a subject's objects, as JSON, the surest passages first."""
    rows = db.rows(
        """
        SELECT v.relation, v."table"::text AS "table", v.key::text AS key, v."column"::text AS "column",
               v.start_pos, v.end_pos, v.confidence
        FROM llm.evidence AS v WHERE v.relation = ANY($1) ORDER BY v.confidence DESC, v."table", v.key, v.start_pos
        """,
        ("int8[]",),
        (list(relations),),
    )
    shown = []
    for name, number in zip(objects, relations, strict=True):
        for row in [row for row in rows if row["relation"] == number][:_SHOWN]:
            values = {key: value for key, value in row.items() if key != "relation" and value is not None}
            shown.append({"object": name, **values, "key": json.loads(row["key"])})
    return json.dumps(shown, ensure_ascii=False)


def _functional(row: Row) -> list[str]:
    types = schema.parse(row["entity_types"], json.loads(row["relation_types"] or "null")).relation_types or {}
    return [name for name, its in types.items() if its.functional]


def _resolve(db: Connection, row: Row, least: float, report: Report) -> list[dict[str, Any]]:
    """Find without a lock, so that writers go on meanwhile; then merge what is still as it was found."""
    graph: int = row["id"]
    members = _members(db, graph)
    lacking = [each["id"] for each in members if not each["embedded"]]
    report("embedding", 0, len(lacking))
    name_vectors.embed(db, name_vectors.embedder(db, row["embedding_model"]), lacking)
    report("comparing", 0, len(members))
    triples = db.stream("SELECT subject, predicate, object FROM llm.own_relation WHERE graph = $1", ("int4",), (graph,))
    apart = db.stream(
        "SELECT kept, merged FROM llm.own_merge WHERE graph = $1 AND state = 'undone'", ("int4",), (graph,)
    )
    with nearest.vectors(db, graph) as (near, cosines):
        matching = Matching(
            [Member(each["id"], each["type"], each["name"], each["standing"]) for each in members],
            [(each["subject"], each["predicate"], each["object"]) for each in triples],
            _functional(row),
            near,
            cosines,
            [(each["kept"], each["merged"]) for each in apart],
            db.poll,
        )
        found = matching.find(least)
    report("merging", 0, len(found))
    merging.lock(db, graph)
    numbers = [number for joined in found for number in joined.entities]
    support = _support(db, numbers)
    merges = [merge for joined in found for merge in _merges(joined, support)]
    merging.merge(db, graph, merges)
    names = _names(db, [number for merge in merges for number in (merge.kept, merge.merged)])
    return [
        {
            "kept": each.kept,
            "name": names[each.kept],
            "merged": each.merged,
            "merged_name": names[each.merged],
            "score": each.score,
            "reason": each.reason,
        }
        for each in merges
    ]


def _members(db: Connection, graph: int) -> list[Row]:
    found = db.stream(
        "SELECT e.id, e.type, e.name, coalesce(e.merged_into, e.id) AS standing, m.entity IS NOT NULL AS embedded"
        " FROM llm.own_entity AS e LEFT JOIN llm.own_entity_embedding AS m ON m.entity = e.id AND m.graph = $1"
        " WHERE e.graph = $1 ORDER BY e.id",
        ("int4",),
        (graph,),
    )
    return list(found)


def _support(db: Connection, numbers: Sequence[int]) -> dict[int, int]:
    """How much evidence there is for each of these that still stands for itself."""
    rows = db.rows(
        "SELECT c.id, (SELECT count(*) FROM llm.own_evidence AS v WHERE v.entity = c.id) AS n FROM unnest($1) AS c (id)"
        " WHERE EXISTS (SELECT FROM llm.own_entity AS e WHERE e.id = c.id AND e.merged_into IS NULL OFFSET 0)",
        ("int8[]",),
        (list(numbers),),
    )
    return {row["id"]: row["n"] for row in rows}


def _merges(joined: Joined, support: dict[int, int]) -> Iterator[Merge]:
    there = sorted((number for number in joined.entities if number in support), key=lambda n: (-support[n], n))
    for number in there[1:]:
        score, reason = joined.why[number]
        yield Merge(there[0], number, score, reason)


def _names(db: Connection, numbers: Sequence[int]) -> dict[int, str]:
    rows = db.rows("SELECT id, name FROM llm.own_entity WHERE id = ANY($1)", ("int8[]",), (list(numbers),))
    return {row["id"]: row["name"] for row in rows}


def _own(db: Connection, number: int) -> Row:
    """An entity of the caller's graphs. Raises UndefinedGraph, and InsufficientPrivilege for one that it only sees."""
    found = db.rows("SELECT id, graph, type, merged_into FROM llm.own_entity WHERE id = $1", ("int8",), (number,))
    if found:
        return found[0]
    seen = db.rows(
        "SELECT g.name, g.usename::text FROM llm.entity AS e JOIN llm.graph AS g ON g.id = e.graph WHERE e.id = $1",
        ("int8",),
        (number,),
    )
    if seen:
        raise lifecycle.not_owner(seen[0])
    raise UndefinedGraph(f"there is no entity {number}", hint=_ENTITY_HINT)


def _merged(db: Connection, graph: int) -> int:
    found = db.rows(
        "SELECT count(*) AS n FROM llm.own_entity WHERE graph = $1 AND merged_into IS NOT NULL", ("int4",), (graph,)
    )
    return int(found[0]["n"])
