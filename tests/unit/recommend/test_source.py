from __future__ import annotations

import math
from typing import Any

import pytest
from fake_connection import FakeConnection
from fake_recommender import ROW
from pg_llm.database.connection import DatabaseError
from pg_llm.errors import InsufficientPrivilege, InvalidInput, UndefinedRecommender
from pg_llm.recommend import source


def test_the_only_recommender_need_not_be_named(films: FakeConnection) -> None:
    recommender = source.find(films, None)
    assert (recommender.name, recommender.item_table, recommender.version) == ("films", "public.recommender_films", 4)
    films.answer("FROM llm.recommender AS r", [ROW, ROW | {"name": "songs"}])
    with pytest.raises(InvalidInput, match="several recommenders") as raised:
        source.find(films, None)
    assert raised.value.hint is not None
    assert "recommender => 'films'" in raised.value.hint


def test_a_recommender_that_is_not_there(films: FakeConnection) -> None:
    with pytest.raises(UndefinedRecommender, match='no recommender "x"'):
        source.find(films, "x")
    films.answer("FROM llm.recommender AS r", [])
    with pytest.raises(UndefinedRecommender, match="no recommender yet"):
        source.find(films, None)


def test_events_of_a_table(films: FakeConnection) -> None:
    events = source.events(films, ROW | {"weight_column": "stars"})
    assert events.relation == "public.rental AS e"
    assert (events.user, events.item, events.time) == ("e.customer", "e.film", "e.at")
    assert events.weight == "coalesce(e.stars::pg_catalog.float8, 1)"
    # Events of one moment count in the order in which they were written.
    assert events.order_by(" DESC") == "e.at DESC, e.tableoid DESC, e.ctid DESC"
    assert "coalesce(e.stars::pg_catalog.float8, 1) > 0" in events.usable
    assert source.events(films, ROW).weight == "1"


def test_events_of_a_query_are_read_as_its_author_meant_them(films: FakeConnection) -> None:
    films.answer("SELECT oid::int8 AS oid FROM pg_roles", [{"oid": 77}])
    films.answer("AS trusted, pg_has_role", [{"trusted": False, "shared": True}])
    films.describe_as("SELECT", [("customer", 0), ("film", 1), ("at", 2)])
    row = ROW | {"events": None, "query": "SELECT * FROM rental", "search_path": "sales"}
    events = source.events(films, row)
    assert events.relation == "(SELECT * FROM rental\n) AS e"
    assert events.role == 77
    paths = []
    events.read(films, lambda: paths.append((films.settings["search_path"], films.current_role())))
    assert paths == [("sales", 77)]
    assert films.settings["search_path"] == "pg_catalog, pg_temp"
    films.answer("SELECT oid::int8 AS oid FROM pg_roles", [])
    with pytest.raises(InsufficientPrivilege, match='the role "ann", who wrote the query'):
        source.events(films, row)


def test_columns_must_be_there(films: FakeConnection) -> None:
    with pytest.raises(InvalidInput, match='no column "who" for user_column'):
        source.events(films, ROW | {"user_column": "who"})
    with pytest.raises(InvalidInput, match='the items have no column "name"'):
        source.items(films, ROW | {"item_text": ["name"]})
    films.answer("AS relation, c.relkind::text AS kind", [{"relation": "public.s", "kind": "S"}])
    with pytest.raises(InvalidInput, match="events is not a table"):
        source.events(films, ROW)


def test_items(films: FakeConnection) -> None:
    items = source.items(films, ROW)
    assert items is not None
    assert items.item == "t.id::pg_catalog.text"
    assert items.text == "concat_ws(E'\\n', nullif(t.title::pg_catalog.text, ''))"
    assert items.has_key("c.item") == "t.id = c.item::text"
    without_texts = source.items(films, ROW | {"item_text": []})
    assert without_texts is not None
    assert without_texts.text == "''"
    assert source.items(films, ROW | {"items": None}) is None


def test_the_key_of_a_foreign_type_is_compared_as_text(films: FakeConnection) -> None:
    films.answer(
        "WITH RECURSIVE made_of", [{"name": "public.isbn", "builtin": False, "composite": False, "jsonable": False}] * 3
    )
    items = source.items(films, ROW)
    assert items is not None
    assert items.has_key("c.item").endswith("END = c.item")


def rows(*events: tuple[str, str, float, str]) -> list[dict[str, Any]]:
    return [dict(zip("uiwt", event, strict=True)) for event in events]


def test_sequences_of_users(films: FakeConnection) -> None:
    films.answer(
        "::float8 AS w",
        rows(
            ("1", "a", 1.0, "t1"),
            # The same event again, and one without a weight.
            ("1", "a", 1.0, "t1"),
            ("1", "a", 1.0, "t2"),
            ("1", "b", math.nan, "t3"),
            ("2", "b", 2.0, "t1"),
            ("3", "c", math.nan, "t1"),
        ),
    )
    events = source.events(films, ROW)
    assert list(source.sequences_by_user(films, events)) == [("1", [("a", 1.0), ("a", 1.0)]), ("2", [("b", 2.0)])]
    assert "ORDER BY e.customer, e.at, e.tableoid, e.ctid" in films.calls[-1].query


def test_no_events(films: FakeConnection) -> None:
    films.answer("::float8 AS w", [])
    assert list(source.sequences_by_user(films, source.events(films, ROW))) == []


def test_who_may_not_read_the_events_is_told(films: FakeConnection) -> None:
    films.fail("LIMIT 0", DatabaseError("permission denied", "42501"))
    with pytest.raises(DatabaseError):
        source.check_readable(films, source.events(films, ROW))
