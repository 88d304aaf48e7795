from __future__ import annotations

import json
from typing import Any

import pytest
from echo import EchoHost, registered, vector
from fake_catalog import FakeCatalog
from fake_connection import FakeConnection
from pg_llm.errors import InvalidInput, UndefinedIndex
from pg_llm.functions import semantic_search as faces
from pg_llm.search import hybrid_search

COLUMN = {
    "name": "embedding",
    "columns": ["title", "body"],
    "model": "echo",
    "method": "hnsw",
    "metric": "cosine",
    "sync": "live",
    "text_config": "pg_catalog.english",
}
COLUMNS = {
    "id": "integer",
    "title": "text",
    "body": "text",
    "year": "integer",
    "embedding": "public.vector",
    "embedding_text": "tsvector",
}


@pytest.fixture
def paper(db: FakeConnection, host: EchoHost) -> FakeConnection:
    catalog = FakeCatalog(db)
    catalog.add("public.paper", COLUMNS)
    db.answer("text_config FROM llm.embedding_column", [COLUMN])
    db.answer("LEFT JOIN llm.model AS m", [registered()])
    db.answer("set_config('hnsw.ef_search'", [])
    db.answer("AS w (lexeme, positions, weights) ORDER BY", [{"lexeme": "it's"}, {"lexeme": "tree"}])
    hit = {"key": '{"id": 7}', "score": 0.5, "row": '{"title": "Trees"}', "vector_hits": 10}
    db.answer("WITH", [hit])
    db.answer("WITH RECURSIVE made_of", lambda call: [catalog._type(oid) for oid in call.values[0]])
    db.answer("pg_is_in_recovery() AS replica", [])
    return db


def search(db: FakeConnection, query: str | None = "trees", mode: str = "hybrid", **more: Any) -> list[Any]:
    given = {"target": "paper", "limit": 10, "filter": None, "name": None} | more
    return hybrid_search.search(db, query, mode=mode, **given)


def statement(db: FakeConnection) -> Any:
    return db.asked("LIMIT")[-1]


def test_both_rankings_are_fused(paper: FakeConnection, host: EchoHost) -> None:
    assert search(paper) == [('{"id": 7}', 0.5, '{"title": "Trees"}')]
    call = statement(paper)
    assert "sum(1.0 / (60 + rank)) AS score" in call.query
    assert "UNION ALL SELECT leaf, tid, rank FROM text_hit" in call.query
    # The pool of each ranking is larger than the list.
    assert call.query.count("LIMIT 100") == 2
    assert "ORDER BY score DESC, leaf, tid LIMIT 10" in call.query
    assert call.types == ("text", "text", "text[]")
    assert json.loads(call.values[0]) == vector("trees")
    assert call.values[1:] == ("'it''s' | 'tree'", ["it's", "tree"])
    assert (host.requests[-1].task, host.requests[-1].options) == ("embedding", {"role": "query"})
    # The vectors and the terms are no part of the row that is shown.
    assert "'year', t.year" in call.query
    assert "'embedding'" not in call.query
    assert "'embedding_text'" not in call.query


def test_full_text_needs_no_model(paper: FakeConnection, host: EchoHost) -> None:
    search(paper, mode="text")
    query = statement(paper).query
    assert "vector_hit AS" not in query
    assert "ln(1 + (max(c.rows) - count(*) + 0.5) / (count(*) + 0.5)) AS idf" in query
    assert "p.tf * 2.2 / (p.tf + 1.2 * (0.25 + 0.75 * p.size / c.size))" in query
    assert not host.requests
    assert not paper.asked("hnsw.ef_search")


def test_vector_search_alone(paper: FakeConnection) -> None:
    search(paper, mode="vector", limit=3)
    query = statement(paper).query
    assert "posting" not in query
    assert "1 - distance AS score FROM vector_hit" in query
    assert "ORDER BY t.embedding OPERATOR(public.<=>) $1::public.vector LIMIT 3" in query
    assert paper.asked("hnsw.ef_search")[0].values == ("100",)


def test_an_index_that_finds_too_few_is_not_used(paper: FakeConnection) -> None:
    short = {"key": "{}", "score": 1.0, "row": "{}", "vector_hits": 2}
    paper.answer("best AS", [short])
    search(paper, mode="vector", filter='{"year": 1990}')
    approximate, exact = paper.asked("best AS")
    assert ") + 0 LIMIT" not in approximate.query
    assert ") + 0 LIMIT" in exact.query
    assert "t.year = $1::integer" in exact.query
    assert exact.values[0] == "1990"


def test_a_query_without_terms(paper: FakeConnection) -> None:
    paper.answer("AS w (lexeme, positions, weights) ORDER BY", [])
    search(paper, query="the", mode="text")
    assert "@@ NULL::tsquery AND w.lexeme = ANY(NULL)" in statement(paper).query


@pytest.mark.parametrize("query", [None, "", " \n"])
def test_an_empty_query_finds_nothing_but_arguments_are_checked(paper: FakeConnection, query: str | None) -> None:
    assert search(paper, query=query) == []
    assert search(paper, limit=0) == []
    with pytest.raises(InvalidInput, match='no column "size"'):
        search(paper, query=query, filter='{"size": 1}')
    with pytest.raises(UndefinedIndex, match='no semantic index "other"'):
        search(paper, query=query, name="other")


def test_the_face_checks_arguments(paper: FakeConnection) -> None:
    face = faces.semantic_search.__wrapped__
    assert len(face(paper, "trees", "paper", 5, "hybrid", None, None)) == 1
    for wrong, message in (
        ((None, "hybrid"), "k must not be NULL"),
        ((-1, "hybrid"), "k is -1"),
        ((10_001, "hybrid"), "must be from 0 to 10000"),
        ((5, "fast"), 'invalid mode: "fast"'),
    ):
        with pytest.raises(InvalidInput, match=message):
            face(paper, "trees", "paper", *wrong, None, None)
    with pytest.raises(InvalidInput, match="target must not be NULL"):
        face(paper, "trees", None, 5, "hybrid", None, None)
