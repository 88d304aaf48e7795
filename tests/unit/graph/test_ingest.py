"""Ingestion: rows are read once, changed rows again, missing rows never; triggers, imports and copies of sources."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from echo import EchoHost, registered
from fake_connection import Call, FakeConnection
from pg_llm.database import ownership, table_access
from pg_llm.database.catalog import Table
from pg_llm.database.column_types import ColumnType
from pg_llm.errors import DuplicateGraph, InvalidInput
from pg_llm.graph import extract, ingest, merging, source_copy, store, triggers, triple_import
from pg_llm.graph import source as graph_source
from pg_llm.graph.access import CommandAccess, TriggerAccess
from pg_llm.graph.row_reader import RowReader
from pg_llm.graph.source import ForeignKey, Source
from pg_llm.graph.store import EntityMention, RelationMention, RowFacts

_R = TypeVar("_R")
TEXT = ColumnType("text", True, False, True)
NOTE = Table(7, "public.note", "ann", "public", {"id": "integer"}, {"id": TEXT, "text": TEXT, "doctor": TEXT})
DOCTOR = ForeignKey("doctor", 3, "public.doctor", "ONLY public.doctor", "id", {"id": TEXT, "name": TEXT})
MAPPING = [
    {"subject": "text", "subject_type": "note", "predicate": "by", "object": "doctor.name", "object_type": "doctor"}
]
GRAPH: dict[str, Any] = {
    "id": 1,
    "name": "g",
    "entity_types": None,
    "relation_types": None,
    "embedding_model": "m",
    "usename": "ann",
    "own": True,
}


def source(kind: str = "columns", sync: str = "live") -> Source:
    row = {
        "id": 2,
        "graph": 1,
        "kind": kind,
        "sync": sync,
        "columns": ["text"],
        "mapping": json.dumps(MAPPING) if kind == "columns" else None,
        "model": "m",
        "childless": True,
        "graph_name": "g",
    }
    return Source(row, NOTE, [DOCTOR] if kind == "columns" else [])


class OpenAccess:
    """Runs everything, and counts what it ran."""

    def __init__(self) -> None:
        self.reads = self.model_runs = 0

    def read(self, source: Source, work: Callable[[], _R]) -> _R:
        self.reads += 1
        return work()

    def run_model(self, work: Callable[[], _R]) -> _R:
        self.model_runs += 1
        return work()


class Stored:
    """Stands for `graph.store`: rows by key, and the facts that were stored."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, hashes: dict[str, int]) -> None:
        self.hashes = hashes
        self.facts: list[RowFacts] = []
        self.deleted: list[str] = []
        self.exists = True
        monkeypatch.setattr(store, "stored_hashes", lambda db, source, keys: self.hashes)
        monkeypatch.setattr(store, "try_lock_source", lambda db, source: self.exists)
        monkeypatch.setattr(store, "lock_source_rows", lambda db, graph, source, keys: dict.fromkeys(keys, 1))
        monkeypatch.setattr(store, "replace_facts", self._replace)
        monkeypatch.setattr(store, "delete_rows", self._delete)
        monkeypatch.setattr(store, "stored_rows", self._rows)

    def _replace(self, db: Any, graph: int, source: int, ids: Any, facts: list[RowFacts]) -> list[int]:
        self.facts += facts
        self.hashes |= {each.key: each.hash for each in facts}
        return [11, 12]

    def _delete(self, db: Any, source: int, keys: list[str]) -> None:
        self.deleted += keys
        self.hashes = {key: value for key, value in self.hashes.items() if key not in keys}

    def _rows(self, db: Any, source: int, after: int, limit: int) -> list[dict[str, Any]]:
        rows = [{"id": number, "key": key} for number, key in enumerate(sorted(self.hashes), 1)]
        return [row for row in rows if row["id"] > after]


TABLE = {'{"id": 1}': {"text": "first", "doctor.name": "Who"}, '{"id": 2}': {"text": "second"}}


@pytest.fixture
def db(host: EchoHost) -> FakeConnection:
    """The table public.note with two rows, in one block."""
    db = FakeConnection()
    db.answer("FROM pg_catalog.pg_extension", [{"owner": 77}])
    db.answer("LEFT JOIN llm.model AS m", [registered("m")])
    db.answer("SELECT count(*) AS n FROM", [{"n": len(TABLE)}])
    db.answer("pg_relation_size", [{"blocks": 1}])
    db.answer("FROM llm.all_entity AS e WHERE e.id = ANY($1) AND NOT EXISTS", [{"graph": 1, "id": 11, "name": "first"}])
    db.answer("FROM pg_extension AS e JOIN pg_namespace", [{"schema": "public"}])
    db.answer("INSERT INTO llm.all_entity_embedding")
    db.answer("SELECT format('%I.%I', n.nspname, c.relname) AS relation FROM pg_class", [{"relation": "public.note"}])

    def rows(call: Call) -> list[dict[str, Any]]:
        wanted = [json.dumps(key) for key in json.loads(call.values[0])] if call.values else list(TABLE)
        return [{"key": key, "hash": 5, "content": json.dumps(TABLE[key])} for key in wanted if key in TABLE]

    db.answer("AS key", rows)
    return db


def ingestion(db: FakeConnection, kind: str = "columns") -> tuple[ingest.Ingestion, OpenAccess]:
    access = OpenAccess()
    return ingest.Ingestion(db, source(kind), GRAPH, access), access


def test_rows_that_changed_are_read_and_rows_that_are_gone_are_deleted(
    db: FakeConnection, monkeypatch: pytest.MonkeyPatch, host: EchoHost
) -> None:
    stored = Stored(monkeypatch, {'{"id": 1}': 5, '{"id": 9}': 5})
    reports: list[tuple[str, int, int]] = []
    reading, access = ingestion(db)
    reading.ingest_changes(lambda *report: reports.append(report), db.commit)
    assert stored.deleted == ['{"id": 9}']
    assert [facts.key for facts in stored.facts] == ['{"id": 2}']
    assert reports[-1] == ("reading", 2, 2)
    assert db.commits == 2
    # The name of an entity without a vector is embedded.
    assert host.requests[-1].inputs == ["first"]
    assert db.asked("INSERT INTO llm.all_entity_embedding")[0].values[:2] == ([1], [11])
    assert access.reads
    assert access.model_runs
    (scan,) = [call for call in db.asked("t.ctid >= '(0,0)'") if "LEFT JOIN" in call.query][:1]
    assert "FROM ONLY public.note AS t LEFT JOIN ONLY public.doctor AS j0" in scan.query


def test_rows_with_keys_are_read_or_deleted(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Stored(monkeypatch, {'{"id": 9}': 5})
    ingestion(db)[0].ingest_keys(['{"id": 1}', '{"id": 9}'])
    assert stored.deleted == ['{"id": 9}']
    (facts,) = stored.facts
    assert facts == RowFacts(
        '{"id": 1}',
        5,
        [EntityMention("note", "first", "text"), EntityMention("doctor", "Who", "doctor")],
        [RelationMention(0, "by", 1, "doctor")],
    )
    # A row as the graph has it is not read again.
    ingestion(db)[0].ingest_keys(['{"id": 1}'])
    assert len(stored.facts) == 1


def test_nothing_is_stored_for_a_source_that_is_gone(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Stored(monkeypatch, {})
    stored.exists = False
    ingestion(db)[0].ingest_keys(['{"id": 1}'])
    assert stored.facts == []


def test_a_row_that_changed_while_it_was_read_is_left_alone(
    db: FakeConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = Stored(monkeypatch, {})
    hashes = iter([5, 6])
    db.answer("AS key", lambda call: [{"key": '{"id": 1}', "hash": next(hashes), "content": json.dumps({"text": "x"})}])
    ingestion(db)[0].ingest_keys(['{"id": 1}'])
    assert stored.facts == []
    assert stored.deleted == []


def test_all_rows_of_a_source_are_deleted(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Stored(monkeypatch, {"a": 1, "b": 2})
    ingest.delete_all_rows(db, 2, db.commit)
    assert stored.deleted == ["a", "b"]
    assert db.commits == 1


def test_texts_are_read_by_a_model(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    db.answer("LEFT JOIN llm.model AS m", [registered("m", "entities")])
    extraction = extract.Extraction(
        [extract.Entity("Ann", "person", 0, 3, 1.2), extract.Entity("Acme", "company", 10, 14, 0.5)],
        [extract.Relation(0, "heads", 1, 0, 14, 0.4)],
    )
    monkeypatch.setattr(extract, "extract", lambda db, texts, schema, model: [extraction for _ in texts])
    reader = RowReader(db, source("text"), GRAPH)
    rows = [{"key": "k", "hash": 1, "content": '{"text": "Ann heads Acme", "title": "Ann heads Acme"}'}]
    (facts,) = reader.read(rows)
    assert [(each.name, each.column, each.start, each.end, each.confidence) for each in facts.entities[:2]] == [
        ("Ann", "text", 1, 4, 1.0),
        ("Acme", "text", 11, 15, 0.5),
    ]
    assert [(each.subject, each.object, each.column) for each in facts.relations] == [(0, 1, "text"), (2, 3, "title")]
    # Another model or another schema gives other facts.
    other = RowReader(db, source("text"), GRAPH | {"entity_types": ["person"]})
    assert other.fingerprint != reader.fingerprint
    db.answer("LEFT JOIN llm.model AS m", [registered("m", "entities", digest="other")])
    assert RowReader(db, source("text"), GRAPH).fingerprint != reader.fingerprint


def trigger(**more: Any) -> dict[str, Any]:
    return {
        "args": ["2"],
        "when": "AFTER",
        "level": "STATEMENT",
        "relid": "7",
        "name": "zz_graph_2_update",
        "event": "UPDATE",
    } | more


@pytest.fixture
def live(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """The live source 2; what its triggers ingest."""
    done: list[tuple[str, Any]] = []
    row = {**source().row, **GRAPH, "id": 2, "table_owner": 5, "graph_owner": 6, "own": True}
    db.answer("FROM llm.all_graph_source AS s JOIN llm.all_graph AS g", [row])
    monkeypatch.setattr(graph_source, "of_row", lambda db, row: source())
    monkeypatch.setattr(table_access, "check_reading", lambda db, oids, role: done.append(("checked", (oids, role))))
    monkeypatch.setattr(ingest.Ingestion, "ingest_keys", lambda self, keys: done.append(("keys", keys)))
    monkeypatch.setattr(ingest.Ingestion, "delete_missing", lambda self, commit: done.append(("missing", None)))
    db.answer("AS key FROM changed AS t", [{"key": "b"}, {"key": "a"}])
    db.answer("AS key FROM former AS t", [{"key": "c"}])
    db.answer("IN (SELECT c.id FROM changed AS c)", [{"key": "d"}])
    return done


def test_a_trigger_ingests_old_and_new_keys_as_the_tables_owner(
    db: FakeConnection, live: list[tuple[str, Any]]
) -> None:
    triggers.ingest_changed_rows(db, trigger())
    assert live == [("checked", ([7, 3], 5)), ("keys", ["a", "b", "c"])]
    assert {call.role for call in db.asked("AS key FROM")} == {5}
    assert db.asked("FROM llm.all_graph_source AS s")[0].values == (2, 7, "zz_graph_2_update", "UPDATE")


def test_a_change_of_a_referenced_row_ingests_the_rows_that_refer_to_it(
    db: FakeConnection, live: list[tuple[str, Any]]
) -> None:
    row = {**source().row, **GRAPH, "id": 2, "table_owner": 5, "graph_owner": 6, "own": False}
    db.answer("FROM llm.all_graph_source AS s JOIN llm.all_graph AS g", [row])
    triggers.ingest_changed_rows(db, trigger(relid="3", name="zz_graph_2_0_update"))
    assert live[-1] == ("keys", ["d"])


def test_a_truncated_table_has_no_rows(db: FakeConnection, live: list[tuple[str, Any]]) -> None:
    triggers.ingest_changed_rows(db, trigger(event="TRUNCATE"))
    assert live == [("missing", None)]


@pytest.mark.parametrize(
    "forged",
    [
        {"args": None},
        {"args": []},
        {"args": ["0"]},
        {"args": ["2; DROP"]},
        {"args": ["9999999999"]},
        {"when": "BEFORE"},
        {"level": "ROW"},
    ],
)
def test_a_trigger_of_somebody_else_does_nothing(
    db: FakeConnection, live: list[tuple[str, Any]], forged: dict[str, Any]
) -> None:
    triggers.ingest_changed_rows(db, trigger(**forged))
    assert live == []
    assert db.calls == []


def test_a_trigger_of_no_live_source_does_nothing(db: FakeConnection, live: list[tuple[str, Any]]) -> None:
    db.answer("FROM llm.all_graph_source AS s JOIN llm.all_graph AS g")
    triggers.ingest_changed_rows(db, trigger())
    assert live == []


def test_triggers_are_created_where_they_are_missing_and_dropped(db: FakeConnection) -> None:
    existing = [{"name": "zz_graph_2_insert", "relation": "public.note"}]
    db.answer("FROM pg_trigger AS g JOIN pg_class", existing)
    for statement in ("CREATE TRIGGER", "ALTER TRIGGER", "DROP TRIGGER"):
        db.answer(statement)
    triggers.create_triggers(db, source())
    created = [call.query.split(" REFERENCING")[0].split(" FOR EACH")[0] for call in db.asked("CREATE TRIGGER")]
    assert [statement.removeprefix("CREATE TRIGGER ") for statement in created] == [
        "zz_graph_2_update AFTER UPDATE ON public.note",
        "zz_graph_2_delete AFTER DELETE ON public.note",
        "zz_graph_2_truncate AFTER TRUNCATE ON public.note",
        "zz_graph_2_0_insert AFTER INSERT ON public.doctor",
        "zz_graph_2_0_update AFTER UPDATE ON public.doctor",
    ]
    assert len(db.asked("DEPENDS ON EXTENSION pg_llm")) == 5
    triggers.drop_triggers(db, 2)
    (drop,) = db.asked("DROP TRIGGER")
    assert (drop.query, drop.role) == ("DROP TRIGGER zz_graph_2_insert ON public.note", 77)


def test_rights_are_those_of_the_caller_or_of_the_owners(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def on_table(db: Any, oid: int, work: Callable[[], int], beside: Any) -> int:
        asked.append((oid, beside))
        return work()

    monkeypatch.setattr(table_access, "on_table", on_table)
    monkeypatch.setattr(table_access, "check_reading", lambda db, oids, role: asked.append((oids, role)))
    command = CommandAccess(db)
    assert command.read(source(), db.current_role) == command.run_model(db.current_role) == 10
    assert asked == [(7, [3])]
    access = TriggerAccess(db, 5, 6)
    assert [access.read(source(), db.current_role) for _ in range(2)] == [5, 5]
    assert access.run_model(db.current_role) == 6
    # Once is enough.
    assert asked[1:] == [([7, 3], 5)]
    db.answer("SELECT relowner::int8 AS oid", [{"oid": 4}])
    triggers.check_readable(db, source())
    assert asked[-1] == ([7, 3], 4)


@pytest.fixture
def imports(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> list[RowFacts]:
    """A query with three columns; the facts that were imported."""
    added: list[RowFacts] = []
    Stored(monkeypatch, {})

    def add(db: Any, graph: int, source: int, row: int, facts: list[RowFacts]) -> int:
        added.extend(facts)
        return sum(len(each.relations) for each in facts)

    monkeypatch.setattr(store, "add_facts", add)
    db.describe_as("SELECT", [("subject", 25), ("predicate", 25), ("object", 25), ("confidence", 701)])
    db.answer(
        "WITH RECURSIVE made_of",
        lambda call: [{"name": "text", "builtin": True, "composite": False, "jsonable": True} for _ in call.values[0]],
    )
    return added


def test_triples_of_a_query_are_imported(db: FakeConnection, imports: list[RowFacts]) -> None:
    rows = [
        {"subject": "Ann", "predicate": "knows", "object": " Bob  Ray ", "confidence": 0.5},
        {"subject": "Ann", "predicate": "knows", "object": "Ann", "confidence": None},
        {"subject": "Ann", "predicate": None, "object": "Bob", "confidence": 1.0},
    ]
    db.answer("FROM (SELECT 1 ) AS q", rows)
    assert triple_import.import_triples(db, GRAPH, 3, "SELECT 1") == 2
    first, second, third = imports
    assert [mention.name for mention in first.entities] == ["Ann", "Bob Ray"]
    assert first.relations[0].confidence == 0.5
    # A relation of an entity with itself has one entity.
    assert (len(second.entities), second.relations[0].object, second.relations[0].confidence) == (1, 0, 1.0)
    assert third.entities == third.relations == ()
    assert "q.confidence::pg_catalog.float4 AS confidence" in db.asked("AS q")[0].query
    assert db.settings["search_path"] == "public"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"confidence": 1.5}, "confidence must lie between 0 and 1, not 1.5"),
        ({"predicate": "hates"}, 'has no relation type "hates"'),
        ({"subject_type": "city"}, 'has no entity type "city"'),
    ],
)
def test_triples_that_the_graph_does_not_allow_are_refused(
    db: FakeConnection, imports: list[RowFacts], row: dict[str, Any], message: str
) -> None:
    db.answer("AS q", [{"subject": "a", "predicate": "knows", "object": "b"} | row])
    graph = GRAPH | {"entity_types": ["entity"], "relation_types": '["knows"]'}
    with pytest.raises(InvalidInput, match=message):
        triple_import.import_triples(db, graph, 3, "SELECT 1")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["subject", "predicate"], 'the query has no column "object"'),
        (["subject", "predicate", "object", "weight"], 'has a column "weight" that means nothing here'),
    ],
)
def test_queries_with_other_columns_are_refused(
    db: FakeConnection, imports: list[RowFacts], names: list[str], message: str
) -> None:
    db.describe_as("SELECT", [(name, 25) for name in names])
    with pytest.raises(InvalidInput, match=message):
        triple_import.import_triples(db, GRAPH, 3, "SELECT 1")


def test_sources_of_another_graph_are_copied(
    db: FakeConnection, imports: list[RowFacts], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Any] = []
    monkeypatch.setattr(ownership, "check_owner", lambda db, table: done.append(("owner", table.oid)))
    monkeypatch.setattr(graph_source, "of_graph", lambda db, graph: [source()])
    monkeypatch.setattr(graph_source, "import_tables", lambda db, graph: [])
    monkeypatch.setattr(triggers, "check_readable", lambda db, source: done.append("checked"))
    monkeypatch.setattr(triggers, "create_triggers", lambda db, source: done.append("triggers"))
    monkeypatch.setattr(ingest.Ingestion, "ingest_changes", lambda self, report, commit: done.append("ingested"))
    monkeypatch.setattr(merging, "representatives", lambda db, numbers: {number: number for number in numbers})
    monkeypatch.setattr(merging, "lock_graph", lambda db, graph: done.append(("locked", graph)))
    monkeypatch.setattr(merging, "forbid_merge", lambda db, *given: done.append(("forbidden", *given)))
    monkeypatch.setattr(merging, "merge", lambda db, graph, merges: done.append(("merged", merges)))
    row = {"kind": "columns", "columns": ["text"], "joined": [3], "mapping": "[]", "model": None, "sync": "live"}
    imported = row | {"kind": "import", "id": 8, "target": None, "sync": "manual"}
    db.answer("FROM llm.own_graph_source WHERE graph = $1 ORDER BY id", [row | {"id": 9, "target": 7}, imported])
    made: list[Call] = []

    def created(call: Call) -> list[dict[str, Any]]:
        return [row] if made and made[-1].values[2] == call.values[1] else []

    db.answer(
        "FROM llm.own_graph_source WHERE graph = $1 AND kind = $2",
        created,
    )
    db.answer("SELECT id FROM llm.own_graph_source WHERE graph = $1 AND kind = $2", [{"id": 2}])
    db.answer("SELECT id FROM llm.own_graph_source WHERE graph = $1 AND kind = 'import'", [{"id": 4}])
    db.answer("INSERT INTO llm.all_graph_source", lambda call: made.append(call) or [])
    db.answer("FROM llm.own_graph_row", [{"id": 30, "key": '"import"'}])
    fact = {"confidence": 0.5, "type": "t", "name": "a", "predicate": "p", "object_type": "t", "object": "b"}
    alone = {"confidence": 1.0, "type": "t", "name": "c", "predicate": None, "object_type": None, "object": None}
    db.answer("SELECT DISTINCT v.confidence", [alone, fact])
    db.answer("FROM llm.own_merge AS m", [
        {"kept": 1, "merged": 2, "state": "undone", "reason": "r"},
        {"kept": 1, "merged": 3, "state": "merged", "reason": "r"},
        {"kept": 1, "merged": 1, "state": "merged", "reason": "r"},
    ])  # fmt: skip
    source_copy.copy_sources(db, GRAPH, GRAPH | {"id": 11}, lambda *report: None)
    assert done == [
        ("owner", 7),
        "checked",
        "triggers",
        "ingested",
        ("locked", 1),
        ("forbidden", 1, 1, 2, "r"),
        ("merged", [merging.Merge(1, 3, None, "r")]),
    ]
    assert [call.values[2] for call in made] == ["columns", "import"]
    assert [len(facts.entities) for facts in imports] == [1, 2]


def test_a_source_that_is_there_in_another_form_is_not_copied(
    db: FakeConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_source, "of_graph", lambda db, graph: [])
    monkeypatch.setattr(graph_source, "import_tables", lambda db, graph: [])
    row = {
        "id": 9,
        "target": 7,
        "kind": "text",
        "columns": ["a"],
        "joined": [],
        "mapping": None,
        "model": "m",
        "sync": "live",
    }
    db.answer("FROM llm.own_graph_source WHERE graph = $1 ORDER BY id", [row])
    db.answer("FROM llm.own_graph_source WHERE graph = $1 AND kind = $2", [row | {"columns": ["b"]}])
    with pytest.raises(DuplicateGraph, match="reads one of the tables already"):
        source_copy.copy_sources(db, GRAPH, GRAPH | {"id": 11}, lambda *report: None)
