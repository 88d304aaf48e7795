"""Storage: facts replace facts, ids are found or created, what nothing supports is deleted, merges move evidence."""

from __future__ import annotations

from typing import Any

import pytest
from fake_connection import SUPERUSER, Call, FakeConnection
from pg_llm.graph import garbage_collection, merging, store
from pg_llm.graph.merging import Merge
from pg_llm.graph.store import EntityMention, RelationMention, RowFacts

OWNER = 77


@pytest.fixture
def db(monkeypatch: pytest.MonkeyPatch) -> FakeConnection:
    """A graph in which Ann (1) is merged into Anna (2), and Acme (3) stands alone; relations get ids from 50."""
    db = FakeConnection()
    db.answer("FROM pg_catalog.pg_extension", [{"owner": OWNER}])
    entities = {("person", "Ann"): (1, 2), ("person", "Anna"): (2, 2), ("company", "Acme"): (3, 3)}
    db.answer(
        "AS standing, type, name FROM llm.all_entity",
        lambda call: [
            {"id": own, "standing": standing, "type": type_, "name": name}
            for (type_, name), (own, standing) in entities.items()
        ],
    )

    def create_entities(call: Call) -> list[Any]:
        for type_, name in zip(call.values[1], call.values[2], strict=True):
            entities.setdefault((type_, name), (len(entities) + 1, len(entities) + 1))
        return []

    relations: dict[tuple[int, str, int], int] = {(2, "knows", 3): 49}

    def create_relations(call: Call) -> list[dict[str, int]]:
        created = []
        for triple in zip(*call.values[1:4], strict=True):
            if triple not in relations:
                relations[triple] = 49 + len(relations)
                created.append({"id": relations[triple]})
        return created

    db.answer("INSERT INTO llm.all_entity", create_entities)
    db.answer("INSERT INTO llm.all_relation", create_relations)
    db.answer(
        "SELECT id, subject, predicate, object FROM llm.all_relation",
        lambda call: [{"id": n, "subject": s, "predicate": p, "object": o} for (s, p, o), n in relations.items()],
    )
    for part in (
        "INSERT INTO llm.all_evidence",
        "UPDATE llm.all_",
        "DELETE FROM",
        "INSERT INTO llm.all_graph_row",
        "SELECT c.id FROM unnest($1)",
        "AND sole_source IS NOT NULL",
    ):
        db.answer(part)
    return db


FACTS = RowFacts(
    '{"id": 1}',
    99,
    [EntityMention("person", "Ann", "text", 1, 4, 0.9), EntityMention("company", "Acme", "text", 8, 12, 0.8)],
    [RelationMention(0, "heads", 1, "text", 1, 12, 0.7)],
)


def test_evidence_is_for_what_was_read_and_for_its_representative(db: FakeConnection) -> None:
    assert store.replace_facts(db, 5, 6, {'{"id": 1}': 100}, [FACTS]) == [1, 2, 3]
    (insert,) = db.asked("INSERT INTO llm.all_evidence")
    assert insert.role == OWNER
    assert db.role == SUPERUSER
    graph, source, rows, entities, relations, extracted, columns, starts, *_ = insert.values
    assert (graph, source, rows) == (5, 6, [100, 100, 100])
    # Ann is merged into Anna, so the relation of Anna counts, and that of Ann was extracted.
    assert (entities[:2], extracted[:2], relations[:2]) == ([2, 3], [1, 3], [None, None])
    assert relations[2] != extracted[2]
    assert (entities[2], columns[2], starts[2]) == (None, "text", 1)
    (update,) = db.asked("UPDATE llm.all_graph_row")
    assert update.values == ([100], [99], 6)


def test_a_new_relation_has_sole_evidence_and_a_known_one_loses_it(db: FakeConnection) -> None:
    facts = RowFacts("k", 1, FACTS.entities, [RelationMention(0, "heads", 1, confidence=0.7)])
    store.replace_facts(db, 5, 6, {"k": 100}, [facts])
    (insert,) = db.asked("INSERT INTO llm.all_relation")
    subjects, _, _, sources, confidences = insert.values[1:]
    given = {
        subject: (source, confidence)
        for subject, source, confidence in zip(subjects, sources, confidences, strict=True)
    }
    # The relation of the representative is stated, that of the merged name only extracted.
    assert given == {2: (6, 0.7), 1: (None, None)}
    assert not db.asked("SET sole_source = NULL")
    known = RowFacts(
        "k", 1, [EntityMention("person", "Anna"), EntityMention("company", "Acme")], [RelationMention(0, "knows", 1)]
    )
    store.replace_facts(db, 5, 6, {"k": 100}, [known])
    (locked,) = db.asked("AND sole_source IS NOT NULL ORDER BY id FOR NO KEY UPDATE")
    assert locked.values == ([49],)


def test_entities_that_do_not_exist_are_created(db: FakeConnection) -> None:
    store.replace_facts(db, 5, 6, {"k": 100}, [RowFacts("k", 1, [EntityMention("city", "  ACME Town ")])])
    (insert,) = db.asked("INSERT INTO llm.all_entity")
    assert insert.values == (5, ["city"], ["  ACME Town "], ["acme town"])


def test_what_only_old_facts_supported_is_looked_at(db: FakeConnection) -> None:
    db.answer("DELETE FROM llm.all_evidence", [
        {"entity": 2, "relation": None, "extracted": 1},
        {"entity": 8, "relation": None, "extracted": 8},
        {"entity": None, "relation": 60, "extracted": 61},
    ])  # fmt: skip
    store.replace_facts(db, 5, 6, {'{"id": 1}': 100}, [FACTS])
    checked = [call.values[0] for call in db.asked("SELECT c.id FROM unnest($1)")]
    # Locked as entities first; then relations and entities are tested. 2 is mentioned anew.
    assert checked == [[1, 8], [60, 61], [1, 8]]


def test_facts_are_added_once(db: FakeConnection) -> None:
    db.answer("SELECT relation IS NOT NULL AS related", [{"related": False, "extracted": 3}])
    assert store.add_facts(db, 5, 6, 100, [FACTS, FACTS]) == 1
    (insert,) = db.asked("INSERT INTO llm.all_evidence")
    # The company was there already, and the second copy adds nothing.
    assert len(insert.values[2]) == 2


def test_rows_are_locked_in_order_and_deleted(db: FakeConnection) -> None:
    db.answer("ORDER BY key FOR UPDATE", [{"id": 9, "key": "a", "hash": 0}])
    assert store.lock_source_rows(db, 5, 6, ["b", "a"]) == {"a": 9}
    assert db.asked("INSERT INTO llm.all_graph_row")[0].values == (5, 6, ["a", "b"])
    store.delete_rows(db, 6, ["a"])
    assert db.asked("DELETE FROM llm.all_graph_row")[0].values == ([9], 6)
    db.answer("ORDER BY key FOR UPDATE")
    store.delete_rows(db, 6, ["a"])
    assert len(db.asked("DELETE FROM llm.all_graph_row")) == 1


def test_stored_rows_and_hashes_are_read(db: FakeConnection) -> None:
    db.answer("key = ANY($2::jsonb[])", [{"id": 9, "key": "a", "hash": 4}])
    assert store.stored_hashes(db, 6, ["a", "b"]) == {"a": 4}
    db.answer("AND id > $2 ORDER BY id LIMIT $3", [{"id": 9, "key": "a"}])
    assert store.stored_rows(db, 6, 3, 10) == [{"id": 9, "key": "a"}]
    db.answer("WHERE id = $1 FOR KEY SHARE", [{}])
    assert store.try_lock_source(db, 6)
    db.answer("WHERE id = $1 FOR KEY SHARE", [])
    assert not store.try_lock_source(db, 6)


def test_deleting_a_merged_entity_may_free_its_representative() -> None:
    db = FakeConnection()
    db.answer("FROM pg_catalog.pg_extension", [{"owner": OWNER}])
    db.answer("SELECT c.id FROM unnest($1)", lambda call: [{"id": number} for number in call.values[0]])
    db.answer("ORDER BY id FOR UPDATE", lambda call: [{"id": number} for number in call.values[0]])
    db.answer(
        "DELETE FROM llm.all_entity",
        lambda call: [{"other": {4: 2, 2: None}[number]} for number in call.values[0]],
    )
    assert garbage_collection.delete_unsupported(db, "entity", [4]) == 2
    assert [call.values for call in db.asked("DELETE FROM llm.all_entity")] == [([4],), ([2],)]
    assert garbage_collection.delete_unsupported(db, "entity", []) == 0


def test_a_merge_is_recorded_and_moves_evidence(db: FakeConnection) -> None:
    db.answer("INSERT INTO llm.all_merge")
    db.answer("SELECT id, merged_into FROM llm.all_entity WHERE merged_into = ANY", [{"id": 1, "merged_into": 2}])
    db.answer("coalesce(merged_into, id) AS standing FROM llm.all_entity WHERE id = ANY", lambda call: [
        {"id": number, "standing": 3 if number in (1, 2) else number} for number in call.values[0]
    ])  # fmt: skip
    db.answer("SELECT id FROM llm.all_relation WHERE subject = ANY($1) UNION", [{"id": 49}])
    db.answer("SELECT DISTINCT extracted, relation FROM llm.all_evidence", [{"extracted": 49, "relation": 49}])
    merging.merge(db, 5, [Merge(3, 2, 0.9, "same words")])
    assert db.asked("INSERT INTO llm.all_merge")[0].values == (5, [3], [2], [0.9], ["same words"])
    # What was merged into the entity before follows it.
    assert db.asked("SET merged_into = u.standing")[0].values == ([2, 1], [3, 3])
    assert db.asked("SET entity = u.standing")[0].values == ([1, 2], [3, 3])
    (moved,) = db.asked("SET relation = u.standing")
    assert moved.values[0] == [49]
    assert moved.values[1] != [49]
    assert db.asked("SET (sole_source, sole_confidence) = (SELECT")[0].values[0][0] == 49


def test_an_unmerge_is_remembered(db: FakeConnection) -> None:
    db.answer("WITH RECURSIVE below", [{"id": 2}, {"id": 1}])
    db.answer(
        "WHERE id = ANY($1) AND merged_into IS NOT NULL", [{"id": 2, "merged_into": 3}, {"id": 1, "merged_into": 3}]
    )
    db.answer("coalesce(merged_into, id) AS standing FROM llm.all_entity WHERE id = ANY", lambda call: [
        {"id": number, "standing": number} for number in call.values[0]
    ])  # fmt: skip
    db.answer("SELECT id FROM llm.all_relation WHERE subject = ANY($1) UNION")
    merging.unmerge(db, 5, 2)
    assert db.asked("SET state = 'undone'")[0].values == (2,)
    assert db.asked("SET merged_into = u.standing")[0].values == ([1], [2])
    assert db.asked("SET merged_into = NULL")[0].values == ([2],)
    # The former representative may be unsupported now.
    assert db.asked("SELECT c.id FROM unnest($1)")[-1].values == ([3, 2],)


def test_all_merges_of_a_graph_are_undone(db: FakeConnection) -> None:
    db.answer("WHERE graph = $1 AND merged_into IS NOT NULL ORDER BY id", [{"id": 1, "merged_into": 2}])
    db.answer("coalesce(merged_into, id) AS standing FROM llm.all_entity WHERE id = ANY", [{"id": 1, "standing": 1}])
    db.answer("SELECT id FROM llm.all_relation WHERE subject = ANY($1) UNION")
    assert merging.unmerge_all(db, 5) == 1
    assert db.asked("DELETE FROM llm.all_merge")[0].values == (5,)


def test_a_forbidden_merge_and_a_locked_graph(db: FakeConnection) -> None:
    db.answer("INSERT INTO llm.all_merge")
    db.answer("FOR UPDATE")
    merging.forbid_merge(db, 5, 1, 2, "by hand")
    assert db.asked("'undone'")[0].values == (5, 1, 2, "by hand")
    merging.lock_graph(db, 5)
    assert [call.values for call in db.asked("FOR UPDATE")] == [(5,), (5,)]
