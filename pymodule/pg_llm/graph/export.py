"""Graphs for the eye and for other programs: drawn as SVG, written in the formats that those read."""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from pg_llm import arguments
from pg_llm.database import models
from pg_llm.database.connection import Connection, Row
from pg_llm.errors import InvalidInput, UndefinedGraph
from pg_llm.graph import formats
from pg_llm.graph.lifecycle import named, numbered

_MOST_HOPS = 10
_MOST_DRAWN = 300
_MOST_WRITTEN = 1_000_000
_COLUMNS = "id, subject, predicate, object, confidence, support"


def graph_draw(db: Connection, graph: str | None, entity: int | None, hops: int | None, limit_to: int | None) -> str:
    """A picture of a graph, or of what is near an entity, as SVG."""
    if hops is None or not 1 <= hops <= _MOST_HOPS:
        raise InvalidInput(f"hops must lie between 1 and {_MOST_HOPS}")
    if limit_to is None or not 1 <= limit_to <= _MOST_DRAWN:
        raise InvalidInput(
            f"limit_to must lie between 1 and {_MOST_DRAWN}", hint="More entities than that make no picture."
        )
    if entity is None:
        row = named(db, graph)
        chosen, relations, all_there = _weightiest(db, row["id"], limit_to)
        about = "" if all_there else f"its {len(chosen)} best supported entities"
    else:
        row = _of(db, graph, entity)
        chosen, relations, all_there = _near(db, row["id"], entity, hops, limit_to)
        about = f"{'within' if all_there else f'the nearest {len(chosen)} within'} {hops} step{'s' if hops > 1 else ''}"
    query = "SELECT id, name, type FROM llm.entity WHERE id = ANY($1) AND graph = $2"
    there = {each["id"]: each for each in db.rows(query, ("int8[]", "int4"), (chosen, row["id"]))}
    picture = {
        "graph": row["name"],
        "about": about,
        "focus": entity,
        "nodes": [[number, there[number]["name"], there[number]["type"]] for number in chosen if number in there],
        "edges": [
            [each["id"], each["subject"], each["predicate"], each["object"], each["confidence"]]
            for each in relations
            if each["subject"] in there and each["object"] in there
        ],
    }
    return str(models.run_without_model(db, "graph_drawing", [json.dumps(picture)])[0])


def graph_export(db: Connection, graph: str | None, format: str | None) -> str:
    """A graph as GraphML, Turtle, JSON-LD or Cypher, as far as the caller may see it."""
    row = named(db, arguments.required("graph", graph))
    write = formats.FORMATS[arguments.choice("format", format, formats.FORMATS)]
    entities = db.stream(
        "SELECT id, name, type, aliases FROM llm.entity WHERE graph = $1 ORDER BY id", ("int4",), (row["id"],)
    )
    return "".join(write(row["name"], entities, _written(db, row)))


def _written(db: Connection, row: Row) -> Iterator[Row]:
    query = f"SELECT {_COLUMNS} FROM llm.relation WHERE graph = $1 ORDER BY id"
    for number, each in enumerate(db.stream(query, ("int4",), (row["id"],))):
        if number == _MOST_WRITTEN:
            raise InvalidInput(
                f'the graph "{row["name"]}" has more than {_MOST_WRITTEN} relations, too many for one text',
                hint=r"\copy (SELECT * FROM graph_triples('NAME')) TO 'triples.csv' CSV HEADER writes them all.",
            )
        yield each


def _of(db: Connection, graph: str | None, entity: int) -> Row:
    """The graph of an entity that the caller may see. Raises UndefinedGraph."""
    row = named(db, graph) if graph is not None else None
    found = db.rows("SELECT graph FROM llm.entity WHERE id = ANY($1)", ("int8[]",), ([entity],))
    if not found or (row and row["id"] != found[0]["graph"]):
        raise UndefinedGraph(
            f"there is no entity {entity}" + (f' in the graph "{row["name"]}"' if row else ""),
            hint="SELECT id, name FROM llm.entity shows the entities that you may see.",
        )
    return row or numbered(db, found[0]["graph"])


def _weightiest(db: Connection, graph: int, limit: int) -> tuple[list[int], list[Row], bool]:
    """Entities from the best supported one on along relations, the relations between them, whether that is all."""
    relations = list(
        db.stream(f"SELECT {_COLUMNS} FROM llm.relation WHERE graph = $1 ORDER BY id", ("int4",), (graph,))
    )
    beside: dict[int, set[int]] = defaultdict(set)
    weight: dict[int, int] = defaultdict(int)
    for each in relations:
        for here, there in ((each["subject"], each["object"]), (each["object"], each["subject"])):
            beside[here].add(there)
            weight[here] += each["support"]
    order = sorted(weight, key=lambda number: (-weight[number], number))
    chosen: dict[int, None] = {}
    for start in order:
        waiting = [(-weight[start], start)] if start not in chosen else []
        while waiting and len(chosen) < limit:
            _, number = heapq.heappop(waiting)
            if number not in chosen:
                chosen[number] = None
                for other in beside[number] - chosen.keys():
                    heapq.heappush(waiting, (-weight[other], other))
    all_there = len(chosen) == len(weight)
    if len(chosen) < limit:
        # Who has no relation comes last.
        query = "SELECT id FROM llm.entity WHERE graph = $1 ORDER BY id LIMIT $2"
        rest = db.rows(query, ("int4", "int8"), (graph, limit + 1 + len(chosen)))
        alone = [each["id"] for each in rest if each["id"] not in chosen]
        all_there = all_there and len(chosen) + len(alone) <= limit
        chosen.update(dict.fromkeys(alone[: limit - len(chosen)]))
    return list(chosen), _between(relations, chosen), all_there


def _near(db: Connection, graph: int, entity: int, hops: int, limit: int) -> tuple[list[int], list[Row], bool]:
    """Entities in so many steps, the best supported of the last; the relations between them, whether that is all."""
    chosen = {entity: None}
    relations: dict[int, Row] = {}
    edge, all_there = [entity], True
    for _ in range(hops):
        weight: dict[int, int] = defaultdict(int)
        for each in _beside(db, graph, edge):
            relations[each["id"]] = each
            for number in (each["subject"], each["object"]):
                if number not in chosen:
                    weight[number] += each["support"]
        edge = sorted(weight, key=lambda number: (-weight[number], number))
        if len(chosen) + len(edge) > limit:
            edge, all_there = edge[: limit - len(chosen)], False
        chosen.update(dict.fromkeys(edge))
        if not edge or not all_there:
            break
    # Between those of the last step, too.
    relations.update({each["id"]: each for each in _beside(db, graph, edge)})
    return list(chosen), _between(list(relations.values()), chosen), all_there


def _beside(db: Connection, graph: int, numbers: Sequence[int]) -> Iterator[Row]:
    # As arrays, so that the view looks only at these.
    for side in ("subject", "object"):
        query = f"SELECT {_COLUMNS} FROM llm.relation WHERE {side} = ANY($1) AND graph = $2 ORDER BY id"
        yield from db.rows(query, ("int8[]", "int4"), (list(numbers), graph))


def _between(relations: Sequence[Row], chosen: dict[int, Any]) -> list[Row]:
    return [each for each in relations if each["subject"] in chosen and each["object"] in chosen]
