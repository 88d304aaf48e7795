"""Life of a semantic index: made with its companion table, filled, refreshed, dropped, on a scripted connection."""

from __future__ import annotations

from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import FakeConnection
from fake_index import COLUMNS, ROW, FakeIndex
from pg_llm.database.connection import DatabaseError
from pg_llm.errors import DuplicateIndex, EndpointFailed, InsufficientPrivilege, InvalidInput, UndefinedIndex
from pg_llm.functions import semantic_index as faces
from pg_llm.search import companion, index, semantic_index


@pytest.fixture
def papers(db: FakeConnection, host: EchoHost) -> FakeIndex:
    return FakeIndex(db, made=False, texts={1: "a tree", 2: "a house"})


@pytest.fixture
def indexed(db: FakeConnection, host: EchoHost) -> FakeIndex:
    return FakeIndex(db, texts={1: "a tree", 2: "a house"})


def create(db: FakeConnection, **changed: Any) -> None:
    given: dict[str, Any] = {"columns": ["title", "body"], "name": None, "key": None, "model": None}
    options = ("method", "metric", "sync", "chunking", "chunk_tokens", "chunk_overlap", "template", "storage")
    index.create(db, "paper", **(given | {option: ROW[option] for option in (*options, "sentences")} | changed))


def test_an_index_is_made_beside_the_table_and_filled(papers: FakeIndex) -> None:
    db = papers.db
    create(db)
    (made,) = db.asked("CREATE TABLE")
    assert made.query == (
        "CREATE TABLE public.paper_embedding AS SELECT t.id AS id FROM public.paper AS t WITH NO DATA"
    )
    (columns,) = db.asked("ADD COLUMN")
    assert columns.query.startswith("ALTER TABLE public.paper_embedding ADD COLUMN chunk int4 NOT NULL")
    assert "ADD COLUMN embedding public.vector(16) NOT NULL" in columns.query
    assert "ADD PRIMARY KEY (id, chunk), ENABLE ROW LEVEL SECURITY" in columns.query
    # Nothing is done to the table itself but by the function that makes triggers.
    assert {call.query.split()[2] for call in db.asked("ALTER TABLE")} == {"public.paper_embedding"}
    assert [call.values for call in db.asked("llm.create_companion_triggers")] == [(5, 20000, "live")]
    (registered_,) = db.asked("INSERT INTO llm.all_semantic_index")
    assert registered_.values[:5] == (20000, 30000, ["id"], ["title", "body"], [])
    assert papers.is_true()
    assert [call.query for call in db.asked("CREATE INDEX")] == [
        "CREATE INDEX ON public.paper_embedding USING gin (words)",
        "CREATE INDEX ON public.paper_embedding USING hnsw (embedding public.vector_cosine_ops)",
    ]
    assert db.asked("ANALYZE public.paper_embedding")
    assert db.commits >= 3
    assert db.settings["search_path"] == "public"


@pytest.mark.parametrize(("rows", "lists"), [(100, 1), (50_000, 50), (4_000_000, 2000)])
def test_lists_of_ivfflat(papers: FakeIndex, rows: int, lists: int) -> None:
    papers.db.answer("SELECT count(*) AS n FROM public.paper_embedding", [{"n": rows}])
    papers.db.answer("WHERE i.id = $1", [ROW | {"method": "ivfflat", "metric": "l2"}])
    create(papers.db, method="ivfflat", metric="l2")
    (made,) = papers.db.asked("USING ivfflat")
    assert made.query.endswith(f"USING ivfflat (embedding public.vector_l2_ops) WITH (lists = {lists})")


def test_vectors_that_are_too_long_for_an_index(papers: FakeIndex) -> None:
    db = papers.db
    db.answer("LEFT JOIN llm.model AS m", [registered(dimensions=3000)])
    with pytest.raises(InvalidInput, match="gives 3000 dimensions; pgvector indexes 2000"):
        create(db)
    assert not db.asked("CREATE TABLE")
    db.answer("WHERE i.id = $1", [ROW | {"storage": "halfvec"}])
    create(db, storage="halfvec")
    assert db.asked("ADD COLUMN embedding public.halfvec(3000)")
    assert db.asked("USING hnsw (embedding public.halfvec_cosine_ops)")


def test_an_exact_index_has_no_vector_index(papers: FakeIndex) -> None:
    papers.db.answer("LEFT JOIN llm.model AS m", [registered(dimensions=3000)])
    papers.db.answer("WHERE i.id = $1", [ROW | {"method": "none", "sync": "manual"}])
    create(papers.db, method="none", sync="manual")
    assert [call.query.partition("USING ")[2] for call in papers.db.asked("CREATE INDEX")] == ["gin (words)"]
    assert papers.db.asked("llm.create_companion_triggers")[0].values[2] == "manual"


def test_the_same_index_again_goes_on(indexed: FakeIndex) -> None:
    create(indexed.db)
    assert not indexed.db.asked("CREATE TABLE")
    assert indexed.is_true()


def test_something_in_the_way(indexed: FakeIndex) -> None:
    with pytest.raises(DuplicateIndex, match='already has a semantic index "paper_embedding" that differs') as raised:
        create(indexed.db, metric="l2")
    assert raised.value.detail == "On title, body: echo; hnsw, cosine, live, auto, none"
    indexed.db.answer("to_regclass($1)::oid::int8", [{"oid": 9}])
    with pytest.raises(DuplicateIndex, match='already a table, view or index "title"'):
        create(indexed.db, name="title")


def test_a_new_index_that_cannot_be_filled_is_removed(papers: FakeIndex, host: EchoHost) -> None:
    host.failure = EndpointFailed("no answer")
    with pytest.raises(EndpointFailed):
        create(papers.db)
    assert papers.db.asked("DROP TABLE public.paper_embedding")
    assert papers.db.asked("llm.drop_companion_triggers")
    assert not papers.made


def test_an_interrupted_index_is_kept(papers: FakeIndex) -> None:
    papers.db.fail("INSERT INTO public.paper_embedding", DatabaseError("canceled", "57014"))
    with pytest.raises(DatabaseError):
        create(papers.db)
    assert not papers.db.asked("DROP TABLE")


def test_an_index_that_was_filled_in_part_is_kept(papers: FakeIndex) -> None:
    papers.chunks[7] = [(1, 1, 2, "", [], "")]
    papers.db.fail("INSERT INTO public.paper_embedding", DatabaseError("disk full", "53100"))
    with pytest.raises(DatabaseError):
        create(papers.db)
    assert not papers.db.asked("DROP TABLE")


def test_inside_a_transaction_nothing_is_committed(papers: FakeIndex) -> None:
    papers.db.may_commit = False
    create(papers.db)
    assert papers.db.commits == 0
    assert papers.is_true()


def test_only_the_owner_may(indexed: FakeIndex) -> None:
    db = indexed.db
    db.answer("AS may", [{"may": False}])
    for call in (
        lambda: create(db),
        lambda: index.refresh(db, "paper", None),
        lambda: index.drop(db, "paper", None),
        lambda: index.update_keys(db, "paper", "paper_embedding", "[]"),
    ):
        with pytest.raises(InsufficientPrivilege, match=r"must be owner of table public\.paper"):
            call()


def test_columns_must_be_there(papers: FakeIndex) -> None:
    for columns in ([], None, ["title", None]):
        with pytest.raises(InvalidInput, match="at least one column, and no NULL"):
            create(papers.db, columns=columns)
    with pytest.raises(InvalidInput, match='has no column "day"'):
        create(papers.db, columns=["day"])
    with pytest.raises(InvalidInput, match='has no column "day"'):
        create(papers.db, key=["day"])


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("no place", "must have {chunk} exactly once"),
        ("{chunk}{chunk}", "must have {chunk} exactly once"),
        ("{day}: {chunk}", 'has no column "day"'),
    ],
)
def test_a_template_that_cannot_be_filled(papers: FakeIndex, template: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        create(papers.db, template=template)


def test_what_nothing_tells_of_changes_is_indexed_by_hand_only(papers: FakeIndex) -> None:
    papers.db.answer("SELECT c.oid::bigint AS oid, c.relkind", [view()])
    papers.db.answer("i.indisprimary ORDER BY", [])
    with pytest.raises(InvalidInput, match="has no primary key"):
        create(papers.db, sync="manual")
    with pytest.raises(InvalidInput, match="nothing tells what changes in it"):
        create(papers.db, key=["id"])
    papers.db.answer("pg_advisory_xact_lock", [])
    create(papers.db, key=["id"], sync="manual")
    # A view's rows cannot be locked one by one, nor can it be locked without its tables.
    assert not papers.db.asked("LOCK TABLE public.paper IN")
    assert not papers.db.asked("FOR SHARE")
    assert papers.is_true()


def test_a_temporary_table_is_refused(papers: FakeIndex) -> None:
    papers.db.answer("relpersistence = 't'", [{"is": True}])
    with pytest.raises(InvalidInput, match="is temporary"):
        create(papers.db)


def view() -> dict[str, Any]:
    return {"oid": 20000, "relkind": "v", "schema": "public", "relation": "public.paper", "owner": "ann"}


def test_a_refresh_fills_what_lacks(indexed: FakeIndex) -> None:
    index.refresh(indexed.db, "paper", None)
    assert indexed.is_true()
    # A partition that is new may have no triggers yet.
    assert indexed.db.asked("llm.create_companion_triggers")
    writes = len(indexed.db.asked("INSERT INTO public.paper_embedding"))
    index.refresh(indexed.db, "paper", "paper_embedding")
    assert len(indexed.db.asked("INSERT INTO public.paper_embedding")) == writes


def test_an_index_is_dropped(indexed: FakeIndex) -> None:
    with pytest.raises(UndefinedIndex, match='no semantic index "other"'):
        index.drop(indexed.db, "paper", "other")
    index.drop(indexed.db, "paper", "paper_embedding")
    assert indexed.db.asked("DROP TABLE public.paper_embedding")
    assert not indexed.made


@pytest.mark.parametrize("lost", [{"columns": ["title", None]}, {"key": [None]}])
def test_an_index_that_lost_a_column_can_be_dropped_only(indexed: FakeIndex, lost: dict[str, Any]) -> None:
    indexed.db.answer("FROM llm.semantic_index AS i", [ROW | lost])
    with pytest.raises(UndefinedIndex, match="has lost a column") as raised:
        index.refresh(indexed.db, "paper", None)
    assert raised.value.hint == "CALL semantic_drop('public.paper', 'paper_embedding'); and semantic_index again."
    assert semantic_index.by_id(indexed.db, 5) is None
    index.drop(indexed.db, "paper", None)
    assert indexed.db.asked("DROP TABLE")


def test_an_index_is_named_where_there_are_several(indexed: FakeIndex) -> None:
    indexed.db.answer("FROM llm.semantic_index AS i", [ROW, ROW | {"id": 6, "name": "second"}])
    with pytest.raises(UndefinedIndex, match="several semantic indexes") as raised:
        semantic_index.find(indexed.db, "paper", None)
    assert raised.value.hint == "Say which: name => paper_embedding, second."
    assert semantic_index.find(indexed.db, "paper", "second").id == 6
    indexed.db.answer("FROM llm.semantic_index AS i", [])
    with pytest.raises(UndefinedIndex, match="has no semantic index") as raised:
        semantic_index.find(indexed.db, "paper", None)
    assert raised.value.hint == "CALL semantic_index('public.paper', '{column}');"
    indexed.db.answer("'llm.semantic_forget()'::regprocedure", [{}])
    with pytest.raises(UndefinedIndex) as raised:
        semantic_index.find(indexed.db, "paper", None)
    assert "semantic_upgrade" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("name", "found"),
    [("paper", "paper_embedding"), ("t" * 63, "t" * 53 + "_embedding"), ("ä" * 31, "ä" * 26 + "_embedding")],
)
def test_the_name_where_none_is_given(name: str, found: str) -> None:
    assert companion.default_name(name) == found
    assert len(found.encode()) <= 63


def test_a_key_that_has_the_name_of_a_column_of_the_companion(db: FakeConnection, host: EchoHost) -> None:
    papers = FakeIndex(db, made=False, columns={"chunk": "integer", **COLUMNS})
    db.answer("i.indisprimary ORDER BY", [{"name": "chunk"}])
    db.answer("FROM llm.semantic_index AS i", [ROW | {"key": ["chunk"], "companion_key": ["source_chunk"]}])
    db.answer("AS needy", [])
    create(papers.db, name="other")
    assert db.asked("SELECT t.chunk AS source_chunk FROM public.paper AS t")
    assert db.asked("ADD PRIMARY KEY (source_chunk, chunk)")
    found = semantic_index.find(db, "paper", None)
    assert found.same_row == "c.source_chunk = t.chunk"
    assert found.companion_key_object == "jsonb_build_object('chunk', c.source_chunk)"


def test_the_document_is_the_same_in_every_session(db: FakeConnection, host: EchoHost) -> None:
    FakeIndex(db, columns={"id": "integer", "title": "timestamp with time zone", "body": "public.mood"})
    document = semantic_index.find(db, "paper", None).document
    assert "nullif((t.title AT TIME ZONE 'UTC')::text || '+00', '')" in document
    assert "pg_catalog.format('%s', t.body)" in document


def test_the_faces_check_arguments(papers: FakeIndex) -> None:
    face = faces.semantic_index.__wrapped__
    good = ("paper", ["title"], None, None, "hnsw", "cosine", "live", None, "auto", None, 0, None, "vector", "none")
    face(papers.db, *good)
    for position, wrong, message in (
        (0, None, "target must not be NULL"),
        (3, "", "must have 1 to 63 bytes"),
        (3, "é" * 32, "must have 1 to 63 bytes"),
        (4, "fast", 'invalid method: "fast"'),
        (5, None, "invalid metric"),
        (6, "never", "invalid sync"),
        (8, "words", "invalid chunking"),
        (9, 3, "chunk_tokens must lie between"),
        (10, 1000, "chunk_overlap must lie between"),
        (12, "bits", "invalid storage"),
    ):
        given = [*good[:position], wrong, *good[position + 1 :]]
        with pytest.raises(InvalidInput, match=message):
            face(papers.db, *given)


def test_the_other_faces_pass_on(indexed: FakeIndex) -> None:
    db = indexed.db
    faces.semantic_sync.__wrapped__(db, "paper", "paper_embedding", '[{"id": 2}]')
    assert set(indexed.chunks) == {2}
    with pytest.raises(InvalidInput, match="keys must not be NULL"):
        faces.semantic_sync.__wrapped__(db, "paper", "paper_embedding", None)
    faces.follow_index.__wrapped__(db, {"event": "INSERT", "args": None, "relid": "20000"})
    faces.semantic_refresh.__wrapped__(db, "paper", None)
    assert indexed.is_true()
    faces.semantic_drop.__wrapped__(db, "paper", None)
    assert db.asked("DROP TABLE")
