"""Link prediction, rules, drawings and exports: what the host is given, and what is made of its answers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from echo import EchoHost
from fake_connection import Call, FakeConnection
from pg_llm.database import model_files, training_runs
from pg_llm.errors import InsufficientPrivilege, InvalidInput, UndefinedGraph, UndefinedModel
from pg_llm.graph import drawing, export, link_prediction, rule_mining
from pg_llm.graph.rule_mining import HornRule
from pg_llm.runtime import client

GRAPH: dict[str, Any] = {"id": 1, "name": "g", "embedding_model": "m", "usename": "ann", "own": True}
NAMES = {1: "Ann", 2: "Acme", 3: "Oslo", 4: "Bob", 5: "Eva"}
RELATIONS = [(1, "works for", 2), (4, "works for", 2), (2, "is in", 3)]


@pytest.fixture
def db(host: EchoHost) -> FakeConnection:
    """A graph of five entities and three relations."""
    db = FakeConnection()
    db.answer("FROM pg_catalog.pg_extension", [{"owner": 77}])
    db.answer("FROM llm.graph AS g", lambda call: [GRAPH] if call.values[0] in (None, 1, "g") else [])
    db.answer("SELECT current_setting('llm.engine', true) AS engine", [{"engine": "shared"}])
    rows = [
        {"id": 10 + n, "subject": s, "predicate": p, "object": o, "confidence": 0.5, "support": 3 - n}
        for n, (s, p, o) in enumerate(RELATIONS)
    ]
    db.answer("FROM llm.relation WHERE graph = $1", rows)
    for side in ("subject", "object"):
        db.answer(
            f"FROM llm.relation WHERE {side} = ANY($1) AND graph = $2 ORDER BY id",
            lambda call, side=side: [row for row in rows if row[side] in call.values[0]],
        )

    def entities(call: Call) -> list[dict[str, Any]]:
        wanted = call.values[0] if isinstance(call.values[0], list) else NAMES
        return [
            {"id": number, "name": NAMES[number], "type": "t", "aliases": [], "graph": 1}
            for number in wanted
            if number in NAMES
        ]

    db.answer("FROM llm.entity WHERE", entities)
    return db


def drawn(db: FakeConnection, host: EchoHost, **given: Any) -> dict[str, Any]:
    host.answers["graph_drawing"] = lambda inputs, options: ["<svg/>"]
    arguments = {"name": "g", "entity": None, "hops": 1, "limit": 9} | given
    assert drawing.draw(db, **arguments) == "<svg/>"
    return json.loads(host.requests[-1].inputs[0])


def test_the_best_supported_entities_are_drawn(db: FakeConnection, host: EchoHost) -> None:
    picture = drawn(db, host)
    # From the company with the most support along its relations; the entity without any comes last.
    assert [name for _, name, _ in picture["nodes"]] == ["Acme", "Ann", "Bob", "Oslo", "Eva"]
    assert [edge[1:] for edge in picture["edges"]] == [[s, p, o, 0.5] for s, p, o in RELATIONS]
    assert (picture["graph"], picture["about"], picture["focus"]) == ("g", "", None)
    picture = drawn(db, host, limit=2)
    assert [name for _, name, _ in picture["nodes"]] == ["Acme", "Ann"]
    assert picture["about"] == "its 2 best supported entities"
    assert len(picture["edges"]) == 1


@pytest.mark.parametrize(
    ("given", "names", "about"),
    [
        ({"hops": 1}, ["Ann", "Acme"], "within 1 step"),
        ({"hops": 2}, ["Ann", "Acme", "Bob", "Oslo"], "within 2 steps"),
        ({"hops": 2, "limit": 3}, ["Ann", "Acme", "Bob"], "the nearest 3 within 2 steps"),
        ({"hops": 9, "name": None}, ["Ann", "Acme", "Bob", "Oslo"], "within 9 steps"),
    ],
)
def test_the_neighborhood_of_an_entity_is_drawn(
    db: FakeConnection, host: EchoHost, given: dict[str, Any], names: list[str], about: str
) -> None:
    picture = drawn(db, host, entity=1, **given)
    assert [name for _, name, _ in picture["nodes"]] == names
    assert (picture["about"], picture["focus"]) == (about, 1)


def test_an_unknown_entity_is_not_drawn(db: FakeConnection) -> None:
    for name, message in ((None, "there is no entity 9"), ("g", 'there is no entity 9 in the graph "g"')):
        with pytest.raises(UndefinedGraph, match=message):
            drawing.draw(db, name, 9, 1, 9)


def test_a_graph_is_serialized_up_to_a_limit(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    text = export.serialize(db, "g", "turtle")
    assert 'rdfs:label "Acme"' in text
    assert text.count("> entity:") == 3
    db.answer("JOIN llm.entity AS s ON s.id = r.subject", [{"subject": "Ann"}])
    assert list(export.triples(db, "g")) == [{"subject": "Ann"}]
    monkeypatch.setattr(export, "_MAX_RELATIONS", 2)
    with pytest.raises(InvalidInput, match="has more than 2 relations"):
        export.serialize(db, "g", "turtle")


def test_rules_are_mined_from_numbers_and_sorted(db: FakeConnection, host: EchoHost) -> None:
    rules = [[[0], 1, 2, 4, 3], [[0, 2], 0, 3, 3, 3]]
    host.answers["graph_rules"] = lambda inputs, options: [json.dumps({"rules": rules, "passed_over": 2})]
    first, second = rule_mining.mine_rules(db, "g", 0.1, 1)
    assert json.loads(host.requests[-1].inputs[0]) == [[0, 0, 1], [2, 0, 1], [1, 1, 3]]
    assert host.requests[-1].options == {"min_support": 1, "min_confidence": 0.1}
    assert first[0] == "works for(x, z) ∧ is in(z, y) ⇒ works for(x, y)"
    assert first[1:6] == (["works for(x, z)", "is in(z, y)"], "works for(x, y)", 3, 1.0, 1.0)
    assert (second[0], second[4]) == ("works for(x, y) ⇒ is in(x, y)", 0.5)
    assert second[5] == pytest.approx(2 / 3)
    assert db.messages[0][1].startswith("2 pairs of predicates have too many paths")


def test_a_rules_query_follows_its_steps() -> None:
    names = ["it's", "q"]
    backwards = HornRule(7, names, [1], 1, 1, 2, 2).query
    assert "predicate IN ('it''s', 'q')" in backwards
    assert "n AS (SELECT a.object AS x, a.subject AS y FROM t AS a WHERE a.predicate = 'it''s'" in backwards
    assert "EXCEPT SELECT subject, object FROM t WHERE predicate = 'q'" in backwards
    assert "0.5::real AS confidence" in backwards
    path = HornRule(7, names, [0, 3], 0, 1, 1, 1)
    assert path.row[0] == "it's(x, z) ∧ q(y, z) ⇒ it's(x, y)"
    assert "JOIN t AS b ON b.object = a.object AND b.predicate = 'q'" in path.query
    assert "a.object NOT IN (a.subject, b.subject)" in path.query


MADE = {"digest": "new", "folder": "/made", "seconds": 2.5, "metrics": {"mrr": 0.5}}


@pytest.fixture
def trained(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A training that ends at once; what it was given, and what the host was asked to forget."""
    seen: list[Any] = []

    @contextlib.contextmanager
    def stream_training(db: Any, about: Any, job: Any, _: Any, rows: Any) -> Iterator[dict[str, Any]]:
        seen.append((job, rows))
        yield MADE

    monkeypatch.setattr(training_runs, "stream_training", stream_training)
    monkeypatch.setattr(client, "ask_if_running", lambda request, poll: seen.append(request["model"]["digest"]))
    monkeypatch.setattr(model_files, "parts", lambda db, folder, digest: [(f"{folder}/graph.json", 0, b"{}")])
    monkeypatch.setattr(link_prediction, "_MIN_RELATIONS", 3)
    db.answer("FROM llm.graph_source WHERE graph = $1", [{"id": 4}])
    db.answer("FROM llm.readable_graph_source WHERE whole", [{"id": 4}])
    db.answer("pg_backend_pid() AS pid", [{"pid": 1, "datname": "d", "usename": "ann", "started_at": "now"}])
    db.answer("SELECT digest FROM llm.own_graph_model", [{"digest": "old"}, {"digest": "new"}])
    for part in ("DELETE FROM llm.all_graph_model", "INSERT INTO llm.all_graph_model"):
        db.answer(part)
    return seen


def test_a_model_is_trained_and_replaces_the_former(db: FakeConnection, trained: list[Any]) -> None:
    result = link_prediction.fit(db, "g", "transe", {"epochs": 3})
    assert result == {"graph": "g", "method": "transe", "seconds": 2.5, "mrr": 0.5}
    (job, rows), forgotten = trained
    assert (job["task"], job["method"], job["options"]["epochs"]) == ("graph", "transe", 3)
    assert "regularization" not in job["options"]
    assert rows == [*(("", (n, "t")) for n in NAMES), *((p, (s, o)) for s, p, o in RELATIONS)]
    assert forgotten == "old"
    model, file = db.asked("INSERT INTO llm.all_graph_model")
    assert model.values[:4] == (1, "transe", "new", [4])
    assert file.values == (1, str(Path("/made/graph.json")), 0, b"{}")
    assert {model.role, file.role} == {77}


def test_what_cannot_be_trained_is_refused(
    db: FakeConnection, trained: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInput, match='unknown option "x"'):
        link_prediction.fit(db, "g", "transe", {"x": 1})
    monkeypatch.setattr(link_prediction, "_MIN_RELATIONS", 10)
    with pytest.raises(InvalidInput, match="has 3 relations, too few to learn from"):
        link_prediction.fit(db, "g", "transe", {})
    db.answer("FROM llm.readable_graph_source WHERE whole")
    with pytest.raises(InsufficientPrivilege, match="you may not read every row"):
        link_prediction.fit(db, "g", "transe", {})


@pytest.fixture
def model(db: FakeConnection) -> FakeConnection:
    db.answer("FROM llm.graph_model WHERE graph = $1", [{"digest": "d", "readable": True}])
    db.answer("AS other FROM llm.relation", [{"other": 2}])
    return db


def test_predictions_are_of_visible_entities(model: FakeConnection, host: EchoHost) -> None:
    ranked = [[99, 0.5], [3, 0.3], [4, 0.1]]
    host.answers["graph_prediction"] = lambda inputs, options: [json.dumps(ranked[: options["k"]])]
    assert link_prediction.predict(model, "g", 1, "works for", 1, None) == [(3, "Oslo", "t", 0.3)]
    request = host.requests[-1]
    assert (request.model, request.options["k"]) == ("graph g", 21)
    assert json.loads(request.inputs[0]) == [1, "works for", 0, [2]]
    link_prediction.predict(model, "g", 2, "works for", 1, True)
    assert json.loads(host.requests[-1].inputs[0])[2] == 1
    assert "SELECT subject AS other FROM llm.relation WHERE object = ANY($1)" in model.asked("AS other")[-1].query


def test_more_predictions_are_asked_for_where_many_are_hidden(model: FakeConnection, host: EchoHost) -> None:
    ranked = [[100 + n, 0.5] for n in range(30)] + [[3, 0.1]]
    host.answers["graph_prediction"] = lambda inputs, options: [json.dumps(ranked[: options["k"]])]
    assert link_prediction.predict(model, "g", 1, "works for", 1, None) == [(3, "Oslo", "t", 0.1)]
    assert [request.options["k"] for request in host.requests] == [21, 84]
    host.answers["graph_prediction"] = lambda inputs, options: ["null"]
    assert link_prediction.predict(model, "g", 1, "unknown", 1, None) == []


def test_predictions_need_a_subject_and_a_readable_model(model: FakeConnection) -> None:
    assert link_prediction.predict(model, "g", None, "p", 5, None) == []
    assert link_prediction.predict(model, "g", 1, None, 5, None) == []
    assert link_prediction.predict(model, "g", 1, "p", 0, None) == []
    with pytest.raises(UndefinedGraph, match="has no entity 9"):
        link_prediction.predict(model, "g", 9, "p", 5, None)
    model.answer("FROM llm.graph_model WHERE graph = $1", [{"digest": "d", "readable": False}])
    with pytest.raises(InsufficientPrivilege, match="every row that was learnt from"):
        link_prediction.predict(model, "g", 1, "p", 5, None)
    model.answer("FROM llm.graph_model WHERE graph = $1")
    with pytest.raises(UndefinedModel, match="nothing has been learnt"):
        link_prediction.predict(model, "g", 1, "p", 5, None)
