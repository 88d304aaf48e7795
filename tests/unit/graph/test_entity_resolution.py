"""Entity resolution of a stored graph: blocking by embeddings, merges by the matcher and by hand, conflicts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import Call, FakeConnection
from pg_llm.errors import InsufficientPrivilege, InvalidInput, UndefinedGraph
from pg_llm.graph import conflicts, embedding_blocking, entity_resolution, merging, source_copy
from pg_llm.graph.merging import Merge

GRAPH: dict[str, Any] = {
    "id": 1,
    "name": "g",
    "entity_types": None,
    "relation_types": '{"born in": {"functional": true}}',
    "embedding_model": "m",
    "usename": "ann",
    "own": True,
}
NAMES = {1: "Angela Berg", 2: "Berg, Angela", 3: "Uwe Karl", 4: "Oslo"}


@pytest.fixture
def db(host: EchoHost) -> FakeConnection:
    """A graph of three people, two of whom are one, and a city."""
    db = FakeConnection()
    graphs = {"g": GRAPH, "h": GRAPH | {"id": 2, "name": "h"}}
    db.answer("FROM llm.graph AS g", lambda call: [graphs[call.values[0] or "g"]])
    db.answer("LEFT JOIN llm.model AS m ON m.name", [registered("m")])
    db.answer("pg_backend_pid() AS pid", [{"pid": 1, "datname": "d", "usename": "ann", "started_at": "now"}])
    db.answer("FROM pg_extension AS e JOIN pg_namespace", [{"schema": "public"}])
    db.answer("FROM pg_catalog.pg_extension", [{"owner": 77}])
    db.answer(
        "AS embedded FROM llm.own_entity AS e",
        [
            {"id": n, "type": "city" if n == 4 else "person", "name": name, "standing": n, "embedded": n > 1}
            for n, name in NAMES.items()
        ],
    )
    db.answer("FROM llm.all_entity AS e WHERE e.id = ANY($1)", [{"graph": 1, "id": 1, "name": NAMES[1]}])
    db.answer("INSERT INTO llm.all_entity_embedding")
    db.answer(
        "SELECT subject, predicate, object FROM llm.own_relation", [{"subject": 1, "predicate": "p", "object": 4}]
    )
    db.answer("SELECT kept, merged FROM llm.own_merge")
    db.answer("vector_dims(embedding) AS n FROM", [{"n": 16}])
    for part in ("CREATE TEMP TABLE", "ALTER TABLE", "CREATE INDEX", "ANALYZE", "DROP TABLE", "DROP INDEX"):
        db.answer(part)
    db.answer("GROUP BY type HAVING count(*) > 1", [{"type": "person", "n": 3}])
    db.answer("SELECT id FROM pg_temp.graph_resolve_vector", [{"id": 1}, {"id": 2}, {"id": 3}])
    db.answer("CROSS JOIN LATERAL ( SELECT b.id", [{"one": 2, "other": 1, "cosine": 0.95}])
    db.answer("FROM unnest($1, $2) AS u (one, other)", lambda call: [
        {"one": one, "other": other, "cosine": 0.1} for one, other in zip(*call.values, strict=True)
    ])  # fmt: skip
    db.answer(
        "FROM llm.own_evidence AS v WHERE v.entity = c.id", lambda call: [{"id": n, "n": n} for n in call.values[0]]
    )
    db.answer(
        "SELECT id, name FROM llm.own_entity WHERE id = ANY", [{"id": n, "name": name} for n, name in NAMES.items()]
    )
    return db


@pytest.fixture
def merges(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    done: list[Any] = []
    monkeypatch.setattr(merging, "lock_graph", lambda db, graph: done.append(("locked", graph)))
    monkeypatch.setattr(merging, "merge", lambda db, graph, merges: done.append((graph, merges)))
    monkeypatch.setattr(merging, "unmerge", lambda db, graph, entity: done.append(("unmerged", graph, entity)))
    monkeypatch.setattr(merging, "unmerge_all", lambda db, graph: done.append(("unmerged", graph)) or 3)  # type: ignore[func-returns-value]
    return done


def test_matching_entities_are_merged_into_the_better_supported(db: FakeConnection, merges: list[Any]) -> None:
    (row,) = entity_resolution.resolve(db, "g", 0.85)
    assert (row["kept"], row["merged"], row["name"], row["merged_name"]) == (2, 1, NAMES[2], NAMES[1])
    assert row["score"] >= 0.85
    assert row["reason"].startswith("same words")
    # Matching needs no lock; merging does.
    assert merges == [("locked", 1), (1, [Merge(2, 1, row["score"], row["reason"])])]
    assert db.asked("INSERT INTO llm.all_entity_embedding")[0].values[1] == [1]
    assert db.calls[-1].query.startswith("SELECT id, name")


def test_an_entity_that_was_merged_meanwhile_is_left_out(db: FakeConnection, merges: list[Any]) -> None:
    db.answer("FROM llm.own_evidence AS v WHERE v.entity = c.id", [{"id": 2, "n": 1}])
    assert entity_resolution.resolve(db, "g", 0.85) == []


def test_what_was_unmerged_is_not_merged_again(db: FakeConnection, merges: list[Any]) -> None:
    db.answer("SELECT kept, merged FROM llm.own_merge", [{"kept": 2, "merged": 1}])
    assert entity_resolution.resolve(db, "g", 0.85) == []


def test_neighbors_are_pairs_with_the_smaller_id_first(db: FakeConnection) -> None:
    with embedding_blocking.nearest_neighbors(db, 1) as (neighbors, cosines):
        assert neighbors == {(1, 2): 0.95}
        assert cosines([(1, 3)]) == {(1, 3): 0.1}
        assert not db.asked("DROP TABLE")
    assert db.asked("DROP TABLE pg_temp.graph_resolve_vector")
    assert not db.asked("USING hnsw")
    assert "m.embedding::public.vector(16)" in db.asked("CREATE TEMP TABLE")[0].query


def test_a_large_type_has_an_index(db: FakeConnection) -> None:
    db.answer("GROUP BY type HAVING count(*) > 1", [{"type": "it's", "n": 3000}])
    with embedding_blocking.nearest_neighbors(db, 1):
        pass
    (index,) = db.asked("USING hnsw")
    assert "WHERE type = 'it''s'" in index.query
    assert db.asked("DROP INDEX pg_temp.graph_resolve_vector_hnsw")
    # pgvector cannot index that many dimensions.
    db.answer("vector_dims(embedding) AS n FROM", [{"n": 4000}])
    with embedding_blocking.nearest_neighbors(db, 1):
        pass
    assert len(db.asked("USING hnsw")) == 1


def test_graphs_are_merged_by_copying_sources(
    db: FakeConnection, merges: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[Any] = []
    monkeypatch.setattr(
        source_copy, "copy_sources", lambda db, graph, other, report: copied.append((graph["id"], other["id"]))
    )
    counts = iter([2, 5])
    db.answer("SELECT count(*) AS n FROM llm.own_entity", lambda call: [{"n": next(counts)}])
    assert entity_resolution.merge_graphs(db, "g", "h", 0.85) == 3
    assert copied == [(1, 2)]
    with pytest.raises(InvalidInput, match="cannot be merged with itself"):
        entity_resolution.merge_graphs(db, "g", "g", 0.85)


def entities(db: FakeConnection, *rows: tuple[int, int, str, int | None]) -> None:
    """Entities of own graphs: id, graph, type, merged into."""
    own = {row[0]: dict(zip(("id", "graph", "type", "merged_into"), row, strict=True)) for row in rows}

    def find(call: Call) -> list[dict[str, Any]]:
        return [own[call.values[0]]] if call.values[0] in own else []

    db.answer("SELECT id, graph, type, merged_into FROM llm.own_entity", find)
    db.answer(
        "FROM llm.entity AS e JOIN llm.graph AS g",
        lambda call: [{"name": "x", "usename": "bob"}] if call.values[0] == 8 else [],
    )


def test_two_entities_are_merged_by_hand(db: FakeConnection, merges: list[Any]) -> None:
    entities(db, (1, 1, "t", None), (2, 1, "t", None))
    entity_resolution.merge_entities(db, 1, 2)
    assert merges == [("locked", 1), (1, [Merge(1, 2, None, "merged by hand")])]


@pytest.mark.parametrize(
    ("kept", "merged", "error", "message"),
    [
        (1, 1, InvalidInput, "cannot be merged with itself"),
        (1, 3, InvalidInput, "are of two graphs"),
        (1, 4, InvalidInput, 'of two types, "t" and "u"'),
        (1, 5, InvalidInput, "entity 5 is merged already, into 1"),
        (1, 8, InsufficientPrivilege, 'must be owner of graph "x"'),
        (1, 9, UndefinedGraph, "there is no entity 9"),
    ],
)
def test_other_entities_are_not_merged(
    db: FakeConnection, merges: list[Any], kept: int, merged: int, error: type[Exception], message: str
) -> None:
    entities(db, (1, 1, "t", None), (3, 2, "t", None), (4, 1, "u", None), (5, 1, "t", 1))
    with pytest.raises(error, match=message):
        entity_resolution.merge_entities(db, kept, merged)
    assert [each for each in merges if each[0] != "locked"] == []


def test_merges_are_undone(db: FakeConnection, merges: list[Any]) -> None:
    entities(db, (1, 1, "t", None), (5, 1, "t", 1))
    assert entity_resolution.unmerge(db, 5, None) == 1
    assert entity_resolution.unmerge(db, None, "g") == 3
    assert merges == [("locked", 1), ("unmerged", 1, 5), ("locked", 1), ("unmerged", 1)]
    with pytest.raises(InvalidInput, match="entity 1 is not merged into another"):
        entity_resolution.unmerge(db, 1, None)
    with pytest.raises(UndefinedGraph, match='the graph "h" has no entity 5'):
        entity_resolution.unmerge(db, 5, "h")


def test_several_objects_of_a_functional_predicate_are_a_conflict(db: FakeConnection) -> None:
    db.answer("FROM llm.relation AS r WHERE r.graph = $1 AND r.predicate = ANY($2)", [
        {"subject": 1, "predicate": "born in", "objects": [4, 3], "relations": [11, 12], "confidences": [0.9, 0.2]}
    ])  # fmt: skip
    db.answer("SELECT id, name FROM llm.entity WHERE id = ANY", [{"id": n, "name": name} for n, name in NAMES.items()])
    row = {"table": "note", "key": '{"id": 1}', "column": None, "start_pos": 1, "end_pos": 4, "confidence": 0.9}
    db.answer("FROM llm.evidence AS v WHERE v.relation = ANY", [{"relation": 11} | row for _ in range(25)])
    (conflict,) = conflicts.conflicts(db, "g")
    assert db.asked("r.predicate = ANY($2)")[0].values == (1, ["born in"])
    assert (conflict["subject_name"], conflict["objects"]) == ("Angela Berg", ["Oslo", "Uwe Karl"])
    passages = json.loads(conflict["evidence"])
    assert len(passages) == 20
    assert passages[0] == {
        "object": "Oslo", "table": "note", "key": {"id": 1}, "start_pos": 1, "end_pos": 4, "confidence": 0.9
    }  # fmt: skip
