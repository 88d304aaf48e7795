"""Finding entities by what they are called, what lies around them, and how two of them hang together."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from pg_llm import arguments
from pg_llm.database import catalog, models
from pg_llm.database.connection import Connection, Row
from pg_llm.errors import InvalidInput, UndefinedGraph
from pg_llm.graph import lifecycle, name_folding, paths

_MOST = 10_000
_MOST_HOPS, _LONGEST_PATH = 10, 6
# Relations that one call follows at most.
_FOLLOWED = 100_000
# What a name that stands in the query is worth beside one that is the query.
_PART = 0.5


def graph_search(db: Connection, query: str | None, graph: str | None, k: int | None) -> list[Row]:
    """The k entities of a graph that best match a query, by name and by meaning, best first."""
    if k is None or not 0 <= k <= _MOST:
        raise InvalidInput(f"k must lie between 0 and {_MOST}")
    of = lifecycle.named(db, graph)
    return find(db, of, query, k) if query is not None and query.strip() and k else []


def graph_neighbors(
    db: Connection, entity: int | None, hops: int | None, predicates: list[str] | None
) -> list[_Neighbor]:
    """The entities that a few relations lead to from one, in either direction, nearest first, then surest."""
    if hops is None or not 1 <= hops <= _MOST_HOPS:
        raise InvalidInput(f"hops must lie between 1 and {_MOST_HOPS}")
    start = arguments.required("entity", entity)
    reached = _reached(db, start, hops, predicates)
    if not reached:
        # Whoever has a neighbour that can be seen is there.
        exists(db, [start])
    return sorted(reached, key=lambda row: (row[3], -row[-1], row[0]))


def graph_paths(db: Connection, a: int | None, b: int | None, max_hops: int | None, k: int | None) -> list[Row]:
    """The k best ways from one entity to another over relations in either direction, shortest first, then surest."""
    if max_hops is None or not 1 <= max_hops <= _LONGEST_PATH:
        raise InvalidInput(f"max_hops must lie between 1 and {_LONGEST_PATH}")
    if k is None or not 0 <= k <= _MOST:
        raise InvalidInput(f"k must lie between 0 and {_MOST}")
    first, last = arguments.required("a", a), arguments.required("b", b)
    exists(db, [first, last])
    if not k or first == last:
        return []
    edges, whole = paths.Edges(), True
    for end, steps in ((first, (max_hops + 1) // 2), (last, max_hops // 2)):
        seen, frontier = {end}, [end]
        for _ in range(steps):
            rows, all_there = around(db, frontier)
            whole = whole and all_there
            for row in rows:
                edges.add(*row)
            frontier = sorted(ends(rows) - seen)
            seen.update(frontier)
    found, all_counted = paths.best(edges, first, last, max_hops, k)
    if not (whole and all_counted):
        db.notice("there are more ways than were looked at", hint="Lower max_hops.")
    called = {row["id"]: row["name"] for row in entities(db, [first, *{edge.end for walk in found for edge in walk}])}
    return [
        {
            "path": number,
            "hops": len(walk),
            "entities": [first, *(edge.end for edge in walk)],
            "names": [called[number] for number in (first, *(edge.end for edge in walk))],
            "predicates": [edge.predicate for edge in walk],
            "forward": [edge.forward for edge in walk],
            "confidence": math.prod(edge.confidence for edge in walk),
        }
        for number, walk in enumerate(found, 1)
    ]


# Subject, predicate, object, confidence.
Relation = tuple[int, str, int, float]
# Number, name, type, distance, the entity before, predicate, whether from subject to object, confidence.
_Neighbor = tuple[int, str, str, int, int, str, bool, float]


def find(db: Connection, graph: Row, query: str, k: int) -> list[Row]:
    """As graph_search."""
    scores = mentioned(db, graph["id"], query)
    vector = models.find(db, graph["embedding_model"], "embedding").run("embedding", [query], role="query")[0]
    schema = catalog.schema_of(db, "vector")
    near = db.rows(
        # As a subquery: text would be read as a vector again for every entity.
        f"SELECT e.id, 1 - (e.embedding OPERATOR({schema}.<=>) (SELECT $2::{schema}.vector)) AS score"
        " FROM llm.entity AS e WHERE e.graph = $1 ORDER BY score DESC NULLS LAST, e.id LIMIT $3",
        ("int4", "text", "int4"),
        (graph["id"], vector, k),
    )
    for row in near:
        if row["score"] is not None:
            scores[row["id"]] = max(scores.get(row["id"], -1.0), row["score"])
    best = sorted(scores, key=lambda number: (-scores[number], number))[:k]
    described = {row["id"]: row for row in entities(db, best)}
    return [
        {
            "entity": number,
            **{name: described[number][name] for name in ("name", "type", "aliases")},
            "score": scores[number],
        }
        for number in best
        if number in described
    ]


def mentioned(db: Connection, graph: int, text: str) -> dict[int, float]:
    """The entities that the text names: 1 for one that is the whole text, less for a smaller part of it."""
    found = db.rows(
        "SELECT n.entity, n.folded FROM llm.entity_name AS n WHERE n.graph = $1 AND n.folded = ANY($2)",
        ("int4", "text[]"),
        (graph, sorted(name_folding.spans(text))),
    )
    length = len(name_folding.fold(text)) or 1
    scores: dict[int, float] = {}
    for row in found:
        score = min(1.0, _PART + (1 - _PART) * len(row["folded"]) / length)
        scores[row["entity"]] = max(score, scores.get(row["entity"], 0.0))
    return scores


def exists(db: Connection, numbers: Sequence[int]) -> None:
    """Raise UndefinedGraph for an entity that is not there for the caller."""
    found = {row["id"] for row in entities(db, numbers)}
    for number in numbers:
        if number not in found:
            raise UndefinedGraph(
                f"there is no entity {number}",
                hint="SELECT entity, name FROM graph_search('…') finds entities; merging and deleting take some away.",
            )


def entities(db: Connection, numbers: Sequence[int]) -> list[Row]:
    """Of these entities those that the caller may see: id, graph, name, type, aliases."""
    return db.rows(
        "SELECT e.id, e.graph, e.name, e.type, e.aliases FROM llm.entity AS e WHERE e.id = ANY($1)",
        ("int8[]",),
        (list(numbers),),
    )


def ends(relations: Collection[tuple[int, str, int] | Relation]) -> set[int]:
    """The entities that relations begin or end at."""
    return {row[0] for row in relations} | {row[2] for row in relations}


def around(db: Connection, frontier: Sequence[int]) -> tuple[list[Relation], bool]:
    """The relations that begin or end at one of these entities, and whether that is all of them."""
    columns, whole = _arrays(
        db,
        "SELECT array_agg(f.subject) AS s, array_agg(f.predicate) AS p, array_agg(f.object) AS o,"
        " array_agg(f.confidence) AS c FROM (SELECT r.subject, r.predicate, r.object, r.confidence"
        f" FROM llm.relation AS r WHERE r.subject = ANY($1) OR r.object = ANY($1) LIMIT {_FOLLOWED + 1}) AS f",
        frontier,
        None,
    )
    return list(zip(*columns, strict=True)), whole


def _reached(db: Connection, start: int, hops: int, predicates: list[str] | None) -> list[_Neighbor]:
    """Every entity within so many relations, with the surest of its shortest ways."""
    sure = {start: 1.0}
    reached: list[_Neighbor] = []
    frontier = [start]
    for hop in range(1, hops + 1):
        found: dict[int, _Neighbor] = {}
        for via, number, name, type_, predicate, forward, sureness in _steps(db, frontier, predicates):
            if number not in sure and name is not None:
                confidence = sure[via] * sureness
                if number not in found or confidence > found[number][-1]:
                    found[number] = (number, name, type_, hop, via, predicate, forward, confidence)
        if not found:
            break
        reached += found.values()
        sure |= {number: way[-1] for number, way in found.items()}
        frontier = list(found)
    return reached


def _steps(db: Connection, frontier: Sequence[int], predicates: Sequence[str] | None) -> Iterator[tuple[Any, ...]]:
    """From each of these entities along each relation: from where, and all of a neighbor but the distance."""
    named = "" if predicates is None else " AND r.predicate = ANY($2)"
    # Each end by itself, so that only the other one's name is looked up.
    query = (
        "SELECT array_agg(f.via) AS v, array_agg(f.number) AS i, array_agg(f.entity[1]) AS n,"
        " array_agg(f.entity[2]) AS t, array_agg(f.predicate) AS p, array_agg(f.forward) AS f,"
        " array_agg(f.confidence) AS c FROM ("
        "SELECT r.subject, r.object, r.object_entity, r.predicate, true, r.confidence"
        f" FROM llm.relation AS r WHERE r.subject = ANY($1){named} UNION ALL "
        "SELECT r.object, r.subject, r.subject_entity, r.predicate, false, r.confidence"
        f" FROM llm.relation AS r WHERE r.object = ANY($1){named} LIMIT {_FOLLOWED + 1}"
        ") AS f (via, number, entity, predicate, forward, confidence)"
    )
    columns, whole = _arrays(db, query, frontier, predicates)
    if not whole:
        db.notice(f"more than {_FOLLOWED} relations: not all were followed", hint="Name predicates.")
    return zip(*columns, strict=True)


def _arrays(
    db: Connection, query: str, frontier: Sequence[int], predicates: Sequence[str] | None
) -> tuple[list[Sequence[Any]], bool]:
    """What a query found, each column in an array, and whether that is all.

    As arrays: a Python object for each row would cost more than the search.
    """
    types, values = ("int8[]", "text[]"), [list(frontier), list(predicates or ())]
    count = 1 if predicates is None else 2
    found = db.rows(query, types[:count], values[:count])[0]
    columns = [column or () for column in found.values()]
    return [column[:_FOLLOWED] for column in columns], len(columns[0]) <= _FOLLOWED
