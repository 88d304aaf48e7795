"""Knowledge graphs: missing relations found again, beside PyKEEN alone."""

from __future__ import annotations

import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from database import value
from workbench.bench import compared

COMMAND = "./run bench graph"
Triple = tuple[str, str, str]


def measured(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    """Relations of the test split, ranked at both ends among all entities but those that are right as well.

    Both learn from the training split; PyKEEN stops by the validation split, graph_fit by a part of what it is given.
    """
    for name in ("umls", "kinships"):
        parts = {part: _triples(name, part) for part in ("train", "valid", "test")}
        peer = _pykeen(parts)
        for method in ("complex", "rotate"):
            own = _own(db, f"{name} {method}", method, parts)
            for key, unit, better in (("mrr", "MRR", True), ("hits", "hits@10", True), ("seconds", "s", False)):
                what = f"missing relations of {name} found again, {method}"
                yield compared(COMMAND, what, "PyKEEN's own loop, complex", peer[key], own[key], unit, better, 3)


def _triples(name: str, part: str) -> list[Triple]:
    found = util.find_spec("pykeen")
    assert found is not None
    assert found.submodule_search_locations is not None
    file = Path(found.submodule_search_locations[0]) / "datasets" / name / f"{part}.txt"
    return [(s, p, o) for s, p, o in (line.split("\t") for line in file.read_text().splitlines())]


def _own(db: psycopg.Connection, graph: str, method: str, parts: dict[str, list[Triple]]) -> dict[str, Any]:
    db.execute("DROP TABLE IF EXISTS triple; CREATE TABLE triple (subject text, predicate text, object text)")
    with db.cursor().copy("COPY triple FROM STDIN") as copy:
        for triple in parts["train"]:
            copy.write_row(triple)
    db.execute("SELECT graph_create(%s)", (graph,))
    db.execute("SELECT graph_import(%s, 'SELECT * FROM triple')", (graph,))
    started = time.monotonic()
    value(db, "SELECT graph_fit(%s, %s)", graph, method)
    seconds = time.monotonic() - started
    number = dict(
        db.execute(
            "SELECT e.name, e.id FROM llm.entity AS e JOIN llm.graph AS g ON g.id = e.graph WHERE g.name = %s", (graph,)
        ).fetchall()
    )
    right: dict[tuple[str, str, bool], set[str]] = defaultdict(set)
    for s, p, o in [*parts["train"], *parts["valid"], *parts["test"]]:
        right[s, p, False].add(o)
        right[o, p, True].add(s)
    lists: dict[tuple[str, str, bool], list[str]] = {}
    places = []
    for s, p, o in parts["test"]:
        for start, end, back in ((s, o, False), (o, s, True)):
            key = (start, p, back)
            if key not in lists:
                query = "SELECT name FROM graph_predict(%s, %s, %s, 1000, %s)"
                lists[key] = [row[0] for row in db.execute(query, (graph, number[start], p, back))]
            others = [name for name in lists[key] if name == end or name not in right[key]]
            places.append(others.index(end) + 1 if end in others else len(number))
    return {**_measured(np.asarray(places)), "seconds": round(seconds, 1)}


def _measured(places: Any) -> dict[str, Any]:
    """Mean reciprocal rank and share of ranks within ten."""
    return {"mrr": round(float((1 / places).mean()), 3), "hits": round(float((places <= 10).mean()), 3)}


def _pykeen(parts: dict[str, list[Triple]]) -> dict[str, Any]:
    """ComplEx with the same beginning, length and size of vectors, step, batches, epochs and patience."""
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"PYSTOW_HOME": home, "TQDM_DISABLE": "1"}
        from pg_llm.graph.options import OPTIONS
        from pykeen.pipeline import pipeline
        from pykeen.triples import TriplesFactory

        option = {name: each.default for name, each in OPTIONS.items()}
        made = {part: np.asarray(triples) for part, triples in parts.items()}
        train = TriplesFactory.from_labeled_triples(made["train"], create_inverse_triples=True)
        valid, test = (
            TriplesFactory.from_labeled_triples(
                made[part], entity_to_id=train.entity_to_id, relation_to_id=train.relation_to_id
            )
            for part in ("valid", "test")
        )
        # With its own initialization, of variance one, it stays below 0.5.
        model = {
            "embedding_dim": option["dimensions"],
            "entity_initializer": "xavier_normal",
            "relation_initializer": "xavier_normal",
            "regularizer": "powersum",
            "regularizer_kwargs": {"p": 3.0, "weight": option["regularization"], "normalize": False},
        }
        started = time.monotonic()
        found = pipeline(
            training=train,
            validation=valid,
            testing=test,
            model="ComplEx",
            random_seed=int(option["seed"]),
            model_kwargs=model,
            loss="crossentropy",
            training_loop="lcwa",
            optimizer="adam",
            optimizer_kwargs={"lr": option["learning_rate"]},
            device="cpu",
            training_kwargs={"num_epochs": option["epochs"], "batch_size": option["batch_size"], "use_tqdm": False},
            stopper="early",
            stopper_kwargs={
                "frequency": 5,
                "patience": int(option["patience"]) // 5,
                "metric": "mrr",
                "larger_is_better": True,
                "relative_delta": 0.0,
                "evaluation_batch_size": 1024,
            },
            evaluation_kwargs={
                "use_tqdm": False,
                "batch_size": 1024,
                "additional_filter_triples": [valid.mapped_triples],
            },
        )
    return {
        "mrr": round(found.get_metric("both.realistic.mrr"), 3),
        "hits": round(found.get_metric("both.realistic.hits_at_10"), 3),
        "seconds": round(time.monotonic() - started, 1),
    }
