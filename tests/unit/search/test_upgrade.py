from __future__ import annotations

import json
from typing import Any

import pytest
from echo import EchoHost
from fake_connection import FakeConnection
from fake_index import FakeIndex
from pg_llm.errors import InsufficientPrivilege
from pg_llm.search import upgrade

DEFINITION = {
    "name": "meaning",
    "columns": ["title", "body"],
    "model": "echo",
    "method": "none",
    "metric": "l2",
    "sync": "manual",
    "text_config": "pg_catalog.simple",
}


def old(**changed: Any) -> dict[str, Any]:
    return {
        "oid": 20000,
        "table": "paper",
        "relation": "public.paper",
        "owner": "ann",
        "trigger": "zz_meaning_forget",
        "definition": json.dumps(DEFINITION | changed),
    }


@pytest.fixture
def papers(db: FakeConnection, host: EchoHost) -> FakeIndex:
    made = FakeIndex(db, made=False, texts={1: "a tree", 2: "a house"})
    db.answer("llm.semantic_definition(g.tgargs)", [old()])
    db.answer("DROP TRIGGER")
    db.answer("g.tgname IN ('zz_'")
    return made


def test_an_index_is_made_before_the_old_one_goes(papers: FakeIndex) -> None:
    db = papers.db
    upgrade.upgrade(db, None)
    assert papers.is_true()
    (registered,) = db.asked("INSERT INTO llm.all_semantic_index")
    assert registered.values[2:8] == (["id"], ["title", "body"], [], "echo", "none", "l2")
    assert "pg_catalog.simple" in registered.values
    assert db.asked("CREATE TABLE public.paper_meaning")
    statements = [call.query for call in db.calls]
    assert statements.index("DROP TRIGGER zz_meaning_forget ON public.paper") > statements.index(registered.query)
    assert db.asked("ALTER TABLE public.paper DROP COLUMN IF EXISTS meaning, DROP COLUMN IF EXISTS meaning_text")


def test_triggers_of_a_restored_dump_go_with_their_function(papers: FakeIndex) -> None:
    following = {"trigger": "zz_meaning_insert", "relation": "public.paper", "function": "public.meaning_sync_1_2()"}
    papers.db.answer("g.tgname IN ('zz_'", [following, following | {"trigger": "zz_meaning_update"}])
    papers.db.answer("DROP FUNCTION")
    upgrade.upgrade(papers.db, None)
    assert len(papers.db.asked("DROP TRIGGER")) == 3
    assert [call.query for call in papers.db.asked("DROP FUNCTION")] == ["DROP FUNCTION public.meaning_sync_1_2()"]


def test_one_that_has_lost_a_column_is_only_removed(papers: FakeIndex) -> None:
    papers.db.answer("llm.semantic_definition(g.tgargs)", [old(columns=["gone"])])
    upgrade.upgrade(papers.db, None)
    ((kind, message, hint),) = papers.db.messages
    assert kind == "warning"
    assert 'has lost its column "gone"' in message
    assert "semantic_index" in str(hint)
    assert not papers.db.asked("CREATE TABLE")
    assert papers.db.asked("DROP COLUMN IF EXISTS meaning")


def test_only_the_owner_may(papers: FakeIndex) -> None:
    papers.db.answer("pg_has_role($1, 'USAGE')", [{"may": False}])
    with pytest.raises(InsufficientPrivilege):
        upgrade.upgrade(papers.db, None)
    assert not papers.db.asked("ALTER TABLE")
