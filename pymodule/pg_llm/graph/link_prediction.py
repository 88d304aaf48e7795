"""Link prediction: knowledge graph embeddings are trained on the relations of a graph and rank the missing ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pg_llm import options as training_options
from pg_llm.database import model_files, models, progress, training_runs
from pg_llm.database.connection import Connection, Row
from pg_llm.database.models import Model
from pg_llm.database.security_context import as_extension_owner
from pg_llm.errors import InsufficientPrivilege, InvalidInput, UndefinedGraph, UndefinedModel
from pg_llm.graph import registry
from pg_llm.graph.options import OPTIONS
from pg_llm.runtime import client

_MIN_RELATIONS = 10
# Candidates that are asked for beside the k wanted, as some may have left the graph since the training.
_EXTRA = 20

# Entity, name, type, probability.
Prediction = tuple[int, str, str, float]


def fit(db: Connection, name: str | None, method: str, options: dict[str, Any]) -> dict[str, Any]:
    """Train a model on all relations of an own graph; returns its metrics on held-out relations."""
    graph = registry.find_owned(db, name)
    job = {"task": "graph", "method": method, "options": training_options.check(OPTIONS, method, options)}
    sources = _fully_readable_sources(db, graph)
    entities = db.stream("SELECT id, type FROM llm.entity WHERE graph = $1", ("int4",), (graph["id"],))
    entity_rows = [("", (each["id"], each["type"])) for each in entities]
    relation_rows = [
        (each["predicate"], (each["subject"], each["object"]))
        for each in db.stream(
            "SELECT subject, predicate, object FROM llm.relation WHERE graph = $1", ("int4",), (graph["id"],)
        )
    ]
    if len(relation_rows) < _MIN_RELATIONS:
        raise InvalidInput(
            f'the graph "{graph["name"]}" has {len(relation_rows)} relations, too few to learn from',
            hint=f"It takes {_MIN_RELATIONS} at least, and some hundreds to be of use.",
        )
    with training_runs.stream_training(
        db, progress.session_fields(db, "graph_fit", "", graph["name"]), job, None, [*entity_rows, *relation_rows]
    ) as result:
        _store(db, graph, job, result, sources)
    return {"graph": graph["name"], "method": method, "seconds": result["seconds"], **result["metrics"]}


def predict(
    db: Connection, name: str | None, subject: int | None, predicate: str | None, k: int, reverse: bool | None
) -> list[Prediction]:
    """The k likeliest unknown objects of a subject under a predicate; with `reverse`, the subjects of an object."""
    graph = registry.find(db, name)
    model = _model(db, graph)
    if subject is None or predicate is None or not k:
        return []
    if not db.rows(
        "SELECT FROM llm.entity WHERE id = ANY($1) AND graph = $2", ("int8[]", "int4"), ([subject], graph["id"])
    ):
        raise UndefinedGraph(
            f'the graph "{graph["name"]}" has no entity {subject}',
            hint="SELECT id, name FROM llm.entity shows the entities that you may see.",
        )
    here, there = ("object", "subject") if reverse else ("subject", "object")
    # With an array as parameter, the view looks only at these.
    known = db.rows(
        f"SELECT {there} AS other FROM llm.relation WHERE {here} = ANY($1) AND graph = $2 AND predicate = $3",
        ("int8[]", "int4", "text"),
        ([subject], graph["id"], predicate),
    )
    question = json.dumps([subject, predicate, int(bool(reverse)), [row["other"] for row in known]])
    limit = k + _EXTRA
    while True:
        ranked = json.loads(model.run("graph_prediction", [question], k=limit)[0]) or []
        predictions = _visible(db, graph, ranked)
        if len(predictions) >= k or len(ranked) < limit:
            return predictions[:k]
        limit *= 4


def _fully_readable_sources(db: Connection, graph: Row) -> list[int]:
    """The ids of the graph's sources. Raises InsufficientPrivilege unless the caller may read every row of each."""
    sources = db.rows("SELECT id FROM llm.graph_source WHERE graph = $1 ORDER BY id", ("int4",), (graph["id"],))
    ids = [source["id"] for source in sources]
    whole = db.rows("SELECT id FROM llm.readable_graph_source WHERE whole AND id = ANY($1)", ("int4[]",), (ids,))
    if len(whole) < len(ids):
        raise InsufficientPrivilege(
            f'you may not read every row that the graph "{graph["name"]}" is made from',
            hint="What is learnt speaks of all rows, so it takes a role that row-level security hides none from.",
        )
    return ids


def _store(db: Connection, graph: Row, job: dict[str, Any], result: dict[str, Any], sources: list[int]) -> None:
    """Replace the model of a graph, and let the host unload the former one."""
    former = db.rows("SELECT digest FROM llm.own_graph_model WHERE graph = $1", ("int4",), (graph["id"],))
    _replace_rows(db, graph["id"], job, result, sources)
    for each in former:
        if each["digest"] != result["digest"]:
            client.ask_if_running({"op": "forget", "model": _wire(graph, each["digest"])}, db.poll)


@as_extension_owner
def _replace_rows(db: Connection, graph: int, job: dict[str, Any], result: dict[str, Any], sources: list[int]) -> None:
    db.rows("DELETE FROM llm.all_graph_model WHERE graph = $1", ("int4",), (graph,))
    db.rows(
        "INSERT INTO llm.all_graph_model (graph, method, digest, sources, options, metrics, seconds)"
        " VALUES ($1, $2, $3, $4, $5::jsonb, $6::jsonb, $7)",
        ("int4", "text", "text", "int4[]", "text", "text", "float4"),
        (
            graph,
            job["method"],
            result["digest"],
            sources,
            json.dumps(job["options"]),
            json.dumps(result["metrics"]),
            result["seconds"],
        ),
    )
    for path, part, content in model_files.parts(db, Path(result["folder"]), result["digest"]):
        db.rows(
            "INSERT INTO llm.all_graph_model_file (graph, path, part, content) VALUES ($1, $2, $3, $4)",
            ("int4", "text", "int4", "bytea"),
            (graph, path, part, content),
        )


def _model(db: Connection, graph: Row) -> Model:
    """The model that was trained on a graph. Raises UndefinedModel and InsufficientPrivilege."""
    rows = db.rows("SELECT digest, readable FROM llm.graph_model WHERE graph = $1", ("int4",), (graph["id"],))
    if not rows:
        raise UndefinedModel(
            f'nothing has been learnt from the graph "{graph["name"]}"',
            hint=f"Its owner calls graph_fit('{graph['name']}').",
        )
    if not rows[0]["readable"]:
        raise InsufficientPrivilege(
            f'you may not read every row that was learnt from in the graph "{graph["name"]}"',
            hint="Predictions speak of all rows, so they are for roles that may read them all and for graphs whose "
            "tables are those that they were learnt from; graph_fit() learns anew.",
        )
    return Model(
        db,
        {
            **_wire(graph, rows[0]["digest"]),
            "options": "{}",
            "dimensions": None,
            "labels": None,
            "engine": models.engine(db),
        },
    )


def _wire(graph: Row, digest: str) -> dict[str, Any]:
    """The model in the form in which the host takes it."""
    return {
        "name": f"graph {graph['name']}",
        "task": "graph",
        "source": f"database:{digest}",
        "revision": None,
        "digest": digest,
        "options": {},
    }


def _visible(db: Connection, graph: Row, ranked: Sequence[Sequence[Any]]) -> list[Prediction]:
    """Those of the ranked entities that the caller may see."""
    ids = [entity for entity, _ in ranked]
    query = "SELECT id, name, type FROM llm.entity WHERE id = ANY($1) AND graph = $2"
    rows = {row["id"]: row for row in db.rows(query, ("int8[]", "int4"), (ids, graph["id"]))}
    return [(entity, rows[entity]["name"], rows[entity]["type"], score) for entity, score in ranked if entity in rows]
