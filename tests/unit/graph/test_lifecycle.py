"""The life of a graph: who may change it, what its sources are, what refreshing and removing do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import Call, FakeConnection
from pg_llm.database import catalog
from pg_llm.database.catalog import Table
from pg_llm.database.column_types import ColumnType
from pg_llm.errors import DuplicateGraph, InsufficientPrivilege, InvalidInput, UndefinedGraph
from pg_llm.graph import garbage_collection, ingest, lifecycle, registry, store, triggers, triple_import
from pg_llm.graph import source as graph_source

TEXT = ColumnType("text", True, False, True)
NOTE = Table(7, "public.note", "ann", "public", {"id": "integer"}, {"id": TEXT, "text": TEXT})
GRAPH: dict[str, Any] = {
    "id": 1,
    "name": "g",
    "entity_types": None,
    "relation_types": None,
    "embedding_model": "m",
    "usename": "ann",
    "own": True,
}


@pytest.fixture
def db(host: EchoHost, monkeypatch: pytest.MonkeyPatch) -> FakeConnection:
    """One graph, which the caller owns, and the table public.note."""
    db = FakeConnection()
    db.answer("FROM pg_catalog.pg_extension", [{"owner": 77}])
    db.answer(
        "LEFT JOIN llm.model AS m",
        lambda call: [registered("m", "entities" if "entities" in call.values[1] else "embedding")],
    )
    db.answer("SELECT CURRENT_USER::text AS name", [{"name": "ann"}])
    db.answer("FROM llm.graph AS g", [GRAPH])
    db.answer("SELECT $1::pg_catalog.oid::pg_catalog.int8 AS oid", [{"oid": 7}])
    db.answer("SELECT pg_has_role($1, 'USAGE') AS may", [{"may": True}])
    db.answer("pg_backend_pid() AS pid", [{"pid": 1, "datname": "d", "usename": "ann", "started_at": "now"}])
    monkeypatch.setattr(catalog, "table", lambda db, target: NOTE)
    return db


@pytest.fixture
def done(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is done with sources: ingestion, triggers, deletion."""
    done: list[Any] = []

    def note(name: str) -> Callable[..., None]:
        return lambda *given: done.append((name, *(each for each in given[1:] if isinstance(each, int | str | list))))

    def ingest_changes(self: Any, report: Any, commit: Any) -> None:
        done.append(("ingested", self._source.row["kind"]))

    monkeypatch.setattr(triggers, "check_readable", note("checked"))
    monkeypatch.setattr(triggers, "create_triggers", note("created"))
    monkeypatch.setattr(triggers, "drop_triggers", note("dropped"))
    monkeypatch.setattr(ingest.Ingestion, "ingest_changes", ingest_changes)
    monkeypatch.setattr(ingest.Ingestion, "ingest_keys", lambda self, keys: done.append(("keys", keys)))
    monkeypatch.setattr(ingest, "delete_all_rows", note("deleted"))
    monkeypatch.setattr(registry, "delete_source", note("removed"))
    monkeypatch.setattr(garbage_collection, "delete_unsupported", note("swept"))
    return done


def sources(db: FakeConnection, monkeypatch: pytest.MonkeyPatch, *existing: dict[str, Any]) -> list[Call]:
    """The sources of the graph: those that exist, and those that are created."""
    made: list[Call] = []
    names = ("graph", "target", "kind", "columns", "joined", "mapping", "model", "sync")

    def of_graph(db: Any, graph: int) -> list[graph_source.Source]:
        rows = [*existing, *(dict(zip(names, call.values, strict=True)) for call in made)]
        return [graph_source.Source({**row, "id": 2}, NOTE) for row in rows]

    monkeypatch.setattr(graph_source, "of_graph", of_graph)
    db.answer("FROM llm.own_graph_source WHERE graph = $1 AND kind = $2 AND target", list(existing))
    db.answer("INSERT INTO llm.all_graph_source", lambda call: made.append(call) or [])  # type: ignore[func-returns-value]
    return made


def test_a_graph_is_created_once(db: FakeConnection) -> None:
    db.answer("INSERT INTO llm.all_graph (", [{"id": 1}])
    lifecycle.create(db, "g", ["person"], '["knows"]')
    (insert,) = db.asked("INSERT INTO llm.all_graph (")
    assert insert.values == ("g", ["person"], '["knows"]', "m", "ann")
    assert insert.role == 77
    db.answer("INSERT INTO llm.all_graph (")
    with pytest.raises(DuplicateGraph, match='there is already a graph "g"'):
        lifecycle.create(db, "g", None, None)


def test_a_graph_is_found_by_name_or_as_the_only_one(db: FakeConnection) -> None:
    assert registry.find(db, None)["id"] == 1
    assert registry.by_id(db, 1)["name"] == "g"
    db.answer("FROM llm.graph AS g", [GRAPH, GRAPH | {"name": "h"}])
    with pytest.raises(InvalidInput, match="there are several graphs") as several:
        registry.find(db, None)
    assert "Write graph => 'g'" in (several.value.hint or "")
    db.answer("FROM llm.graph AS g")
    for name, message in ((None, "there is no graph yet"), ("x", 'there is no graph "x"')):
        with pytest.raises(UndefinedGraph, match=message):
            registry.find(db, name)
    with pytest.raises(InvalidInput, match="graph must not be NULL"):
        registry.find_owned(db, None)


@pytest.mark.parametrize(
    ("owner", "message"), [("bob", 'must be owner of graph "g"'), (None, "was renamed or dropped")]
)
def test_only_its_owner_changes_a_graph(db: FakeConnection, owner: str | None, message: str) -> None:
    db.answer("FROM llm.graph AS g", [GRAPH | {"own": False, "usename": owner}])
    for change in (
        lambda: lifecycle.add_text(db, "g", "note", ["text"], None, "live"),
        lambda: lifecycle.add_columns(db, "g", "note", [{"subject": "text"}], "live"),
        lambda: lifecycle.import_query(db, "g", "SELECT", None),
        lambda: lifecycle.refresh(db, "g", None),
        lambda: lifecycle.remove_source(db, "g", None),
        lambda: lifecycle.drop(db, "g"),
    ):
        with pytest.raises(InsufficientPrivilege, match=message):
            change()


def test_a_text_source_is_made_and_ingested(
    db: FakeConnection, done: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sources(db, monkeypatch)
    lifecycle.add_text(db, "g", "note", ["text", "text"], None, "live")
    assert [call.values for call in made] == [(1, 7, "text", ["text"], [], None, "m", "live")]
    assert [name for name, *_ in done] == ["checked", "created", "ingested"]
    assert db.settings["search_path"] == "public"


def test_a_manual_source_of_columns_has_no_triggers(
    db: FakeConnection, done: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sources(db, monkeypatch)
    lifecycle.add_columns(db, "g", "note", [{"subject": "text"}], "manual")
    assert made[0].values[:5] == (1, 7, "columns", ["text"], [])
    assert made[0].values[5] == '[{"subject_type": "note", "subject": "text"}]'
    assert done == [("ingested", "columns")]


def test_the_same_source_is_not_made_twice(
    db: FakeConnection, done: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"kind": "text", "columns": ["text"], "joined": [], "mapping": None, "model": "m", "sync": "manual"}
    made = sources(db, monkeypatch, row)
    lifecycle.add_text(db, "g", "note", ["text"], "m", "manual")
    assert not made
    assert done == [("ingested", "text")]
    with pytest.raises(DuplicateGraph, match="reads public.note already, and in another way"):
        lifecycle.add_text(db, "g", "note", ["id"], "m", "manual")


def test_a_refresh_ingests_sweeps_and_embeds(
    db: FakeConnection, done: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources(db, monkeypatch, {"kind": "text", "sync": "manual"})
    ids = {"relation": [21], "entity": [11, 12]}
    for kind, numbers in ids.items():
        db.answer(
            f"SELECT id FROM llm.own_{kind} AS c",
            lambda call, numbers=numbers: [{"id": number} for number in numbers if number > call.values[1]],
        )
    db.answer("FROM llm.all_entity AS e WHERE e.id = ANY($1)", [{"graph": 1, "id": 11, "name": "Ann"}])
    db.answer("FROM pg_extension AS e JOIN pg_namespace", [{"schema": "public"}])
    db.answer("INSERT INTO llm.all_entity_embedding")
    lifecycle.refresh(db, "g", "note")
    assert done == [("ingested", "text"), ("swept", "relation", [21]), ("swept", "entity", [11, 12])]
    assert db.asked("INSERT INTO llm.all_entity_embedding")
    assert "NOT EXISTS (SELECT FROM llm.own_entity_embedding" in db.asked("SELECT id FROM llm.own_entity")[-1].query
    monkeypatch.setattr(graph_source, "of_graph", lambda db, graph: [])
    with pytest.raises(UndefinedGraph, match="is not made from that table"):
        lifecycle.refresh(db, "g", "note")


def test_a_source_is_removed_with_its_triggers_and_rows(db: FakeConnection, done: list[Any]) -> None:
    db.answer("target IS NOT DISTINCT FROM $2", [{"id": 2}])
    lifecycle.remove_source(db, "g", "note")
    assert [name for name, *_ in done] == ["dropped", "deleted", "removed"]
    db.answer("target IS NOT DISTINCT FROM $2")
    with pytest.raises(UndefinedGraph, match="is not made from that"):
        lifecycle.remove_source(db, "g", None)


def test_a_graph_is_dropped_with_all_it_holds(db: FakeConnection, done: list[Any]) -> None:
    db.answer("SELECT id FROM llm.own_graph_source WHERE graph = $1", [{"id": 2}, {"id": 3}])
    db.answer("DELETE FROM llm.all_")
    db.answer("UPDATE llm.all_entity SET merged_into = NULL")
    lifecycle.drop(db, "g")
    assert done == [("dropped", 2), ("dropped", 3)]
    tables = [call.query.split()[2] for call in db.asked("DELETE FROM")]
    assert tables == [
        f"llm.all_{name}" for name in ("evidence", "relation", "entity", "graph_row", "graph_source", "graph")
    ]
    assert {call.role for call in db.asked("DELETE FROM")} == {77}


def test_an_import_is_kept_for_the_readers_of_a_table(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[Any] = []

    def import_triples(db: Any, graph: Any, source: int, query: str) -> int:
        imported.append((source, query))
        return 4

    monkeypatch.setattr(triple_import, "import_triples", import_triples)
    made: list[Call] = []
    db.answer("kind = 'import' AND target IS NOT DISTINCT FROM", lambda call: [{"id": 8}] if made else [])
    db.answer("INSERT INTO llm.all_graph_source", lambda call: made.append(call) or [])  # type: ignore[func-returns-value]
    assert lifecycle.import_query(db, "g", "SELECT 1", "note") == 4
    assert lifecycle.import_query(db, "g", "SELECT 2", "note") == 4
    assert imported == [(8, "SELECT 1"), (8, "SELECT 2")]
    assert [call.values for call in made] == [(1, 7, "import", [], [], None, None, "manual")]
    db.answer("SELECT pg_has_role($1, 'USAGE') AS may", [{"may": False}])
    with pytest.raises(InsufficientPrivilege, match="must be owner of table public.note"):
        lifecycle.import_query(db, "g", "SELECT 1", "note")


def test_rows_of_an_own_source_are_synchronized(
    db: FakeConnection, done: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    db.answer("SELECT graph FROM llm.own_graph_source WHERE id = $1 AND kind <> 'import'", [{"graph": 1}])
    db.answer("FROM jsonb_array_elements(", [{"key": '{"id": 1}', "well": True}, {"key": '{"id": 1}', "well": True}])
    monkeypatch.setattr(store, "try_lock_source", lambda db, source: True)
    monkeypatch.setattr(graph_source, "by_id", lambda db, source: graph_source.Source({"id": 2, "kind": "text"}, NOTE))
    lifecycle.sync_rows(db, 2, '[{"id": 1}, {"id": 1}]')
    assert done == [("keys", ['{"id": 1}'])]
    lifecycle.sync_rows(db, 2, None)
    assert done[-1] == ("deleted", 2)
    db.answer("FROM jsonb_array_elements(", [{"key": "1", "well": False}])
    with pytest.raises(InvalidInput, match="keys must be a JSON list of objects"):
        lifecycle.sync_rows(db, 2, "[1]")
    count = len(done)
    db.answer("SELECT graph FROM llm.own_graph_source WHERE id = $1 AND kind <> 'import'")
    lifecycle.sync_rows(db, 2, None)
    assert len(done) == count
