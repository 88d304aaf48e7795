"""Entity resolution of a graph: matched entities are merged, by the matcher or by hand, and unmerged again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pg_llm.database.connection import Connection, Row
from pg_llm.database.progress import Report, reporting
from pg_llm.errors import InvalidInput, UndefinedGraph
from pg_llm.graph import embedding_blocking, merging, name_embeddings, registry, schema, source_copy
from pg_llm.graph.merging import Merge
from pg_llm.graph.resolution.matching import Cluster, EntityMatcher, Member

_ENTITY_HINT = "SELECT id, name FROM llm.entity shows the entities."
_MERGE_HINT = "SELECT merged, merged_name FROM llm.merge shows what was merged."


def resolve(db: Connection, name: str | None, threshold: float) -> list[dict[str, Any]]:
    """Merge the entities of a graph that are one with at least this probability; returns the merges."""
    graph = registry.find_owned(db, name)
    with reporting(db, "graph_resolve", graph["name"], "") as report:
        return _resolve(db, graph, threshold, report)


def merge_graphs(db: Connection, into: str | None, source: str | None, threshold: float) -> int:
    """Copy the sources of one graph into another, and resolve this; returns how many more entities are merged."""
    graph, other = registry.find_owned(db, into), registry.find_owned(db, source)
    if graph["id"] == other["id"]:
        raise InvalidInput("a graph cannot be merged with itself", hint="graph_resolve() merges the entities of one.")
    with reporting(db, "graph_merge", graph["name"], other["name"]) as report:
        before = _count_merged(db, graph["id"])
        source_copy.copy_sources(db, graph, other, report)
        _resolve(db, graph, threshold, report)
        return _count_merged(db, graph["id"]) - before


def merge_entities(db: Connection, kept: int, merged: int) -> None:
    """Let one entity stand for both; they are of one type, of one own graph, and not merged yet."""
    if kept == merged:
        raise InvalidInput("an entity cannot be merged with itself")
    graphs = {_owned_entity(db, number)["graph"] for number in (kept, merged)}
    if len(graphs) > 1:
        raise InvalidInput(
            "the two entities are of two graphs", hint="graph_merge(a, b) reads the tables of one graph into another."
        )
    merging.lock_graph(db, graphs.copy().pop())
    # They are read again: before the lock was held another session may have merged them.
    one, other = (_owned_entity(db, number) for number in (kept, merged))
    if one["type"] != other["type"]:
        raise InvalidInput(
            f'the two entities are of two types, "{one["type"]}" and "{other["type"]}"',
            hint="Only what is of one type can be one thing.",
        )
    for entity in (one, other):
        if entity["merged_into"] is not None:
            raise InvalidInput(
                f"entity {entity['id']} is merged already, into {entity['merged_into']}",
                hint=f"Name {entity['merged_into']} in its place, or call graph_unmerge({entity['id']}) first.",
            )
    merging.merge(db, one["graph"], [Merge(kept, merged, None, "merged by hand")])


def unmerge(db: Connection, entity: int | None, name: str | None) -> int:
    """Unmerge an entity, which the matcher will respect, or for None all of a graph; returns how many those are."""
    graph = registry.find_owned(db, name) if name is not None else None
    if entity is None:
        assert graph
        merging.lock_graph(db, graph["id"])
        return merging.unmerge_all(db, graph["id"])
    row = _owned_entity(db, entity)
    if graph and row["graph"] != graph["id"]:
        raise UndefinedGraph(f'the graph "{graph["name"]}" has no entity {entity}', hint=_ENTITY_HINT)
    merging.lock_graph(db, row["graph"])
    if _owned_entity(db, entity)["merged_into"] is None:
        raise InvalidInput(f"entity {entity} is not merged into another", hint=_MERGE_HINT)
    merging.unmerge(db, row["graph"], entity)
    return 1


def _resolve(db: Connection, graph: Row, threshold: float, report: Report) -> list[dict[str, Any]]:
    """Match without a lock, so that writers need not wait; then merge those entities that still stand alone."""
    clusters = _match(db, graph, threshold, report)
    report("merging", 0, len(clusters))
    merging.lock_graph(db, graph["id"])
    evidence = _evidence_counts(db, [number for cluster in clusters for number in cluster.entities])
    merges = [merge for cluster in clusters for merge in _merges(cluster, evidence)]
    merging.merge(db, graph["id"], merges)
    names = _names(db, [number for merge in merges for number in (merge.kept, merge.merged)])
    return [
        {
            "kept": merge.kept,
            "name": names[merge.kept],
            "merged": merge.merged,
            "merged_name": names[merge.merged],
            "score": merge.score,
            "reason": merge.reason,
        }
        for merge in merges
    ]


def _match(db: Connection, graph: Row, threshold: float, report: Report) -> list[Cluster]:
    number: int = graph["id"]
    members = _members(db, number)
    without_vector = [row["id"] for row in members if not row["embedded"]]
    report("embedding", 0, len(without_vector))
    name_embeddings.embed_missing(db, name_embeddings.embedder(db, graph["embedding_model"]), without_vector)
    report("comparing", 0, len(members))
    relations = db.stream(
        "SELECT subject, predicate, object FROM llm.own_relation WHERE graph = $1", ("int4",), (number,)
    )
    unmerged = db.stream(
        "SELECT kept, merged FROM llm.own_merge WHERE graph = $1 AND state = 'undone'", ("int4",), (number,)
    )
    with embedding_blocking.nearest_neighbors(db, number) as (neighbors, cosines):
        matcher = EntityMatcher(
            [Member(row["id"], row["type"], row["name"], row["standing"]) for row in members],
            [(row["subject"], row["predicate"], row["object"]) for row in relations],
            schema.functional_predicates(graph),
            neighbors,
            cosines,
            [(row["kept"], row["merged"]) for row in unmerged],
            db.poll,
        )
        return matcher.match(threshold)


def _members(db: Connection, graph: int) -> list[Row]:
    rows = db.stream(
        "SELECT e.id, e.type, e.name, coalesce(e.merged_into, e.id) AS standing, m.entity IS NOT NULL AS embedded"
        " FROM llm.own_entity AS e LEFT JOIN llm.own_entity_embedding AS m ON m.entity = e.id AND m.graph = $1"
        " WHERE e.graph = $1 ORDER BY e.id",
        ("int4",),
        (graph,),
    )
    return list(rows)


def _evidence_counts(db: Connection, numbers: Sequence[int]) -> dict[int, int]:
    """The number of pieces of evidence for each of these entities that is not merged."""
    rows = db.rows(
        "SELECT c.id, (SELECT count(*) FROM llm.own_evidence AS v WHERE v.entity = c.id) AS n FROM unnest($1) AS c (id)"
        " WHERE EXISTS (SELECT FROM llm.own_entity AS e WHERE e.id = c.id AND e.merged_into IS NULL OFFSET 0)",
        ("int8[]",),
        (list(numbers),),
    )
    return {row["id"]: row["n"] for row in rows}


def _merges(cluster: Cluster, evidence: dict[int, int]) -> Iterator[Merge]:
    """The merges of a cluster into the entity with the most evidence."""
    unmerged = [number for number in cluster.entities if number in evidence]
    ranked = sorted(unmerged, key=lambda number: (-evidence[number], number))
    for number in ranked[1:]:
        score, reason = cluster.reasons[number]
        yield Merge(ranked[0], number, score, reason)


def _names(db: Connection, numbers: Sequence[int]) -> dict[int, str]:
    rows = db.rows("SELECT id, name FROM llm.own_entity WHERE id = ANY($1)", ("int8[]",), (list(numbers),))
    return {row["id"]: row["name"] for row in rows}


def _owned_entity(db: Connection, number: int) -> Row:
    """An entity of the caller's graphs. Raises UndefinedGraph, and InsufficientPrivilege for one that it only sees."""
    owned = db.rows("SELECT id, graph, type, merged_into FROM llm.own_entity WHERE id = $1", ("int8",), (number,))
    if owned:
        return owned[0]
    visible = db.rows(
        "SELECT g.name, g.usename::text FROM llm.entity AS e JOIN llm.graph AS g ON g.id = e.graph WHERE e.id = $1",
        ("int8",),
        (number,),
    )
    if visible:
        raise registry.not_owner(visible[0])
    raise UndefinedGraph(f"there is no entity {number}", hint=_ENTITY_HINT)


def _count_merged(db: Connection, graph: int) -> int:
    rows = db.rows(
        "SELECT count(*) AS n FROM llm.own_entity WHERE graph = $1 AND merged_into IS NOT NULL", ("int4",), (graph,)
    )
    return int(rows[0]["n"])
