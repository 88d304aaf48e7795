from __future__ import annotations

import json
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import Call, FakeConnection
from fake_recommender import OPTIONS, ROW
from pg_llm.database.connection import DatabaseError, Row
from pg_llm.errors import InvalidInput, UndefinedRecommender
from pg_llm.functions import recommendation as faces
from pg_llm.recommend.ranking import RecommendationQuery

CANDIDATES = [
    {"number": 1, "item": "a", "fresh": False, "likely": 3.0},
    {"number": 2, "item": "b", "fresh": False, "likely": 2.0},
    {"number": 3, "item": "c", "fresh": False, "likely": 1.0},
]
VECTORS = [{"number": 1, "v": "[1,0,9]"}, {"number": 2, "v": "[1,0,9]"}, {"number": 3, "v": "[0,1,9]"}]


@pytest.fixture
def asked(films: FakeConnection, host: EchoHost) -> FakeConnection:
    """User 7 had x and y; the items a, b and c are candidates."""
    films.answer("LEFT JOIN llm.model AS m", [registered("films", "recommendation")])
    films.answer("set_config('hnsw.ef_search'", [])
    films.answer(
        "e.film::pg_catalog.text AS item FROM",
        lambda call: [{"item": "y"}, {"item": "x"}] if call.values[0] == "7" else [],
    )
    films.answer(
        "CASE WHEN c.item = ANY($2) THEN c.weights END",
        [
            {"item": "x", "number": 8, "neighbours": [2], "weights": [1.0]},
            {"item": "y", "number": 9, "neighbours": None, "weights": None},
        ],
    )
    films.answer("UNION SELECT c.number, c.item, c.fresh", CANDIDATES)
    films.answer("SELECT DISTINCT ON (c.number)", lambda call: [{"number": n, "item": "y"} for n in call.values[1]])
    films.answer("AS title FROM", lambda call: [{"item": "x", "title": "The X\nmore"}] if "x" in call.values[0] else [])
    films.answer("SELECT number, embedding::text AS v", VECTORS)
    films.answer("SELECT c.item, c.recent FROM", [{"item": "p", "recent": 4.0}, {"item": "q", "recent": 2.0}])
    films.answer("LIMIT 0", [])
    host.answers["recommendation"] = lambda inputs, options: ["[0.5,0.5,1]" for _ in inputs]
    return films


def query(db: FakeConnection, limit: int = 3, **more: Any) -> RecommendationQuery:
    return RecommendationQuery(db, "films", limit, **more)


def test_a_list_for_a_user(asked: FakeConnection, host: EchoHost) -> None:
    found = faces.recommend.__wrapped__(asked, "7", 3, None, None, None, 0.0)
    # The neighbor of x is first, though the transformer finds another likelier.
    assert [(item, reason) for item, _, reason in found] == [
        ("b", "goes with The X"),
        ("a", "goes with y"),
        ("c", "goes with y"),
    ]
    # The latest item last, as the transformer reads them.
    assert host.requests[-1].inputs == ["[8, 9]"]
    call = asked.asked("UNION SELECT c.number")[0]
    assert "c.item NOT IN (SELECT unnest($2))" in call.query
    assert call.values == ("[0.5,0.5,1]", ["y", "x"], [2])
    assert "c.version = 4" in call.query
    assert "EXISTS (SELECT FROM public.film AS t WHERE t.id = c.item::text AND true)" in call.query


def test_items_that_the_user_had_may_be_shown_again(asked: FakeConnection) -> None:
    query(asked, exclude_seen=False).lists([["x"]])
    assert "NOT IN (SELECT unnest($2))" not in asked.asked("UNION SELECT c.number")[0].query


def test_a_short_list_is_filled_with_what_is_popular(asked: FakeConnection) -> None:
    (found,) = query(asked, limit=5).lists([["y", "x"]])
    assert [item for item, _, _ in found] == ["b", "a", "c", "p", "q"]
    assert found[3][1] == pytest.approx(found[2][1])
    assert found[4] == ("q", pytest.approx(found[2][1] - 0.5), "popular lately")
    popular = asked.asked("SELECT c.item, c.recent FROM")[0]
    assert popular.values == (["y", "x", "b", "a", "c"],)
    # The index found fewer than five, so the search was repeated without it.
    approximate, exact = asked.asked("UNION SELECT c.number")
    assert ") + 0 LIMIT" not in approximate.query
    assert ") + 0 LIMIT" in exact.query


def test_a_user_without_events_gets_what_is_popular(asked: FakeConnection, host: EchoHost) -> None:
    asked.answer("CASE WHEN c.item = ANY($2)", [])
    assert (
        query(asked, limit=2).lists([[], ["z"]]) == [[("p", 4.0, "popular lately"), ("q", 2.0, "popular lately")]] * 2
    )
    assert not [each for each in host.requests if each.task == "recommendation"]


def test_diversity_reorders(asked: FakeConnection) -> None:
    plain = query(asked, limit=3).lists([["x"]])[0]
    varied = query(asked, limit=3, diversity=0.9).lists([["x"]])[0]
    assert [item for item, _, _ in plain][:2] == ["b", "a"]
    assert [item for item, _, _ in varied][:2] == ["b", "c"]
    assert asked.asked("SELECT number, embedding::text AS v")[0].values == (4, [2, 1, 3])


def test_without_fresh_items_none_are_searched(asked: FakeConnection) -> None:
    query(asked).lists([["y"]])
    assert "AND c.fresh ORDER BY" in asked.asked("UNION SELECT c.number")[0].query
    asked.answer("FROM llm.recommender AS r", [ROW | {"options": json.dumps(OPTIONS | {"fresh": 0})}])
    query(asked).lists([["y"]])
    assert "AND c.fresh ORDER BY" not in asked.asked("UNION SELECT c.number")[-1].query


def test_a_filter_is_on_the_items(asked: FakeConnection) -> None:
    query(asked, filter='{"year": {">=": 1990}}').lists([["y"]])
    call = asked.asked("UNION SELECT c.number")[0]
    assert "t.year >= $1::integer" in call.query
    assert call.values[0] == "1990"
    asked.answer("FROM llm.recommender AS r", [ROW | {"items": None, "item_key": None, "item_text": []}])
    with pytest.raises(InvalidInput, match="a filter needs the table of the items"):
        query(asked, filter="{}")
    assert query(asked).lists([["x"]])[0][0][2] == "goes with x"


def test_nothing_is_asked_for_no_items(asked: FakeConnection, host: EchoHost) -> None:
    assert query(asked, limit=0).lists([["y"], []]) == [[], []]
    assert not host.requests


def test_a_user_that_there_cannot_be(asked: FakeConnection) -> None:
    asked.fail("e.film::pg_catalog.text AS item FROM", DatabaseError("invalid input syntax", "22P02"))
    assert query(asked).history("x") == []
    assert asked.rollbacks == 1
    asked.fail("e.film::pg_catalog.text AS item FROM", DatabaseError("permission denied", "42501"))
    with pytest.raises(DatabaseError):
        query(asked).history("7")


def test_users_keep_their_lists(asked: FakeConnection) -> None:
    def known(call: Call) -> list[Row]:
        return [{"item": "x", "number": 8, "neighbours": [2], "weights": [1.0]}] if "x" in call.values[0] else []

    asked.answer("CASE WHEN c.item = ANY($2)", known)
    found = faces.recommend_batch.__wrapped__(asked, ["7", None, "8"], 2, "films", True, None, 0.0)
    assert [(user, rank, item) for user, rank, item, _, _ in found] == [
        ("7", 1, "b"),
        ("7", 2, "a"),
        ("8", 1, "p"),
        ("8", 2, "q"),
    ]


def test_a_session_is_given_the_latest_last(asked: FakeConnection, host: EchoHost) -> None:
    faces.recommend_for.__wrapped__(asked, ["x", None, "y"], 2, None, True, None, 0.0)
    assert host.requests[-1].inputs == ["[8, 9]"]
    asked.fail("LIMIT 0", DatabaseError("permission denied", "42501"))
    with pytest.raises(DatabaseError):
        faces.recommend_for.__wrapped__(asked, ["x"], 2, None, True, None, 0.0)


def test_similar_items(asked: FakeConnection) -> None:
    asked.answer("WITH one AS MATERIALIZED", [{"item": "b", "score": 0.9}])
    assert faces.similar_items.__wrapped__(asked, "a", 2, None) == [("b", 0.9)]
    call = asked.asked("WITH one AS MATERIALIZED")[0]
    # Cosine of the vectors without the last dimension, which says how frequent an item is.
    assert "public.subvector(c.embedding, 1, 8) OPERATOR(public.<=>) one.own" in call.query
    assert call.values == ("a",)
    assert faces.similar_items.__wrapped__(asked, None, 2, None) == []


def test_the_faces_check_arguments(asked: FakeConnection) -> None:
    assert faces.recommend.__wrapped__(asked, None, 3, None, True, None, 0.0) == []
    for k in (None, -1, 1001):
        with pytest.raises(InvalidInput, match="k must lie between 0 and 1000"):
            faces.recommend.__wrapped__(asked, "7", k, None, True, None, 0.0)
        with pytest.raises(InvalidInput, match="k must lie between 0 and 1000"):
            faces.similar_items.__wrapped__(asked, "a", k, None)
    for diversity in (None, -0.1, 1.1):
        with pytest.raises(InvalidInput, match="diversity must lie between 0 and 1"):
            faces.recommend.__wrapped__(asked, "7", 3, None, True, None, diversity)
    with pytest.raises(UndefinedRecommender):
        faces.recommend.__wrapped__(asked, "7", 3, "songs", True, None, 0.0)
