"""Semantic indexes: definition, triggers, backfill and removal, on a scripted connection."""

from __future__ import annotations

import json
from typing import Any

import pytest
from echo import EchoHost, registered, vector
from fake_catalog import FakeCatalog, FakeTable
from fake_connection import Call, FakeConnection
from pg_llm.database.connection import DatabaseError, Row
from pg_llm.errors import DuplicateIndex, EndpointFailed, InsufficientPrivilege, InvalidInput, UndefinedIndex
from pg_llm.functions import semantic_index as faces
from pg_llm.search import backfill, index, semantic_column

DEFINITION = {
    "name": "embedding",
    "columns": ["title", "body"],
    "model": "echo",
    "method": "hnsw",
    "metric": "cosine",
    "sync": "live",
    "text_config": "pg_catalog.english",
}
COLUMNS = {"id": "integer", "title": "text", "body": "text"}
INDEXED = COLUMNS | {"embedding": "public.vector", "embedding_text": "tsvector"}
LEAF = {"oid": 20000, "leaf": True, "foreign_owned": False, "from_item": "ONLY public.paper"}


class Papers:
    """A table of two rows, of which each is filled once."""

    def __init__(self, db: FakeConnection, columns: dict[str, str]) -> None:
        self.db = db
        self.table: FakeTable = FakeCatalog(db).add("public.paper", columns)
        self.filled: list[str] = []
        self.rows = ["(0,1)", "(0,2)"]
        for part in ("LOCK TABLE", "ALTER TABLE", "COMMENT ON", "CREATE TRIGGER", "ALTER TRIGGER", "DROP TRIGGER"):
            db.answer(part, [])
        for part in ("CREATE INDEX", "ANALYZE"):
            db.answer(part, [])
        db.answer("text_config FROM llm.embedding_column", [])
        db.answer("LEFT JOIN llm.model AS m", [registered()])
        db.answer("get_current_ts_config()", [{"config": "pg_catalog.english"}])
        db.answer("AS relation FROM pg_class AS c JOIN pg_namespace", [{"relation": "public.paper"}])
        db.answer("JOIN pg_trigger AS g ON g.tgrelid = c.oid AND g.tgname = $1", [])
        db.answer("foreign_owned", [LEAF])
        db.answer("pg_relation_size", [{"blocks": 300}])
        db.answer("SELECT t.ctid::text AS ctid FROM", self._lacking)
        db.answer("AS fingerprint", self._documents)
        db.answer(
            "SELECT count(*) AS n FROM", lambda call: [{"n": len(self.filled) if "NOT NULL" in call.query else 2}]
        )
        db.answer("RETURNING true AS written", self._write)
        db.answer("i.indkey[0]", [])
        db.answer("SELECT g.tgname::text AS trigger", [{"trigger": "zz_embedding_insert", "relation": "public.paper"}])

    def _lacking(self, call: Call) -> list[Row]:
        return [{"ctid": row} for row in self.rows if row not in self.filled] if "'(0,0)'" in call.query else []

    def _documents(self, call: Call) -> list[Row]:
        return [{"ctid": ctid, "fingerprint": 1, "document": f"text {ctid}"} for ctid in call.values[0]]

    def _write(self, call: Call) -> list[Row]:
        self.filled += call.values[0]
        return [{"written": True} for _ in call.values[0]]


@pytest.fixture
def papers(db: FakeConnection, host: EchoHost) -> Papers:
    return Papers(db, COLUMNS)


@pytest.fixture
def indexed(db: FakeConnection, host: EchoHost) -> Papers:
    papers = Papers(db, INDEXED)
    db.answer("text_config FROM llm.embedding_column", [DEFINITION])
    return papers


def create(db: FakeConnection, **changed: Any) -> None:
    given = {"columns": ["title", "body"], "model": None, "name": "embedding", "method": "hnsw", "metric": "cosine"}
    index.create(db, "paper", **({"sync": "live"} | given | changed))


def test_an_index_is_defined_filled_and_built(papers: Papers, host: EchoHost) -> None:
    db = papers.db
    create(db)
    (columns,) = db.asked("ADD COLUMN")
    assert "ADD COLUMN embedding public.vector(16)" in columns.query
    assert "ADD COLUMN embedding_text tsvector" in columns.query
    row_trigger, *statement_triggers = db.asked("CREATE TRIGGER")
    assert "zz_embedding_forget BEFORE UPDATE ON public.paper FOR EACH ROW WHEN (" in row_trigger.query
    assert "OLD.title" in row_trigger.query
    definition = row_trigger.query.partition("semantic_forget('")[2].removesuffix("')")
    assert json.loads(definition) == DEFINITION
    assert ["AFTER INSERT" in each.query or "AFTER UPDATE" in each.query for each in statement_triggers] == [True, True]
    # DROP EXTENSION takes every trigger along.
    assert len(db.asked("DEPENDS ON EXTENSION pg_llm")) == 3
    assert papers.filled == ["(0,1)", "(0,2)"]
    (written,) = db.asked("RETURNING true")
    assert json.loads(written.values[2][0]) == vector("text (0,1)")
    assert host.requests[-1].options == {"role": "document"}
    gin, hnsw = db.asked("CREATE INDEX")
    assert "USING gin (embedding_text)" in gin.query
    assert "USING hnsw (embedding public.vector_cosine_ops)" in hnsw.query
    assert db.asked("ANALYZE public.paper")
    assert db.commits >= 3
    assert db.settings["search_path"] == "public"


def test_rows_are_written_only_if_their_text_is_unchanged(papers: Papers) -> None:
    create(papers.db)
    query = papers.db.asked("RETURNING true")[0].query
    assert "embedding IS NULL AND hashtextextended(" in query
    assert "= v.fingerprint" in query


@pytest.mark.parametrize(("rows", "lists"), [(100, 1), (50_000, 50), (4_000_000, 2000)])
def test_lists_of_ivfflat(papers: Papers, rows: int, lists: int) -> None:
    papers.db.answer("IS NOT NULL", [{"n": rows}])
    create(papers.db, method="ivfflat", metric="l2")
    assert (
        f"USING ivfflat (embedding public.vector_l2_ops) WITH (lists = {lists})"
        in papers.db.asked("USING ivfflat")[0].query
    )


def test_an_exact_index_has_no_vector_index(papers: Papers) -> None:
    papers.db.answer("LEFT JOIN llm.model AS m", [registered(dimensions=3000)])
    with pytest.raises(InvalidInput, match="gives 3000 dimensions; pgvector indexes 2000"):
        create(papers.db)
    assert not papers.db.asked("ALTER TABLE")
    create(papers.db, method="none", sync="manual")
    assert [call.query.partition("USING ")[2] for call in papers.db.asked("CREATE INDEX")] == ["gin (embedding_text)"]
    assert len(papers.db.asked("CREATE TRIGGER")) == 1


def test_the_same_index_again_goes_on(indexed: Papers) -> None:
    create(indexed.db)
    assert not indexed.db.asked("ADD COLUMN")
    assert indexed.filled == ["(0,1)", "(0,2)"]


def test_something_in_the_way(indexed: Papers) -> None:
    with pytest.raises(DuplicateIndex, match='already has a semantic index "embedding" that differs') as raised:
        create(indexed.db, metric="l2")
    assert raised.value.detail == "On title, body: echo; hnsw, cosine, live"
    with pytest.raises(DuplicateIndex, match='already has a column "title"'):
        create(indexed.db, name="title")


def test_a_new_index_that_cannot_be_filled_is_removed(papers: Papers, host: EchoHost) -> None:
    host.failure = EndpointFailed("no answer")
    with pytest.raises(EndpointFailed):
        create(papers.db)
    assert "DROP COLUMN IF EXISTS embedding" in papers.db.asked("DROP COLUMN")[0].query
    assert papers.db.asked("DROP TRIGGER zz_embedding_forget")
    assert papers.db.asked("DROP TRIGGER zz_embedding_insert")


def test_an_interrupted_index_is_kept(papers: Papers) -> None:
    papers.db.fail("RETURNING true", DatabaseError("canceled", "57014"))
    with pytest.raises(DatabaseError):
        create(papers.db)
    assert not papers.db.asked("DROP COLUMN")


def test_an_index_that_was_filled_in_part_is_kept(papers: Papers) -> None:
    def fail_later(call: Call) -> list[Row]:
        papers.filled.append("(0,1)")
        raise DatabaseError("disk full", "53100")

    papers.db.answer("RETURNING true", fail_later)
    with pytest.raises(DatabaseError):
        create(papers.db)
    assert not papers.db.asked("DROP COLUMN")


def test_inside_a_transaction_nothing_is_committed(papers: Papers) -> None:
    papers.db.may_commit = False
    create(papers.db)
    assert papers.db.commits == 0
    assert papers.filled


def test_only_the_owner_may(papers: Papers) -> None:
    papers.db.answer("AS may", [{"may": False}])
    with pytest.raises(InsufficientPrivilege, match=r"must be owner of table public\.paper"):
        create(papers.db)


def test_columns_must_be_there(papers: Papers) -> None:
    for columns in ([], None, ["title", None]):
        with pytest.raises(InvalidInput, match="at least one column, and no NULL"):
            create(papers.db, columns=columns)
    with pytest.raises(InvalidInput, match='has no column "year"'):
        create(papers.db, columns=["year"])


def test_a_refresh_fills_what_lacks(indexed: Papers) -> None:
    indexed.rows = ["(0,9)"]
    index.refresh(indexed.db, "paper", None)
    assert indexed.filled == ["(0,9)"]
    # A partition that is new has no triggers yet.
    assert len(indexed.db.asked("CREATE TRIGGER")) == 2
    indexed.db.answer("g.tgname = $1", [{"relation": "public.paper"}])
    index.refresh(indexed.db, "paper", "embedding")
    assert len(indexed.db.asked("CREATE TRIGGER")) == 2


def test_an_index_is_dropped(indexed: Papers) -> None:
    index.drop(indexed.db, "paper", "embedding")
    assert "DROP COLUMN IF EXISTS embedding_text" in indexed.db.asked("DROP COLUMN")[0].query
    with pytest.raises(UndefinedIndex, match='no semantic index "other"'):
        index.drop(indexed.db, "paper", "other")


def test_an_incomplete_index_can_be_dropped_only(db: FakeConnection, host: EchoHost) -> None:
    papers = Papers(db, {name: type_ for name, type_ in INDEXED.items() if name != "body"})
    db.answer("text_config FROM llm.embedding_column", [DEFINITION])
    with pytest.raises(UndefinedIndex, match='has lost its column "body"'):
        index.refresh(db, "paper", None)
    index.drop(papers.db, "paper", None)
    assert db.asked("DROP COLUMN")


def test_an_index_is_named_where_there_are_several(indexed: Papers) -> None:
    indexed.db.answer("text_config FROM llm.embedding_column", [DEFINITION, DEFINITION | {"name": "second"}])
    with pytest.raises(UndefinedIndex, match="several semantic indexes") as raised:
        semantic_column.find(indexed.db, "paper", None)
    assert raised.value.hint == "Say which: name => embedding, second."
    indexed.db.answer("text_config FROM llm.embedding_column", [])
    with pytest.raises(UndefinedIndex, match="has no semantic index"):
        semantic_column.find(indexed.db, "paper", None)


def fired(arguments: list[str], **more: str) -> dict[str, Any]:
    """What PL/Python tells of a statement trigger."""
    about = {"relid": "20000", "name": "zz_embedding_insert", "when": "AFTER", "level": "STATEMENT"}
    return {**about, "args": arguments, **more}


def test_changed_rows_are_embedded(indexed: Papers) -> None:
    db = indexed.db
    db.answer("g.tgnewtable = 'changed'", [{}])
    db.answer("SELECT FROM changed AS t", [{}])
    db.answer("jsonb_agg", [{"keys": '[{"id": 1}]'}])
    db.answer("array_agg(t.ctid::text) AS ctids", [{"leaf": 20000, "ctids": ["(0,1)"]}])
    index.embed_changed(db, fired(["embedding"]))
    assert indexed.filled == ["(0,1)"]
    assert db.asked("array_agg(t.ctid::text)")[0].values == ('[{"id": 1}]',)
    index.embed_changed(db, fired(["other"]))
    index.embed_changed(db, fired([]))
    db.answer("jsonb_agg", [{"keys": None}])
    index.embed_changed(db, fired(["embedding"]))
    db.answer("SELECT FROM changed AS t", [])
    index.embed_changed(db, fired(["embedding"]))
    assert len(indexed.filled) == 1


def test_a_trigger_made_by_hand_is_ignored(indexed: Papers) -> None:
    """Without a transition table, `changed` is whatever the writer calls so."""
    db = indexed.db
    db.answer("g.tgnewtable = 'changed'", [])
    for trigger in (fired(["embedding"]), fired(["embedding"], when="BEFORE"), fired(["embedding"], level="ROW")):
        index.embed_changed(db, trigger)
    assert db.asked("FROM changed") == []


def test_a_partition_of_another_owner_is_read_for_itself(indexed: Papers) -> None:
    db = indexed.db
    root = {"oid": 20000, "leaf": False, "foreign_owned": False, "from_item": "public.paper"}
    leaves = [
        {"oid": 1, "leaf": True, "foreign_owned": False, "from_item": "ONLY public.a"},
        {"oid": 2, "leaf": True, "foreign_owned": True, "from_item": "ONLY public.b"},
    ]
    column = semantic_column.find(db, "paper", None)
    db.answer("array_agg(t.ctid::text) AS ctids", [])
    for partitions, from_items in (
        ([root, *leaves], ["ONLY public.a", "ONLY public.b"]),
        ([root, leaves[0]], ["public.paper"]),
    ):
        db.answer("foreign_owned", partitions)
        before = len(db.asked("array_agg(t.ctid::text)"))
        backfill.fill_keys(db, column, "[]")
        queries = [call.query for call in db.asked("array_agg(t.ctid::text)")[before:]]
        assert [f"JOIN {item} AS t" in query for item, query in zip(from_items, queries, strict=True)]
    assert db.asked("AS plain")


def test_the_faces_check_arguments(papers: Papers) -> None:
    face = faces.semantic_index.__wrapped__
    good = ("paper", ["title"], None, "embedding", "hnsw", "cosine", "live")
    face(papers.db, *good)
    for position, wrong, message in (
        (0, None, "target must not be NULL"),
        (3, None, "name must not be NULL"),
        (3, "", "must have 1 to 36 bytes"),
        (3, "é" * 19, "must have 1 to 36 bytes"),
        (4, "fast", 'invalid method: "fast"'),
        (5, None, "invalid metric"),
        (6, "never", "invalid sync"),
    ):
        given = [*good[:position], wrong, *good[position + 1 :]]
        with pytest.raises(InvalidInput, match=message):
            face(papers.db, *given)


def test_the_other_faces_pass_on(indexed: Papers) -> None:
    db = indexed.db
    db.answer("array_agg(t.ctid::text) AS ctids", [{"leaf": 20000, "ctids": ["(0,2)"]}])
    faces.semantic_sync.__wrapped__(db, "paper", "embedding", '[{"id": 2}]')
    assert indexed.filled == ["(0,2)"]
    with pytest.raises(InvalidInput, match="keys must not be NULL"):
        faces.semantic_sync.__wrapped__(db, "paper", "embedding", None)
    faces.semantic_follow.__wrapped__(db, {"args": None, "relid": "20000"})
    faces.semantic_refresh.__wrapped__(db, "paper", None)
    faces.semantic_drop.__wrapped__(db, "paper", None)
    assert db.asked("DROP COLUMN")
