"""Search, traversal, answers and contexts, over a small graph of people, companies and cities."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import Call, FakeConnection
from pg_llm.database import catalog, foreign_code
from pg_llm.database.catalog import Table
from pg_llm.database.column_types import ColumnType
from pg_llm.database.connection import DatabaseError
from pg_llm.errors import ConcurrentChange, InvalidInput, UndefinedGraph
from pg_llm.graph import answer, context, evidence, row_visibility, search, traversal
from pg_llm.graph import source as graph_source

ENTITIES = {
    1: ("Ann Lee", "person"),
    2: ("Acme", "company"),
    3: ("Oslo", "city"),
    4: ("Bob Ray", "person"),
    5: ("Rome", "city"),
}
RELATIONS = [
    (1, "works for", 2, 0.9),
    (2, "is based in", 3, 0.8),
    (4, "works for", 2, 0.7),
    (1, "was born in", 5, 0.6),
]
TEXT = ColumnType("text", True, False, True)
NOTE = Table(7, "public.note", "ann", "public", {"id": "integer"}, {"id": TEXT, "body": TEXT})
GRAPH = {"id": 1, "name": "g", "entity_types": None, "relation_types": None, "embedding_model": "m", "own": True}


@pytest.fixture
def db(host: EchoHost) -> FakeConnection:
    db = FakeConnection()
    db.answer("FROM pg_extension AS e JOIN pg_namespace", [{"schema": "public"}])
    db.answer("LEFT JOIN llm.model AS m", [registered("m")])
    db.answer("FROM llm.graph AS g", [GRAPH])

    def names(call: Call) -> list[dict[str, Any]]:
        folded = {name.casefold(): number for number, (name, _) in ENTITIES.items()}
        return [{"entity": folded[text], "folded": text} for text in call.values[1] if text in folded]

    def entities(call: Call) -> list[dict[str, Any]]:
        rows = {
            n: {"id": n, "graph": 1, "name": name, "type": type_, "aliases": []}
            for n, (name, type_) in ENTITIES.items()
        }
        return [rows[number] for number in call.values[0] if number in rows]

    def incident(call: Call) -> list[dict[str, Any]]:
        rows = [row for row in RELATIONS if row[0] in call.values[0] or row[2] in call.values[0]]
        return [dict(zip("spoc", map(list, zip(*rows, strict=True)), strict=True)) if rows else dict.fromkeys("spoc")]

    def steps(call: Call) -> list[dict[str, Any]]:
        rows = [
            (here, there, *ENTITIES[there], predicate, forward, confidence)
            for subject, predicate, object_, confidence in RELATIONS
            for here, there, forward in ((subject, object_, True), (object_, subject, False))
            if here in call.values[0] and predicate in (call.values[1] if len(call.values) > 1 else [predicate])
        ]
        return [
            dict(zip("vintpfc", map(list, zip(*rows, strict=True)), strict=True)) if rows else dict.fromkeys("vintpfc")
        ]

    db.answer("FROM llm.entity_name AS n", names)
    db.answer(
        "FROM llm.entity AS e WHERE e.graph = $1 ORDER BY score DESC",
        [{"id": 3, "score": 0.4}, {"id": 4, "score": None}],
    )
    db.answer("e.aliases FROM llm.entity AS e WHERE e.id = ANY", entities)
    db.answer("SELECT array_agg(f.subject) AS s", incident)
    db.answer("SELECT array_agg(f.via) AS v", steps)
    db.answer(
        "SELECT r.id, r.subject, r.predicate, r.object FROM llm.relation",
        lambda call: [
            {"id": 10 + n, "subject": s, "predicate": p, "object": o}
            for n, (s, p, o, _) in enumerate(RELATIONS)
            if s in call.values[0] and o in call.values[1]
        ],
    )
    db.answer(
        "FROM unnest($1) AS w (id) CROSS JOIN LATERAL",
        lambda call: [
            {"relation": number, "target": None, "table": None, "key": '{"id": 1}', "column": None, "confidence": 0.5}
            for number in call.values[0]
        ],
    )
    return db


def test_a_name_in_the_query_and_its_meaning_are_ranked_together(db: FakeConnection, host: EchoHost) -> None:
    found = search.search(db, "g", "Where is ACME?", 10)
    assert [(row["entity"], row["name"]) for row in found] == [(2, "Acme"), (3, "Oslo")]
    assert 0.5 < found[0]["score"] < 1
    assert found[1]["score"] == 0.4
    assert host.requests[-1].options["role"] == "query"
    assert search.search(db, "g", "acme", 1)[0]["score"] == 1
    assert search.search(db, "g", "  ", 5) == search.search(db, "g", "acme", 0) == []


def test_neighbors_are_reached_by_the_surest_of_the_shortest_paths(db: FakeConnection) -> None:
    rows = traversal.neighbors(db, 1, 2, None)
    assert [(row[1], row[3], row[4], row[5], row[6]) for row in rows] == [
        ("Acme", 1, 1, "works for", True),
        ("Rome", 1, 1, "was born in", True),
        ("Oslo", 2, 2, "is based in", True),
        ("Bob Ray", 2, 2, "works for", False),
    ]
    assert rows[2][-1] == pytest.approx(0.72)
    assert [row[1] for row in traversal.neighbors(db, 1, 1, ["was born in"])] == ["Rome"]
    assert "r.predicate = ANY($2)" in db.calls[-1].query
    assert traversal.neighbors(db, 1, 1, ["owns"]) == []
    with pytest.raises(UndefinedGraph, match="there is no entity 99"):
        traversal.neighbors(db, 99, 1, None)


def test_a_truncated_traversal_is_announced(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traversal, "_MAX_RELATIONS", 1)
    assert len(traversal.neighbors(db, 1, 1, None)) == 1
    assert db.messages[-1][:2] == ("notice", "more than 1 relations: not all were followed")
    traversal.shortest_paths(db, 1, 3, 2, 5)
    assert db.messages[-1][1] == "there are more ways than were looked at"


def test_paths_are_described_from_start_to_end(db: FakeConnection) -> None:
    (path,) = traversal.shortest_paths(db, 4, 5, 4, 5)
    assert path["names"] == ["Bob Ray", "Acme", "Ann Lee", "Rome"]
    assert path["predicates"] == ["works for", "works for", "was born in"]
    assert path["forward"] == [True, False, True]
    assert path["confidence"] == pytest.approx(0.7 * 0.9 * 0.6)
    assert (path["path"], path["hops"]) == (1, 3)
    assert traversal.shortest_paths(db, 4, 5, 2, 5) == []
    assert traversal.shortest_paths(db, 4, 4, 2, 5) == traversal.shortest_paths(db, 4, 5, 4, 0) == []
    with pytest.raises(UndefinedGraph, match="there is no entity 9"):
        traversal.shortest_paths(db, 4, 9, 2, 5)


@pytest.mark.parametrize(
    ("question", "expected", "confidence"),
    [
        ("Which company does Ann Lee work for?", "Acme", 0.9),
        ("Where was Ann Lee born?", "Rome", 0.6),
        # Two hops: the company, and where it is based.
        ("In which city is the company based that Ann Lee works for?", "Oslo", 0.72),
        # What both have in common.
        ("Which company do Ann Lee and Bob Ray work for?", "Acme", 0.63),
    ],
)
def test_a_pattern_that_covers_the_question_answers_it(
    db: FakeConnection, question: str, expected: str, confidence: float
) -> None:
    text, sure, passages = answer.answer_question(db, "g", question)
    assert text == expected
    assert sure <= confidence + 1e-6
    assert sure > confidence / 2
    facts = json.loads(passages)
    assert all(fact["key"] == {"id": 1} for fact in facts)
    assert any(expected in fact["fact"] for fact in facts)


@pytest.mark.parametrize("question", [None, " ", "Who is it?", "Ann Lee", "What is the salary of Ann Lee?"])
def test_other_questions_have_no_answer(db: FakeConnection, host: EchoHost, question: str | None) -> None:
    host.answers["embedding"] = lambda inputs, options: ["[1, 0]", *["[0, 1]"] * (len(inputs) - 1)]
    assert answer.answer_question(db, "g", question) == (None, 0.0, "[]")


def test_a_model_that_does_not_read_the_language_does_not_score(db: FakeConnection, host: EchoHost) -> None:
    # All texts are alike to it, as Chinese is to a model for English.
    host.answers["embedding"] = lambda inputs, options: ["[1, 0]"] * len(inputs)
    assert answer.answer_question(db, "g", "Ann Lee 的血型是什么？") == (None, 0.0, "[]")
    assert {"disease", "river"} <= set(host.requests[-1].inputs)


def test_a_context_has_facts_with_sources_within_the_limit(db: FakeConnection) -> None:
    assert context.context(db, "g", None, 100) is None
    text = context.context(db, "g", "Who works for Acme?", 100)
    assert text is not None
    lines = text.splitlines()
    assert set(lines[:2]) == {"Ann Lee works for Acme. [1]", "Bob Ray works for Acme. [1]"}
    assert lines[-1] == '[1] imported {"id": 1}' or lines[-1] == "[1] imported"
    assert len(context.context(db, "g", "Who works for Acme?", 20) or "") < len(text)
    assert context.context(db, "g", "Who works for Acme?", 1) == ""
    assert context.context(db, "g", "nothing of the kind", 100) is not None
    db.answer("FROM llm.entity AS e WHERE e.graph = $1 ORDER BY score DESC")
    assert context.context(db, "g", "nothing of the kind", 100) == ""


def test_passages_are_read_where_the_caller_may(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"relation": 10, "target": 7, "table": "note", "key": '{"id": 1}', "column": column, "start_pos": 1,
         "end_pos": 8, "confidence": 0.51239}
        for column in ("body", "gone")
    ]  # fmt: skip
    db.answer("FROM unnest($1) AS w (id) CROSS JOIN LATERAL", rows)
    monkeypatch.setattr(catalog, "table", lambda db, oid: NOTE)
    monkeypatch.setattr(graph_source, "from_item", lambda db, table: "ONLY public.note")
    asked: list[Any] = []

    def query_untrusted(db: Any, oids: Any, query: str, types: Any, values: Any) -> list[dict[str, Any]]:
        asked.append((oids, query, values))
        return [{"number": values[0][0], "passage": "Ann Lee"}]

    monkeypatch.setattr(row_visibility, "query_untrusted", query_untrusted)
    support = evidence.supporting(db, [(1, "works for", 2)])
    first, second = support[1, "works for", 2]
    assert first == {"table": "note", "key": {"id": 1}, "column": "body", "passage": "Ann Lee", "confidence": 0.5124}
    assert second["passage"] is None
    ((oids, query, values),) = asked
    assert (oids, values) == ([7], ([0], ['{"id": 1}'], [1], [8]))
    assert "substr(t.body::pg_catalog.text" in query

    def gone(db: Any, oid: str) -> Table:
        raise InvalidInput("there is no table")

    monkeypatch.setattr(catalog, "table", gone)
    assert evidence.supporting(db, [(1, "works for", 2)])[1, "works for", 2][0]["passage"] is None


def test_relations_are_verbalized(db: FakeConnection) -> None:
    assert evidence.verbalize(db, [(1, "works for", 2)]) == {(1, "works for", 2): "Ann Lee works for Acme"}


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Code of others that reading would run."""
    code: list[Any] = []
    monkeypatch.setattr(foreign_code, "find_ever", lambda db, oids, role: code)
    return code


def test_untrusted_tables_are_read_with_a_short_lock_timeout(db: FakeConnection, foreign: list[Any]) -> None:
    db.settings["lock_timeout"] = "0"
    db.answer("FROM note", lambda call: [{"timeout": db.settings["lock_timeout"]}])
    assert row_visibility.query_untrusted(db, [7], "SELECT FROM note", (), ()) == [{"timeout": "100ms"}]
    assert db.settings["lock_timeout"] == "0"
    foreign.append({"what": "a policy"})
    assert row_visibility.query_untrusted(db, [7], "SELECT FROM note", (), ()) == []


def test_a_table_that_is_being_renamed_is_hidden(db: FakeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    def renamed(db: Any, oids: Any, role: int) -> None:
        raise ConcurrentChange("lair.src was renamed")

    monkeypatch.setattr(foreign_code, "find_ever", renamed)
    db.settings["lock_timeout"] = "0"
    db.answer("FROM note", [{"there": True}])
    assert row_visibility.query_untrusted(db, [7], "SELECT FROM note", (), ()) == []
    assert db.settings["lock_timeout"] == "0"


@pytest.mark.parametrize(("sqlstate", "hidden"), [("42501", True), ("55P03", True), ("57014", False), ("40P01", False)])
def test_a_table_that_fails_is_hidden_but_a_cancel_is_not(
    db: FakeConnection, foreign: list[Any], sqlstate: str, hidden: bool
) -> None:
    db.fail("FROM note", DatabaseError("no", sqlstate))
    read: Callable[[], Any] = lambda: row_visibility.query_untrusted(db, [7], "SELECT FROM note", (), ())  # noqa: E731
    if hidden:
        assert read() == []
    else:
        with pytest.raises(DatabaseError):
            read()


def test_a_rows_visibility_is_asked_of_its_table(
    db: FakeConnection, foreign: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    db.answer(
        "SELECT FROM llm.graph_source WHERE id = $1 AND kind <> 'import'", lambda call: [{}] * (call.values[0] == 2)
    )
    row = {"id": 2, "kind": "text", "columns": ["body"], "childless": True}
    monkeypatch.setattr(graph_source, "by_id", lambda db, source: graph_source.Source(row, NOTE))
    db.answer(
        "SELECT EXISTS (SELECT FROM pg_catalog.jsonb_to_record($1::jsonb)",
        lambda call: [{"there": call.values[0] == '{"id": 1}'}],
    )
    moments = iter(range(9))
    monkeypatch.setattr(db, "moment", lambda: (next(moments), 0, 0), raising=False)
    assert row_visibility.row_visible(db, 2, '{"id": 1}')
    assert not row_visibility.row_visible(db, 2, '{"id": 5}')
    assert not row_visibility.row_visible(db, 3, '{"id": 1}')
    assert not row_visibility.row_visible(db, None, '{"id": 1}')

    def misfit(db: Any, source: int) -> graph_source.Source:
        raise InvalidInput("a column is gone")

    monkeypatch.setattr(graph_source, "by_id", misfit)
    assert not row_visibility.row_visible(db, 2, '{"id": 1}')


def test_readable_sources_are_listed(db: FakeConnection) -> None:
    db.answer("FROM llm.readable_graph_source AS s", [{"ids": [1, 2]}])
    assert row_visibility.readable_sources(db, True) == [1, 2]
    assert db.calls[-1].values == (True,)
