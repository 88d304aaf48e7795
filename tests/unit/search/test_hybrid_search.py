"""Search over a semantic index: rankings, their fusion, who sees what, on scripted hits."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from echo import EchoHost, vector
from fake_connection import SUPERUSER, Call, FakeConnection
from fake_index import ROW, FakeIndex
from pg_llm.database.connection import Row
from pg_llm.errors import InvalidInput, UndefinedIndex
from pg_llm.functions import semantic_search as faces
from pg_llm.search import bm25, hybrid_search, reranking, text_analysis
from pg_llm.search.hybrid_search import Request

# The number of a row, of a chunk of it, and its score.
Found = tuple[int, int, float]


@dataclass
class Papers:
    """An index whose rankings are given: `near` by vectors, `with_words` by full text; `readable` are the rows' ids.

    A chunk of the row 7 is stale: made from a text that the row has no more. There are `size` chunks in all.
    """

    db: FakeConnection
    near: Sequence[Found] = ((1, 1, 0.9), (2, 1, 0.8), (1, 2, 0.7), (3, 1, 0.6))
    with_words: Sequence[Found] = ((3, 1, 5.0), (2, 2, 4.0), (4, 1, 3.0))
    readable: Sequence[int] = range(100)
    size: int = 1_000_000

    def __post_init__(self) -> None:
        db = self.db
        FakeIndex(db)
        db.answer("row_security_active", [{"is": False}])
        db.answer("set_config('hnsw.ef_search'", [])
        db.answer("greatest(reltuples, 0) AS rows", lambda call: [{"rows": self.size}])
        db.answer("AS w (lexeme, positions, weights) ORDER BY", [{"lexeme": "it's"}, {"lexeme": "tree"}])
        db.answer("OPERATOR(public.<=>)", lambda call: self._hits(call, self.near))
        db.answer("ts_rank(", lambda call: self._hits(call, self.with_words))
        db.answer("AS passage", self._rows)
        db.answer("SELECT e.number FROM ROWS FROM", self._rows)
        db.answer(
            "::text AS key FROM public.paper AS t WHERE", lambda call: [{"key": _key(id)} for id in self.readable]
        )

    def _hits(self, call: Call, found: Sequence[Found]) -> list[Row]:
        limit = int(call.query.rpartition("LIMIT ")[2].split(")")[0])
        rows = [
            {
                "key": _key(id),
                "chunk": chunk,
                "start": chunk * 10,
                "end": chunk * 10 + 5,
                "hash": f"{id}",
                "score": score,
            }
            for id, chunk, score in found
        ]
        if "k (id integer)" in call.query:
            keys = next(value for value in call.values if str(value).startswith('[{"id"'))
            wanted = {key["id"] for key in json.loads(keys)}
            rows = [row for row in rows if json.loads(row["key"])["id"] in wanted]
        return rows[:limit]

    def _keys(self, call: Call) -> list[Row]:
        return [{"key": _key(id)} for id in self.readable]

    def _rows(self, call: Call) -> list[Row]:
        keys = [key["id"] for key in json.loads(call.values[0])]
        return [
            {"number": number, "key": _key(id), "row": f'{{"title": "{id}"}}', "passage": f"passage of {id}"}
            for number, id in enumerate(keys, 1)
            if id in self.readable and id != 7
        ]


@pytest.fixture
def papers(db: FakeConnection, host: EchoHost, monkeypatch: pytest.MonkeyPatch) -> Papers:
    monkeypatch.setattr(bm25, "statistics", lambda *_: bm25.Statistics(1000, 10, {"it's": 5, "tree": 200}))
    return Papers(db)


def search(
    papers: Papers, query: str | None = "trees", mode: str = "hybrid", limit: int = 10, **more: Any
) -> list[Any]:
    return hybrid_search.search(papers.db, query, "paper", None, mode, Request(limit, **more))


def ids(results: Sequence[Any]) -> list[int]:
    return [json.loads(result[0])["id"] for result in results]


def test_the_best_chunk_of_each_row_with_its_passage(papers: Papers, host: EchoHost) -> None:
    results = search(papers, mode="vector")
    assert ids(results) == [1, 2, 3]
    assert results[0] == ('{"id": 1}', 0.9, '{"title": "1"}', "passage of 1", 10, 15)
    assert (host.requests[-1].task, host.requests[-1].options) == ("embedding", {"role": "query"})
    call = papers.db.asked("OPERATOR(public.<=>)")[0]
    assert json.loads(call.values[0]) == pytest.approx(vector("trees"))
    assert "1 - distance AS score" in call.query
    assert not papers.db.asked("ts_rank(")


def test_each_chunk_where_that_is_asked_for(papers: Papers) -> None:
    results = search(papers, mode="vector", group_by="chunk")
    assert [(result[0], result[4]) for result in results] == [
        ('{"id": 1}', 10),
        ('{"id": 2}', 10),
        ('{"id": 1}', 20),
        ('{"id": 3}', 10),
    ]


# What a row would score that said all of the query, by the statistics of `papers`.
FULL = 2.2 * math.log(1 + 800.5 / 200.5)


@pytest.fixture
def one_word(papers: Papers, monkeypatch: pytest.MonkeyPatch) -> Papers:
    monkeypatch.setattr(bm25, "statistics", lambda *_: bm25.Statistics(1000, 10, {"tree": 200}))
    monkeypatch.setattr(text_analysis, "query_terms", lambda *_: ["tree"])
    papers.with_words = [(id, chunk, score * FULL / 10) for id, chunk, score in papers.with_words]
    return papers


def test_both_rankings_are_fused_by_row(one_word: Papers) -> None:
    results = search(one_word)
    # By vectors 1, 2, 3, as shares of the best; by words 3, 2, 4, of what a row could score. Chunks do not count twice.
    expected = {1: 0.4, 2: 0.4 * 8 / 9 + 0.6 * 0.4, 3: 0.4 * 6 / 9 + 0.6 * 0.5, 4: 0.6 * 0.3}
    assert dict(zip(ids(results), [result[1] for result in results], strict=True)) == pytest.approx(expected)
    assert ids(results) == [2, 3, 1, 4]


def test_both_rankings_are_fused_by_chunk(one_word: Papers) -> None:
    results = search(one_word, group_by="chunk")
    scores = {(json.loads(result[0])["id"], result[4] // 10): result[1] for result in results}
    assert scores[3, 1] == pytest.approx(0.4 * 6 / 9 + 0.6 * 0.5)
    assert scores[2, 1] == pytest.approx(0.4 * 8 / 9)
    assert scores[2, 2] == pytest.approx(0.6 * 0.4)


def test_words_that_are_in_no_row_make_a_match_of_the_others_count_less(
    one_word: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dict(zip(ids(found := search(one_word)), [result[1] for result in found], strict=True))
    monkeypatch.setattr(text_analysis, "query_terms", lambda *_: ["tree", "nowhere"])
    after = dict(zip(ids(found := search(one_word)), [result[1] for result in found], strict=True))
    assert after[1] == before[1]
    assert after[4] < before[4] / 2


def test_distances_are_fused_from_the_farthest(papers: Papers) -> None:
    papers.near = [(1, 1, -1.0), (2, 1, -2.0), (3, 1, -5.0)]
    papers.with_words = []
    assert [result[1] for result in search(papers)] == pytest.approx([0.4, 0.4 * 3 / 4, 0])
    papers.near = [(1, 1, -1.0), (2, 1, -1.0)]
    assert [result[1] for result in search(papers)] == pytest.approx([0.4, 0.4])


def test_full_text_needs_no_model(papers: Papers, host: EchoHost) -> None:
    assert ids(search(papers, mode="text")) == [3, 2, 4]
    assert papers.db.asked("ts_rank(")[-1].values[-1] == "'it''s' | 'tree'"
    assert not host.requests
    assert not papers.db.asked("hnsw.ef_search")


def test_a_query_without_terms(papers: Papers) -> None:
    papers.db.answer("AS w (lexeme, positions, weights) ORDER BY", [])
    assert search(papers, query="the", mode="text") == []
    assert ids(search(papers, query="the")) == [1, 2, 3]


def test_enough_hits_need_no_exact_search(papers: Papers) -> None:
    assert ids(search(papers, mode="vector", limit=2)) == [1, 2]
    (call,) = papers.db.asked("OPERATOR(public.<=>)")
    assert "ORDER BY (c.embedding OPERATOR(public.<=>) (SELECT $1::public.vector)) LIMIT" in call.query
    # What the function itself is set to is enough.
    assert not papers.db.asked("hnsw.ef_search")


def test_too_few_hits_are_looked_for_in_more_and_then_exactly(papers: Papers) -> None:
    assert ids(search(papers, mode="vector", limit=5)) == [1, 2, 3]
    first, second, exact = papers.db.asked("OPERATOR(public.<=>)")
    pools = [int(call.query.rpartition("LIMIT ")[2].split(")")[0]) for call in (first, second)]
    assert pools[1] == 8 * pools[0]
    assert papers.db.asked("hnsw.ef_search")[0].values == (str(pools[1]),)
    # An order that no index knows, of nothing but the rows that may come out.
    assert "(SELECT $1::public.vector)) + 0 LIMIT" in exact.query
    assert len(json.loads(exact.values[1])) == len(papers.readable)


def test_where_few_rows_pass_they_are_searched_exactly_at_once(papers: Papers) -> None:
    papers.readable = [2]
    papers.size = 30_000
    assert ids(search(papers, mode="vector", limit=5, filter='{"year": 1990}')) == [2]
    first, exact = papers.db.asked("OPERATOR(public.<=>)")
    assert ") + 0 LIMIT" not in first.query
    assert ") + 0 LIMIT" in exact.query
    # Or where all chunks there are have been looked at.
    papers.size = 4
    search(papers, mode="vector", limit=5)
    assert len(papers.db.asked("OPERATOR(public.<=>)")) == 4


def test_a_filter_is_asked_of_the_rows_of_the_hits(papers: Papers) -> None:
    papers.readable = [2, 3]
    assert ids(search(papers, filter='{"year": 1990}', limit=2)) == [2, 3]
    checked = papers.db.asked("SELECT e.number FROM ROWS FROM")[0]
    assert "(t.year = $5::integer)" in checked.query
    assert checked.values[-1] == "1990"
    assert ids(search(papers, mode="vector", filter='{"year": 1990}', limit=5)) == [2, 3]
    (keys,) = papers.db.asked("::text AS key FROM public.paper AS t WHERE (t.year = $1::integer)")
    assert keys.values == ("1990",)


def test_a_stale_chunk_is_never_shown(papers: Papers) -> None:
    papers.near = [(7, 1, 0.9), *papers.near]
    assert ids(search(papers, mode="vector", limit=2)) == [1, 2]
    assert "= decode(e.hash, 'hex')" in papers.db.asked("AS passage")[0].query


def test_what_scores_too_little_stays_out(papers: Papers) -> None:
    assert ids(search(papers, mode="vector", min_score=0.8)) == [1, 2]
    assert search(papers, mode="vector", min_score=0.95) == []


def test_the_best_are_put_into_the_order_of_another_model(papers: Papers, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def rerank(db: object, query: str, passages: Sequence[str], model: str) -> list[float]:
        asked.append((query, list(passages), model))
        return [float(passage == "passage of 3") for passage in passages]

    monkeypatch.setattr(reranking, "rerank", rerank)
    results = search(papers, mode="vector", limit=1, rerank="cross", rerank_k=50, min_score=0.5)
    # Those that another order may put first are more than those that are wanted, whatever they scored before.
    assert asked == [("trees", ["passage of 1", "passage of 2", "passage of 3"], "cross")]
    assert [(result[0], result[1]) for result in results] == [('{"id": 3}', 1.0)]
    for limit, most, read in ((1, 2, 2), (2, 1, 2), (1, 0, 1)):
        search(papers, mode="vector", limit=limit, rerank="cross", rerank_k=most)
        assert len(asked[-1][1]) == read


def test_candidates_are_read_as_the_owner_and_rows_as_the_caller(papers: Papers) -> None:
    db = papers.db
    db.role = 77
    db.answer("FROM llm.semantic_index AS i", [ROW | {"owner": 88}])
    db.answer("SELECT DISTINCT relowner::int8", [{"oid": 88}])
    db.answer("pg_has_role($1::oid, $2::oid, 'USAGE') AS trusted", [{"trusted": False, "shared": False}])
    db.answer("row_security_active", [{"is": True}])
    papers.readable = [2]
    assert ids(search(papers, mode="vector", limit=5)) == [2]
    assert {call.role for call in db.asked("OPERATOR(public.<=>)")} == {88}
    for part in ("AS passage", "SELECT e.number FROM ROWS FROM", "::text AS key FROM public.paper AS t WHERE"):
        assert {call.role for call in db.asked(part)} == {77}


def test_scores_hardly_tell_of_rows_that_the_caller_does_not_see(papers: Papers) -> None:
    def weights() -> list[float]:
        (*_, call) = papers.db.asked("ts_rank(")
        return [value for value in call.values if isinstance(value, float)]

    search(papers, mode="text")
    exact = weights()
    papers.db.answer("row_security_active", [{"is": True}])
    papers.readable = [3, 4]
    assert ids(search(papers, mode="text")) == [3, 4]
    assert weights() != exact


def test_a_part_is_searched_for_its_own_rows(papers: Papers) -> None:
    papers.db.answer("FROM llm.semantic_index AS i", [ROW | {"target": 10000}])
    papers.readable = [3]
    assert ids(search(papers, mode="vector", limit=1)) == [3]
    assert papers.db.asked("SELECT e.number FROM ROWS FROM")


def test_a_vector_that_is_given_needs_no_model(papers: Papers, host: EchoHost) -> None:
    literal = json.dumps(vector("trees"))
    results = hybrid_search.search_by(papers.db, literal, "paper", None, Request(2))
    assert ids(results) == [1, 2]
    assert papers.db.asked("OPERATOR(public.<=>)")[0].values[0] == literal
    assert not host.requests
    assert hybrid_search.search_by(papers.db, None, "paper", None, Request(2)) == []


@pytest.mark.parametrize("query", [None, "", " \n"])
def test_an_empty_query_finds_nothing_but_arguments_are_checked(papers: Papers, query: str | None) -> None:
    assert search(papers, query=query) == []
    assert search(papers, limit=0) == []
    with pytest.raises(InvalidInput, match='no column "size"'):
        search(papers, query=query, filter='{"size": 1}')
    with pytest.raises(UndefinedIndex, match='no semantic index "other"'):
        hybrid_search.search(papers.db, query, "paper", "other", "hybrid", Request(1))


def test_the_faces_check_arguments(papers: Papers) -> None:
    good: dict[str, Any] = {"k": 5, "filter": None, "name": None, "group_by": "row", "min_score": None}
    by_text = {"query": "trees", "target": "paper", "mode": "hybrid", "rerank": None, "rerank_k": 50} | good
    by_vector = {"embedding": "[1]", "target": "paper"} | good
    search_by_text, search_by_vector = faces.semantic_search.__wrapped__, faces.semantic_search_by.__wrapped__
    assert len(search_by_text(papers.db, **by_text)) == 4
    assert len(search_by_vector(papers.db, **by_vector)) == 3
    for wrong, message in (
        ({"k": None}, "k must not be NULL"),
        ({"k": -1}, "k is -1"),
        ({"k": 10_001}, "must be from 0 to 10000"),
        ({"group_by": "page"}, "invalid group_by"),
        ({"group_by": None}, "invalid group_by"),
        ({"target": None}, "target must not be NULL"),
    ):
        with pytest.raises(InvalidInput, match=message):
            search_by_text(papers.db, **(by_text | wrong))
        with pytest.raises(InvalidInput, match=message):
            search_by_vector(papers.db, **(by_vector | wrong))
    for wrong, message in (({"rerank_k": None}, "rerank_k must not be NULL"), ({"rerank_k": -1}, "rerank_k is -1")):
        with pytest.raises(InvalidInput, match=message):
            search_by_text(papers.db, **(by_text | wrong))
    with pytest.raises(InvalidInput, match='invalid mode: "fast"'):
        search_by_text(papers.db, **(by_text | {"mode": "fast"}))


def test_the_owner_reads_as_the_owner(papers: Papers) -> None:
    search(papers)
    assert {call.role for call in papers.db.calls} == {SUPERUSER}


def _key(id: int) -> str:
    return json.dumps({"id": id})
