"""Reasoning over graphs: what is learnt from one, which relations it lacks, which rules hold in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pg_llm import arguments, protocol
from pg_llm import options as training_options
from pg_llm.database import model_files, models, progress, training_runs
from pg_llm.database.connection import Connection, Row
from pg_llm.database.models import Model
from pg_llm.database.security_context import as_extension_owner
from pg_llm.errors import InsufficientPrivilege, InvalidInput, UndefinedGraph, UndefinedModel
from pg_llm.graph import rule as graph_rule
from pg_llm.graph.lifecycle import named, owned
from pg_llm.graph.options import METHODS, OPTIONS
from pg_llm.runtime import client

_MOST = 1000
_FEWEST = 10
# Beside those wanted, since some may have gone from the graph since it was learnt from.
_SPARE = 20


def graph_fit(db: Connection, graph: str | None, method: str | None, options: Any) -> dict[str, Any]:
    """Learn from a graph which relations are likely; returns what was measured on relations kept back."""
    row = owned(db, graph)
    chosen = arguments.choice("method", method, METHODS)
    checked = training_options.check(OPTIONS, chosen, arguments.options(options))
    job = {"task": "graph", "method": chosen, "options": checked}
    sources = _sources(db, row)
    entities = db.stream("SELECT id, type FROM llm.entity WHERE graph = $1", ("int4",), (row["id"],))
    rows = [("", (each["id"], each["type"])) for each in entities]
    relations = [(each["predicate"], (each["subject"], each["object"])) for each in _relations(db, row)]
    if len(relations) < _FEWEST:
        raise InvalidInput(
            f'the graph "{row["name"]}" has {len(relations)} relations, too few to learn from',
            hint=f"It takes {_FEWEST} at least, and some hundreds to be of use.",
        )
    with training_runs.stream_training(
        db, progress.session_fields(db, "graph_fit", "", row["name"]), job, None, [*rows, *relations]
    ) as made:
        _keep(db, row, job, made, sources)
    return {"graph": row["name"], "method": chosen, "seconds": made["seconds"], **made["metrics"]}


def graph_predict(
    db: Connection, graph: str | None, subject: int | None, predicate: str | None, k: int | None, reverse: bool | None
) -> list[tuple[int, str, str, float]]:
    """The k likeliest objects of a relation that the graph does not hold; with reverse, the subjects for an object."""
    row = named(db, graph)
    if k is None or not 0 <= k <= _MOST:
        raise InvalidInput(f"k must lie between 0 and {_MOST}")
    model = _model(db, row)
    if subject is None or predicate is None or not k:
        return []
    if not db.rows(
        "SELECT FROM llm.entity WHERE id = ANY($1) AND graph = $2", ("int8[]", "int4"), ([subject], row["id"])
    ):
        raise UndefinedGraph(
            f'the graph "{row["name"]}" has no entity {subject}',
            hint="SELECT id, name FROM llm.entity shows the entities that you may see.",
        )
    here, there = ("object", "subject") if reverse else ("subject", "object")
    # As arrays, so that the view looks only at these.
    held = db.rows(
        f"SELECT {there} AS other FROM llm.relation WHERE {here} = ANY($1) AND graph = $2 AND predicate = $3",
        ("int8[]", "int4", "text"),
        ([subject], row["id"], predicate),
    )
    question = json.dumps([subject, predicate, int(bool(reverse)), [each["other"] for each in held]])
    wanted = k + _SPARE
    while True:
        likely = json.loads(model.run("graph_prediction", [question], k=wanted)[0]) or []
        found = _visible(db, row, likely)
        if len(found) >= k or len(likely) < wanted:
            return found[:k]
        wanted *= 4


def graph_rules(
    db: Connection, graph: str | None, min_confidence: float | None, min_support: int | None
) -> list[tuple[Any, ...]]:
    """Rules that hold in a graph, surest first, each with a query for the relations that it would add."""
    row = named(db, graph)
    if min_confidence is None or not 0 <= min_confidence <= 1:
        raise InvalidInput("min_confidence must lie between 0 and 1", hint="It is a share of the pairs of the body.")
    if min_support is None or min_support < 1:
        raise InvalidInput("min_support must be 1 at least", hint="It is a number of pairs.")
    relations = list(_relations(db, row))
    entities: dict[int, int] = {}
    predicates: dict[str, int] = {}
    numbered = [
        [
            entities.setdefault(each["subject"], len(entities)),
            predicates.setdefault(each["predicate"], len(predicates)),
            entities.setdefault(each["object"], len(entities)),
        ]
        for each in relations
    ]
    found = json.loads(
        models.run_without_model(
            db, "graph_rules", [protocol.dumps(numbered)], min_support=min_support, min_confidence=min_confidence
        )[0]
    )
    if found["passed_over"]:
        db.notice(
            f"{found['passed_over']} pairs of predicates have too many paths and were passed over",
            hint="Such a path leads through an entity that very many relations share.",
        )
    names = list(predicates)
    rules = [graph_rule.Rule(row["id"], names, *each) for each in found["rules"]]
    return [rule.row for rule in sorted(rules, key=lambda rule: rule.order)]


def _sources(db: Connection, row: Row) -> list[int]:
    """What the graph is made from, all of it readable. Raises InsufficientPrivilege."""
    sources = db.rows("SELECT id FROM llm.graph_source WHERE graph = $1 ORDER BY id", ("int4",), (row["id"],))
    numbers = [each["id"] for each in sources]
    whole = db.rows("SELECT id FROM llm.readable_graph_source WHERE whole AND id = ANY($1)", ("int4[]",), (numbers,))
    if len(whole) < len(numbers):
        raise InsufficientPrivilege(
            f'you may not read every row that the graph "{row["name"]}" is made from',
            hint="What is learnt speaks of all rows, so it takes a role that row-level security hides none from.",
        )
    return numbers


def _relations(db: Connection, row: Row) -> Iterator[Row]:
    return db.stream("SELECT subject, predicate, object FROM llm.relation WHERE graph = $1", ("int4",), (row["id"],))


def _keep(db: Connection, row: Row, job: dict[str, Any], made: dict[str, Any], sources: list[int]) -> None:
    """Put what was learnt in the place of what there was."""
    old = db.rows("SELECT digest FROM llm.own_graph_model WHERE graph = $1", ("int4",), (row["id"],))
    _replace(db, row["id"], job, made, sources)
    for each in old:
        if each["digest"] != made["digest"]:
            client.ask_if_running({"op": "forget", "model": _wire(row, each["digest"])}, db.poll)


@as_extension_owner
def _replace(db: Connection, graph: int, job: dict[str, Any], made: dict[str, Any], sources: list[int]) -> None:
    db.rows("DELETE FROM llm.all_graph_model WHERE graph = $1", ("int4",), (graph,))
    db.rows(
        "INSERT INTO llm.all_graph_model (graph, method, digest, sources, options, metrics, seconds)"
        " VALUES ($1, $2, $3, $4, $5::jsonb, $6::jsonb, $7)",
        ("int4", "text", "text", "int4[]", "text", "text", "float4"),
        (
            graph,
            job["method"],
            made["digest"],
            sources,
            json.dumps(job["options"]),
            json.dumps(made["metrics"]),
            made["seconds"],
        ),
    )
    for path, part, content in model_files.parts(db, Path(made["folder"])):
        db.rows(
            "INSERT INTO llm.all_graph_model_file (graph, path, part, content) VALUES ($1, $2, $3, $4)",
            ("int4", "text", "int4", "bytea"),
            (graph, path, part, content),
        )


def _model(db: Connection, row: Row) -> Model:
    """What was learnt from the graph. Raises UndefinedModel and InsufficientPrivilege."""
    found = db.rows("SELECT digest, readable FROM llm.graph_model WHERE graph = $1", ("int4",), (row["id"],))
    if not found:
        raise UndefinedModel(
            f'nothing has been learnt from the graph "{row["name"]}"',
            hint=f"Its owner calls graph_fit('{row['name']}').",
        )
    if not found[0]["readable"]:
        raise InsufficientPrivilege(
            f'you may not read every row that was learnt from in the graph "{row["name"]}"',
            hint="Predictions speak of all rows, so they are for roles that may read them all and for graphs whose "
            "tables are those that they were learnt from; graph_fit() learns anew.",
        )
    return Model(
        db,
        {
            **_wire(row, found[0]["digest"]),
            "options": "{}",
            "dimensions": None,
            "labels": None,
            "engine": models.engine(db),
        },
    )


def _wire(row: Row, digest: str) -> dict[str, Any]:
    return {
        "name": f"graph {row['name']}",
        "task": "graph",
        "source": f"database:{digest}",
        "revision": None,
        "digest": digest,
        "options": {},
    }


def _visible(db: Connection, row: Row, likely: Sequence[Sequence[Any]]) -> list[tuple[int, str, str, float]]:
    """Those of the entities that the caller may see, in order."""
    numbers = [number for number, _ in likely]
    query = "SELECT id, name, type FROM llm.entity WHERE id = ANY($1) AND graph = $2"
    seen = {each["id"]: each for each in db.rows(query, ("int8[]", "int4"), (numbers, row["id"]))}
    return [(number, seen[number]["name"], seen[number]["type"], score) for number, score in likely if number in seen]
