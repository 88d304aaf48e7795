"""Selection of the subgraph that a drawing shows: the best supported entities, or those near one entity."""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pg_llm.database import models
from pg_llm.database.connection import Connection, Row
from pg_llm.errors import UndefinedGraph
from pg_llm.graph import registry

_COLUMNS = "id, subject, predicate, object, confidence, support"


class Subgraph(NamedTuple):
    """Entities, the relations between them, and whether no entity was left out for want of room."""

    entities: list[int]
    relations: list[Row]
    complete: bool


def draw(db: Connection, name: str | None, entity: int | None, hops: int, limit: int) -> str:
    """An SVG of at most `limit` entities of a graph, or of those within so many hops of an entity."""
    if entity is None:
        graph = registry.find(db, name)
        part = _best_supported(db, graph["id"], limit)
        about = "" if part.complete else f"its {len(part.entities)} best supported entities"
    else:
        graph = _graph_of_entity(db, name, entity)
        part = _neighborhood(db, graph["id"], entity, hops, limit)
        within = "within" if part.complete else f"the nearest {len(part.entities)} within"
        about = f"{within} {hops} step{'s' if hops > 1 else ''}"
    query = "SELECT id, name, type FROM llm.entity WHERE id = ANY($1) AND graph = $2"
    rows = {row["id"]: row for row in db.rows(query, ("int8[]", "int4"), (part.entities, graph["id"]))}
    picture = {
        "graph": graph["name"],
        "about": about,
        "focus": entity,
        "nodes": [[number, rows[number]["name"], rows[number]["type"]] for number in part.entities if number in rows],
        "edges": [
            [each["id"], each["subject"], each["predicate"], each["object"], each["confidence"]]
            for each in part.relations
            if each["subject"] in rows and each["object"] in rows
        ],
    }
    return str(models.run_without_model(db, "graph_drawing", [json.dumps(picture)])[0])


def _graph_of_entity(db: Connection, name: str | None, entity: int) -> Row:
    """The graph of an entity that the caller may see. Raises UndefinedGraph."""
    graph = registry.find(db, name) if name is not None else None
    rows = db.rows("SELECT graph FROM llm.entity WHERE id = ANY($1)", ("int8[]",), ([entity],))
    if not rows or (graph and graph["id"] != rows[0]["graph"]):
        raise UndefinedGraph(
            f"there is no entity {entity}" + (f' in the graph "{graph["name"]}"' if graph else ""),
            hint="SELECT id, name FROM llm.entity shows the entities that you may see.",
        )
    return graph or registry.by_id(db, rows[0]["graph"])


def _best_supported(db: Connection, graph: int, limit: int) -> Subgraph:
    """A best-first search along relations, begun from the entity with the most support; lone entities come last."""
    relations = list(
        db.stream(f"SELECT {_COLUMNS} FROM llm.relation WHERE graph = $1 ORDER BY id", ("int4",), (graph,))
    )
    neighbors: dict[int, set[int]] = defaultdict(set)
    support: dict[int, int] = defaultdict(int)
    for each in relations:
        for here, there in ((each["subject"], each["object"]), (each["object"], each["subject"])):
            neighbors[here].add(there)
            support[here] += each["support"]
    chosen: dict[int, None] = {}
    for start in sorted(support, key=lambda number: (-support[number], number)):
        queue = [(-support[start], start)] if start not in chosen else []
        while queue and len(chosen) < limit:
            _, number = heapq.heappop(queue)
            if number not in chosen:
                chosen[number] = None
                for other in neighbors[number] - chosen.keys():
                    heapq.heappush(queue, (-support[other], other))
    complete = len(chosen) == len(support)
    if len(chosen) < limit:
        query = "SELECT id FROM llm.entity WHERE graph = $1 ORDER BY id LIMIT $2"
        rows = db.rows(query, ("int4", "int8"), (graph, limit + 1 + len(chosen)))
        isolated = [row["id"] for row in rows if row["id"] not in chosen]
        complete = complete and len(chosen) + len(isolated) <= limit
        chosen.update(dict.fromkeys(isolated[: limit - len(chosen)]))
    return Subgraph(list(chosen), _between(relations, chosen), complete)


def _neighborhood(db: Connection, graph: int, entity: int, hops: int, limit: int) -> Subgraph:
    """A breadth-first search from an entity; of a last level that has no room the best supported are taken."""
    chosen = {entity: None}
    relations: dict[int, Row] = {}
    frontier, complete = [entity], True
    for _ in range(hops):
        support: dict[int, int] = defaultdict(int)
        for each in _incident(db, graph, frontier):
            relations[each["id"]] = each
            for number in (each["subject"], each["object"]):
                if number not in chosen:
                    support[number] += each["support"]
        frontier = sorted(support, key=lambda number: (-support[number], number))
        if len(chosen) + len(frontier) > limit:
            frontier, complete = frontier[: limit - len(chosen)], False
        chosen.update(dict.fromkeys(frontier))
        if not frontier or not complete:
            break
    # Relations within the last level have not been met yet.
    relations.update({each["id"]: each for each in _incident(db, graph, frontier)})
    return Subgraph(list(chosen), _between(list(relations.values()), chosen), complete)


def _incident(db: Connection, graph: int, entities: Sequence[int]) -> Iterator[Row]:
    """The relations that begin or end at some entities."""
    # With an array as parameter, the view looks only at these.
    for side in ("subject", "object"):
        query = f"SELECT {_COLUMNS} FROM llm.relation WHERE {side} = ANY($1) AND graph = $2 ORDER BY id"
        yield from db.rows(query, ("int8[]", "int4"), (list(entities), graph))


def _between(relations: Sequence[Row], chosen: dict[int, Any]) -> list[Row]:
    return [each for each in relations if each["subject"] in chosen and each["object"] in chosen]
