"""Traversal of a graph along its relations, in either direction: neighbourhoods and shortest paths."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from pg_llm.database.connection import Connection, Row
from pg_llm.graph import paths, search

# Relations that one step of a search follows at most.
_MAX_RELATIONS = 100_000

# Subject, predicate, object, confidence.
Relation = tuple[int, str, int, float]
# Id, name, type, distance, previous entity, predicate, whether from subject to object, confidence.
Neighbor = tuple[int, str, str, int, int, str, bool, float]


def neighbors(db: Connection, entity: int, hops: int, predicates: list[str] | None) -> list[Neighbor]:
    """The entities within so many hops by a breadth-first search, nearest first, then surest."""
    reached = _breadth_first(db, entity, hops, predicates)
    if not reached:
        # An entity with a visible neighbour exists; only one without needs to be looked up.
        search.check_visible(db, [entity])
    return sorted(reached, key=lambda row: (row[3], -row[-1], row[0]))


def shortest_paths(db: Connection, start: int, end: int, max_hops: int, k: int) -> list[Row]:
    """The k shortest simple paths between two entities, by a bidirectional search; of equal length the surest."""
    search.check_visible(db, [start, end])
    if not k or start == end:
        return []
    edges, complete = _edges_between(db, start, end, max_hops)
    best, all_counted = paths.k_shortest(edges, start, end, max_hops, k)
    if not (complete and all_counted):
        db.notice("there are more ways than were looked at", hint="Lower max_hops.")
    numbers = [start, *{edge.end for path in best for edge in path}]
    names = {row["id"]: row["name"] for row in search.entities_by_id(db, numbers)}
    return [_path_row(number, start, path, names) for number, path in enumerate(best, 1)]


def _edges_between(db: Connection, start: int, end: int, max_hops: int) -> tuple[paths.EdgeIndex, bool]:
    """All edges within half the hops of either end, and whether none was left out."""
    edges, complete = paths.EdgeIndex(), True
    for origin, hops in ((start, (max_hops + 1) // 2), (end, max_hops // 2)):
        seen, frontier = {origin}, [origin]
        for _ in range(hops):
            relations, all_followed = incident_relations(db, frontier)
            complete = complete and all_followed
            for relation in relations:
                edges.add(*relation)
            frontier = sorted(endpoints(relations) - seen)
            seen.update(frontier)
    return edges, complete


def _path_row(number: int, start: int, path: paths.Path, names: dict[int, str]) -> Row:
    entities = [start, *(edge.end for edge in path)]
    return {
        "path": number,
        "hops": len(path),
        "entities": entities,
        "names": [names[entity] for entity in entities],
        "predicates": [edge.predicate for edge in path],
        "forward": [edge.forward for edge in path],
        "confidence": math.prod(edge.confidence for edge in path),
    }


def endpoints(relations: Collection[tuple[int, str, int] | Relation]) -> set[int]:
    """The subjects and objects of relations."""
    return {row[0] for row in relations} | {row[2] for row in relations}


def incident_relations(db: Connection, frontier: Sequence[int]) -> tuple[list[Relation], bool]:
    """The relations whose subject or object is one of these entities, and whether none was left out."""
    columns, complete = _column_arrays(
        db,
        "SELECT array_agg(f.subject) AS s, array_agg(f.predicate) AS p, array_agg(f.object) AS o,"
        " array_agg(f.confidence) AS c FROM (SELECT r.subject, r.predicate, r.object, r.confidence"
        f" FROM llm.relation AS r WHERE r.subject = ANY($1) OR r.object = ANY($1) LIMIT {_MAX_RELATIONS + 1}) AS f",
        frontier,
        None,
    )
    return list(zip(*columns, strict=True)), complete


def _breadth_first(db: Connection, start: int, hops: int, predicates: list[str] | None) -> list[Neighbor]:
    """Every entity within so many hops, reached by the surest of its shortest paths."""
    confidences = {start: 1.0}
    reached: list[Neighbor] = []
    frontier = [start]
    for hop in range(1, hops + 1):
        level: dict[int, Neighbor] = {}
        for previous, number, name, type_, predicate, forward, step_confidence in _steps(db, frontier, predicates):
            if number not in confidences and name is not None:
                confidence = confidences[previous] * step_confidence
                if number not in level or confidence > level[number][-1]:
                    level[number] = (number, name, type_, hop, previous, predicate, forward, confidence)
        if not level:
            break
        reached += level.values()
        confidences |= {number: neighbor[-1] for number, neighbor in level.items()}
        frontier = list(level)
    return reached


def _steps(db: Connection, frontier: Sequence[int], predicates: Sequence[str] | None) -> Iterator[tuple[Any, ...]]:
    """The steps from some entities along relations: previous entity, id, name, type, predicate, forward, confidence."""
    condition = "" if predicates is None else " AND r.predicate = ANY($2)"
    # Each direction is a query of its own, so that only the name of the entity at the other end is looked up.
    query = (
        "SELECT array_agg(f.via) AS v, array_agg(f.number) AS i, array_agg(f.entity[1]) AS n,"
        " array_agg(f.entity[2]) AS t, array_agg(f.predicate) AS p, array_agg(f.forward) AS f,"
        " array_agg(f.confidence) AS c FROM ("
        "SELECT r.subject, r.object, r.object_entity, r.predicate, true, r.confidence"
        f" FROM llm.relation AS r WHERE r.subject = ANY($1){condition} UNION ALL "
        "SELECT r.object, r.subject, r.subject_entity, r.predicate, false, r.confidence"
        f" FROM llm.relation AS r WHERE r.object = ANY($1){condition} LIMIT {_MAX_RELATIONS + 1}"
        ") AS f (via, number, entity, predicate, forward, confidence)"
    )
    columns, complete = _column_arrays(db, query, frontier, predicates)
    if not complete:
        db.notice(f"more than {_MAX_RELATIONS} relations: not all were followed", hint="Name predicates.")
    return zip(*columns, strict=True)


def _column_arrays(
    db: Connection, query: str, frontier: Sequence[int], predicates: Sequence[str] | None
) -> tuple[list[Sequence[Any]], bool]:
    """The columns of a query's one row, each an array, and whether none was cut off.

    The server aggregates because a Python object for each row would cost more than the search.
    """
    types, values = ("int8[]", "text[]"), [list(frontier), list(predicates or ())]
    count = 1 if predicates is None else 2
    row = db.rows(query, types[:count], values[:count])[0]
    columns = [column or () for column in row.values()]
    return [column[:_MAX_RELATIONS] for column in columns], len(columns[0]) <= _MAX_RELATIONS
