from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from database import value
from psycopg import errors

Connect = Callable[..., psycopg.Connection]
TABLES = ("graph", "graph_source", "graph_row", "entity", "relation", "evidence", "merge")
MAPPING = json.dumps(
    [
        {"subject": "name", "subject_type": "company", "predicate": "phone", "object": "phone"},
        {"subject": "name", "subject_type": "company", "predicate": "city", "object": "city"},
        {"subject": "boss", "subject_type": "person", "predicate": "leads", "object": "name", "object_type": "company"},
    ]
)
ROWS = [
    (1, "Nordwind Logistics", "040 555 1234", "Hamburg", "Anna Berg"),
    (2, "Nordwind Logistics", "040 555 1234", "Hamburg", "Anna Berg"),
    (3, "Nordwind Logistics GmbH", "040 555 1234", "Hamburg", "A. Berg"),
    (4, "Südwind Logistics", "089 555 9876", "Munich", "Paul Hold"),
    (5, "Nordwind Bakery", "040 555 7777", "Hamburg", "Eva Stein"),
    (6, "Bluestone Mining", "020 111 2222", "Leeds", "Tom Ford"),
    (7, "Blue Stone Mining Ltd.", "020 111 2222", "Leeds", "Tom Ford"),
]


@pytest.fixture
def firms(db: psycopg.Connection) -> psycopg.Connection:
    db.execute("CREATE TABLE firm (id int PRIMARY KEY, name text, phone text, city text, boss text)")
    for row in ROWS:
        db.execute("INSERT INTO firm VALUES (%s, %s, %s, %s, %s)", row)
    db.execute("SELECT graph_create('firms')")
    db.execute("CALL graph_add_columns('firms', 'firm', %s)", (MAPPING,))
    return db


def contents(db: psycopg.Connection) -> dict[str, list[Any]]:
    return {
        name: db.execute(f"SELECT to_jsonb(t) FROM llm.all_{name} AS t ORDER BY to_jsonb(t)::text").fetchall()
        for name in TABLES
    }


def put(db: psycopg.Connection, graph: str, *names: str) -> None:
    """Things that are in the same list."""
    rows = ", ".join(f"('{name}')" for name in names)
    query = f"SELECT name AS subject, 'in' AS predicate, 'list' AS object FROM (VALUES {rows}) AS t (name)"
    db.execute("SELECT graph_import(%s, %s)", (graph, query))


def number(db: psycopg.Connection, name: str) -> int:
    return int(str(value(db, "SELECT id FROM llm.all_entity WHERE name = %s ORDER BY id LIMIT 1", name)))


def merged(db: psycopg.Connection, call: str = "graph_resolve('firms')") -> set[tuple[str, str]]:
    return set(db.execute(f"SELECT name, merged_name FROM {call}").fetchall())


FOUND = {
    frozenset({"Nordwind Logistics", "Nordwind Logistics GmbH"}),
    frozenset({"Bluestone Mining", "Blue Stone Mining Ltd."}),
    frozenset({"Anna Berg", "A. Berg"}),
}


def test_names_of_one_thing_are_merged_and_others_left(firms: psycopg.Connection) -> None:
    rows = firms.execute("SELECT * FROM graph_resolve('firms')").fetchall()
    assert {frozenset({row[1], row[3]}) for row in rows} == FOUND
    assert all(0.85 <= row[4] <= 1 and row[5] for row in rows)
    reasons = {row[3]: row[5] for row in rows}
    assert "same city, phone" in reasons["Nordwind Logistics GmbH"]
    # The one with most evidence is kept.
    assert value(firms, "SELECT aliases FROM llm.entity WHERE name = 'Nordwind Logistics'") == [
        "Nordwind Logistics GmbH"
    ]
    assert firms.execute("SELECT * FROM graph_resolve('firms')").fetchall() == []


def test_relations_and_evidence_follow(firms: psycopg.Connection) -> None:
    firms.execute("SELECT * FROM graph_resolve('firms')")
    triples = firms.execute("SELECT subject, predicate, object, support FROM graph_triples('firms')").fetchall()
    nordwind = [row for row in triples if "Nordwind Logistics" in (row[0], row[2])]
    assert nordwind == [
        ("Anna Berg", "leads", "Nordwind Logistics", 3),
        ("Nordwind Logistics", "city", "Hamburg", 3),
        ("Nordwind Logistics", "phone", "040 555 1234", 3),
    ]
    assert value(firms, "SELECT count(*) FROM llm.evidence WHERE entity = %s", number(firms, "Nordwind Logistics")) == 3


@pytest.mark.parametrize("whole", [False, True])
def test_parting_restores_the_graph_exactly(firms: psycopg.Connection, whole: bool) -> None:
    before = contents(firms)
    rows = firms.execute("SELECT kept, merged FROM graph_resolve('firms')").fetchall()
    assert len(rows) == 3
    if whole:
        assert value(firms, "SELECT graph_unmerge(graph => 'firms')") == 3
    else:
        for _, each in rows:
            assert value(firms, "SELECT graph_unmerge(%s)", each) == 1
        # What was parted one by one is remembered, and otherwise all is as it was.
        assert value(firms, "SELECT count(*) FROM llm.own_merge WHERE state = 'undone'") == 3
        assert firms.execute("SELECT * FROM graph_resolve('firms')").fetchall() == []
        firms.execute("DELETE FROM llm.all_merge")
    assert contents(firms) == before
    assert len(merged(firms)) == 3


def test_parting_one_of_several_leaves_the_others(firms: psycopg.Connection) -> None:
    one, two, three, four = (
        number(firms, f"{name}")
        for name in ("Nordwind Logistics", "Nordwind Logistics GmbH", "Nordwind Bakery", "Südwind Logistics")
    )
    before = contents(firms)
    firms.execute("SELECT graph_merge_entities(%s, %s)", (two, three))
    firms.execute("SELECT graph_merge_entities(%s, %s)", (four, two))
    firms.execute("SELECT graph_merge_entities(%s, %s)", (one, four))
    assert value(firms, "SELECT count(*) FROM llm.entity WHERE type = 'company'") == 3
    # It takes along what was merged into it, and nothing else.
    firms.execute("SELECT graph_unmerge(%s)", (two,))
    names = firms.execute("SELECT name, aliases FROM llm.entity WHERE type = 'company' ORDER BY id").fetchall()
    assert ("Nordwind Logistics", ["Südwind Logistics"]) in names
    assert ("Nordwind Logistics GmbH", ["Nordwind Bakery"]) in names
    firms.execute("SELECT graph_unmerge(graph => 'firms')")
    firms.execute("DELETE FROM llm.all_merge")
    assert contents(firms) == before


def test_what_is_written_later_counts_for_what_stands(firms: psycopg.Connection) -> None:
    firms.execute("SELECT * FROM graph_resolve('firms')")
    firms.execute("INSERT INTO firm VALUES (8, 'Nordwind Logistics GmbH', '040 555 9999', 'Kiel', 'Uwe Karl')")
    triples = {row[:3] for row in firms.execute("SELECT subject, predicate, object FROM graph_triples('firms')")}
    assert ("Nordwind Logistics", "city", "Kiel") in triples
    assert ("Uwe Karl", "leads", "Nordwind Logistics") in triples
    firms.execute("UPDATE firm SET city = 'Bremen' WHERE id = 8")
    triples = {row[:3] for row in firms.execute("SELECT subject, predicate, object FROM graph_triples('firms')")}
    assert ("Nordwind Logistics", "city", "Bremen") in triples
    assert ("Nordwind Logistics", "city", "Kiel") not in triples
    # Parted, it takes along what was written since.
    firms.execute("SELECT graph_unmerge(%s)", (number(firms, "Nordwind Logistics GmbH"),))
    triples = {row[:3] for row in firms.execute("SELECT subject, predicate, object FROM graph_triples('firms')")}
    assert ("Nordwind Logistics GmbH", "city", "Bremen") in triples
    assert ("Nordwind Logistics", "city", "Bremen") not in triples


def test_a_merged_name_without_rows_leaves_no_trace(firms: psycopg.Connection) -> None:
    firms.execute("SELECT * FROM graph_resolve('firms')")
    firms.execute("DELETE FROM firm WHERE id = 3")
    assert value(firms, "SELECT count(*) FROM llm.all_entity WHERE name IN ('Nordwind Logistics GmbH', 'A. Berg')") == 0
    assert value(firms, "SELECT count(*) FROM llm.all_merge") == 1
    # Where the name that was kept is gone, another stands in for it, and then nothing.
    firms.execute("DELETE FROM firm WHERE id = 7")
    assert value(firms, "SELECT array_agg(name) FROM llm.entity WHERE name LIKE 'Blue%'") == ["Bluestone Mining"]
    firms.execute("DELETE FROM firm")
    for name in ("graph_row", "entity", "relation", "evidence", "merge"):
        assert value(firms, f"SELECT count(*) FROM llm.all_{name}") == 0, name


def test_a_resolved_graph_can_be_dropped(firms: psycopg.Connection) -> None:
    firms.execute("SELECT * FROM graph_resolve('firms')")
    firms.execute("SELECT graph_unmerge(%s)", (number(firms, "A. Berg"),))
    firms.execute("SELECT graph_drop('firms')")
    for name in TABLES:
        assert value(firms, f"SELECT count(*) FROM llm.all_{name}") == 0, name


def test_the_kept_name_may_lose_its_rows(firms: psycopg.Connection) -> None:
    rows = dict(firms.execute("SELECT name, merged_name FROM graph_resolve('firms')").fetchall())
    firms.execute("DELETE FROM firm WHERE id IN (1, 2)")
    assert rows["Nordwind Logistics"] == "Nordwind Logistics GmbH"
    found = firms.execute("SELECT name, aliases FROM llm.entity WHERE name LIKE 'Nordwind L%'").fetchall()
    assert found == [("Nordwind Logistics GmbH", [])]
    assert value(firms, "SELECT count(*) FROM graph_triples('firms') WHERE subject = 'Nordwind Logistics GmbH'") == 2
    # Parting sweeps what nothing speaks for.
    firms.execute("SELECT graph_unmerge(%s)", (number(firms, "Nordwind Logistics GmbH"),))
    assert value(firms, "SELECT count(*) FROM llm.all_entity WHERE name = 'Nordwind Logistics'") == 0
    assert value(firms, "SELECT count(*) FROM graph_triples('firms') WHERE subject = 'Nordwind Logistics GmbH'") == 2


def test_what_a_person_says_overrides_what_was_undone(firms: psycopg.Connection) -> None:
    one, two = number(firms, "Nordwind Logistics"), number(firms, "Nordwind Logistics GmbH")
    firms.execute("SELECT * FROM graph_resolve('firms')")
    firms.execute("SELECT graph_unmerge(%s, 'firms')", (two,))
    assert merged(firms) == set()
    firms.execute("SELECT graph_merge_entities(%s, %s)", (one, two))
    states = firms.execute("SELECT state, score, reason FROM llm.own_merge WHERE merged = %s", (two,)).fetchall()
    assert states == [("merged", None, "merged by hand")]


def test_a_chain_of_likeness_does_not_merge_its_ends(db: psycopg.Connection) -> None:
    """Each is a letter from the next, and the ends are two words."""
    chain = ["Marlstone", "Marlstine", "Marltine", "Maritine", "Maritime"]
    db.execute("SELECT graph_create('chain')")
    put(db, "chain", *chain)
    db.execute("SELECT * FROM graph_resolve('chain', 0.5)")
    groups = [{row[0], *row[1]} for row in db.execute("SELECT name, aliases FROM llm.entity")]
    assert any(len(group) > 1 for group in groups)
    assert not any({"Marlstone", "Maritime"} <= group for group in groups)


def test_what_contradicts_speaks_against(db: psycopg.Connection) -> None:
    """Two pairs of persons with the same odds by name: one shares a day of birth, the other's days differ."""
    db.execute("CREATE TABLE person (id int PRIMARY KEY, name text, born text, city text)")
    db.execute(
        "SELECT graph_create('people', relation_types => %s)",
        (json.dumps({"born": {"functional": True}, "city": None}),),
    )
    people = [
        (1, "Katarina Lindqvist", "1970-01-05", "Umea"),
        (2, "Katharina Lindqvist", "1970-01-05", "Umea"),
        (3, "Kristofer Holmgren", "1981-11-30", "Lund"),
        (4, "Christofer Holmgren", "1955-02-14", "Lund"),
        *(
            (10 + n, f"{first} {last}", f"19{n + 40}-03-12", "Lund")
            for n, (first, last) in enumerate([("Anna", "Ek"), ("Bo", "Alm"), ("Cecilia", "Dahl"), ("Erik", "Falk")])
        ),
    ]
    for row in people:
        db.execute("INSERT INTO person VALUES (%s, %s, %s, %s)", row)
    mapping = [{"subject": "name", "predicate": name, "object": name} for name in ("born", "city")]
    db.execute("CALL graph_add_columns('people', 'person', %s)", (json.dumps(mapping),))
    found = {frozenset(pair) for pair in merged(db, "graph_resolve('people')")}
    assert frozenset({"Katarina Lindqvist", "Katharina Lindqvist"}) in found
    assert not any("Holmgren" in name for pair in found for name in pair)


def test_conflicts_are_shown_with_what_speaks_for_each(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE person (id int PRIMARY KEY, name text, born text, likes text)")
    db.execute(
        "INSERT INTO person VALUES (1, 'Ada', '1815', 'tea'), (2, 'Ada', '1815', 'rum'), (3, 'Ada', '1851', 'tea')"
    )
    db.execute("INSERT INTO person VALUES (4, 'Bob', '1901', 'tea'), (5, 'Bob', '1901', 'rum')")
    types = {"born": {"functional": True}, "likes": None}
    db.execute("SELECT graph_create('people', relation_types => %s)", (json.dumps(types),))
    mapping = [{"subject": "name", "predicate": name, "object": name} for name in types]
    db.execute("CALL graph_add_columns('people', 'person', %s)", (json.dumps(mapping),))
    rows = db.execute("SELECT * FROM graph_conflicts('people')").fetchall()
    assert [row[:5] for row in rows] == [(number(db, "Ada"), "Ada", "born", ["1815", "1851"], [1.0, 1.0])]
    evidence = rows[0][5]
    assert [(each["object"], each["key"]) for each in evidence] == [
        ("1815", {"id": 1}),
        ("1815", {"id": 2}),
        ("1851", {"id": 3}),
    ]
    assert {each["table"] for each in evidence} == {"public.person"} or {each["table"] for each in evidence} == {
        "person"
    }
    db.execute("DELETE FROM person WHERE id = 3")
    assert db.execute("SELECT * FROM graph_conflicts('people')").fetchall() == []


def test_two_tenants_see_each_only_its_names(firms: psycopg.Connection, role: str) -> None:
    firms.execute("SELECT * FROM graph_resolve('firms')")
    firms.execute(f"GRANT SELECT ON firm TO {role}; ALTER TABLE firm ENABLE ROW LEVEL SECURITY")
    firms.execute(f"CREATE POLICY seen ON firm TO {role} USING (id = 3)")

    def seen() -> list[Any]:
        return firms.execute("SELECT name, aliases, support FROM llm.entity WHERE type = 'company'").fetchall()

    firms.execute(f"SET ROLE {role}")
    # The kept name's rows are hidden: the merged one's name stands in for it.
    assert seen() == [("Nordwind Logistics GmbH", [], 1)]
    assert firms.execute("SELECT * FROM llm.merge").fetchall() == []
    assert firms.execute("SELECT * FROM llm.own_merge").fetchall() == []
    assert {row[0] for row in firms.execute("SELECT subject FROM graph_triples('firms')")} == {
        "A. Berg",
        "Nordwind Logistics GmbH",
    }
    firms.execute(f"RESET ROLE; ALTER POLICY seen ON firm TO {role} USING (id = 1); SET ROLE {role}")
    assert seen() == [("Nordwind Logistics", [], 1)]
    firms.execute(f"RESET ROLE; ALTER POLICY seen ON firm TO {role} USING (id IN (1, 3)); SET ROLE {role}")
    assert seen() == [("Nordwind Logistics", ["Nordwind Logistics GmbH"], 2)]
    names = firms.execute("SELECT name, merged_name FROM llm.merge ORDER BY 1").fetchall()
    assert names == [("Anna Berg", "A. Berg"), ("Nordwind Logistics", "Nordwind Logistics GmbH")]
    with pytest.raises(errors.InsufficientPrivilege):
        firms.execute("SELECT * FROM llm.all_merge")


def test_conflicts_are_those_that_the_caller_may_see(db: psycopg.Connection, role: str) -> None:
    db.execute("CREATE TABLE person (id int PRIMARY KEY, name text, born text)")
    db.execute("INSERT INTO person VALUES (1, 'Ada', '1815'), (2, 'Ada', '1851'), (3, 'Ada', '1885')")
    db.execute("SELECT graph_create('people', relation_types => %s)", (json.dumps({"born": {"functional": True}}),))
    db.execute(
        """CALL graph_add_columns('people', 'person', '[{"subject": "name", "predicate": "born", "object": "born"}]')"""
    )
    db.execute(f"GRANT SELECT ON person TO {role}; ALTER TABLE person ENABLE ROW LEVEL SECURITY")
    db.execute(f"CREATE POLICY seen ON person TO {role} USING (id < 3)")
    assert value(db, "SELECT objects FROM graph_conflicts('people')") == ["1815", "1851", "1885"]
    db.execute(f"SET ROLE {role}")
    assert value(db, "SELECT objects FROM graph_conflicts('people')") == ["1815", "1851"]
    assert value(db, "SELECT jsonb_array_length(evidence) FROM graph_conflicts('people')") == 2
    db.execute(f"RESET ROLE; ALTER POLICY seen ON person TO {role} USING (id < 2); SET ROLE {role}")
    assert db.execute("SELECT * FROM graph_conflicts('people')").fetchall() == []


def test_two_graphs_become_one(db: psycopg.Connection) -> None:
    db.execute(
        "CREATE TABLE firm (id int PRIMARY KEY, name text, city text);"
        " INSERT INTO firm VALUES (1, 'Nordwind GmbH', 'Kiel')"
    )
    db.execute(
        "CREATE TABLE client (id int PRIMARY KEY, name text, city text);"
        " INSERT INTO client VALUES (1, 'NORDWIND', 'Kiel')"
    )
    mapping = '[{"subject": "name", "subject_type": "firm", "predicate": "in", "object": "city"}]'
    for graph, table in (("a", "firm"), ("b", "client")):
        db.execute(f"SELECT graph_create('{graph}'); CALL graph_add_columns('{graph}', '{table}', '{mapping}')")
    imported = (
        "SELECT 'Ulm' AS subject, 'city' AS subject_type, 'near' AS predicate, 'Kempten' AS object, 0.5 AS confidence"
    )
    db.execute("SELECT graph_import('b', %s)", (imported,))
    before = db.execute("SELECT * FROM graph_triples('b')").fetchall()
    assert value(db, "SELECT graph_merge('a', 'b')") == 1
    triples = db.execute("SELECT subject, predicate, object, support, confidence FROM graph_triples('a')").fetchall()
    assert triples == [("Nordwind GmbH", "in", "Kiel", 2, 1.0), ("Ulm", "near", "Kempten", 1, 0.5)]
    # Both go on being kept true.
    assert db.execute("SELECT * FROM graph_triples('b')").fetchall() == before
    db.execute("UPDATE client SET city = 'Bonn'")
    assert ("Nordwind GmbH", "in", "Bonn") in db.execute(
        "SELECT subject, predicate, object FROM graph_triples('a')"
    ).fetchall()
    # Again is no more.
    assert value(db, "SELECT graph_merge('a', 'b')") == 0
    db.execute("SELECT graph_drop('b')")
    db.execute("DELETE FROM client")
    triples = db.execute("SELECT subject, predicate, object FROM graph_triples('a')").fetchall()
    assert triples == [("Nordwind GmbH", "in", "Kiel"), ("Ulm", "near", "Kempten")]


def test_what_was_decided_by_hand_goes_along(db: psycopg.Connection) -> None:
    for graph in ("a", "b"):
        db.execute(f"SELECT graph_create('{graph}')")
    put(db, "b", "red", "rouge", "colour", "color")
    db.execute("SELECT graph_merge_entities(%s, %s)", (number(db, "red"), number(db, "rouge")))
    db.execute("SELECT graph_merge_entities(%s, %s)", (number(db, "colour"), number(db, "color")))
    db.execute("SELECT graph_unmerge(%s)", (number(db, "color"),))
    assert value(db, "SELECT graph_merge('a', 'b', 0.3)") == 1
    of = """
        SELECT e.name, e.aliases FROM llm.entity AS e JOIN llm.graph AS g ON g.id = e.graph
        WHERE g.name = 'a' ORDER BY 1
    """
    assert db.execute(of).fetchall() == [("color", []), ("colour", []), ("list", []), ("red", ["rouge"])]


def test_graphs_that_do_not_fit_are_not_merged(db: psycopg.Connection) -> None:
    db.execute(
        "CREATE TABLE firm (id int PRIMARY KEY, name text, city text); INSERT INTO firm VALUES (1, 'Nordwind', 'Kiel')"
    )
    db.execute("SELECT graph_create('a', '{person}'); SELECT graph_create('b'); SELECT graph_create('c')")
    db.execute("""CALL graph_add_columns('b', 'firm', '{"subject": "name", "predicate": "in", "object": "city"}')""")
    db.execute("""CALL graph_add_columns('c', 'firm', '{"subject": "name", "predicate": "at", "object": "city"}')""")
    with pytest.raises(errors.InvalidParameterValue, match='has no entity type "firm"'):
        db.execute("SELECT graph_merge('a', 'b')")
    with pytest.raises(errors.DuplicateObject, match="in another way"):
        db.execute("SELECT graph_merge('b', 'c')")
    with pytest.raises(errors.InvalidParameterValue, match="with itself"):
        db.execute("SELECT graph_merge('a', 'a')")
    assert value(db, "SELECT count(*) FROM llm.all_graph_source") == 2


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("graph_resolve(NULL)", errors.InvalidParameterValue, "graph must not be NULL"),
        ("graph_resolve('none')", errors.UndefinedObject, 'there is no graph "none"'),
        ("graph_resolve('firms', NULL)", errors.InvalidParameterValue, "threshold must not be NULL"),
        ("graph_resolve('firms', 1.1)", errors.InvalidParameterValue, "threshold must lie between 0 and 1"),
        ("graph_resolve('firms', 'NaN')", errors.InvalidParameterValue, "threshold must lie between 0 and 1"),
        ("graph_merge(NULL, 'firms')", errors.InvalidParameterValue, "a must not be NULL"),
        ("graph_merge('firms', NULL)", errors.InvalidParameterValue, "b must not be NULL"),
        ("graph_merge('firms', 'none')", errors.UndefinedObject, 'there is no graph "none"'),
        ("graph_merge('firms', 'other', 2)", errors.InvalidParameterValue, "threshold"),
        ("graph_merge_entities(NULL, 1)", errors.InvalidParameterValue, "kept must not be NULL"),
        ("graph_merge_entities(1, NULL)", errors.InvalidParameterValue, "merged must not be NULL"),
        ("graph_merge_entities(1, 1)", errors.InvalidParameterValue, "with itself"),
        ("graph_merge_entities(1, 999999)", errors.UndefinedObject, "there is no entity 999999"),
        ("graph_merge_entities(-1, 1)", errors.UndefinedObject, "there is no entity -1"),
        ("graph_unmerge()", errors.InvalidParameterValue, "say which entity"),
        ("graph_unmerge(1)", errors.InvalidParameterValue, "not merged"),
        ("graph_unmerge(999999)", errors.UndefinedObject, "there is no entity 999999"),
        ("graph_unmerge(1, 'other')", errors.UndefinedObject, "has no entity 1"),
        ("graph_unmerge(graph => 'none')", errors.UndefinedObject, 'there is no graph "none"'),
        ("graph_conflicts(NULL)", errors.InvalidParameterValue, "graph must not be NULL"),
        ("graph_conflicts('none')", errors.UndefinedObject, 'there is no graph "none"'),
    ],
)
def test_bad_input(firms: psycopg.Connection, call: str, error: type[Exception], message: str) -> None:
    firms.execute("SELECT graph_create('other')")
    before = contents(firms)
    with pytest.raises(error, match=message):
        firms.execute(f"SELECT * FROM {call}")
    assert contents(firms) == before


def test_what_cannot_be_one_thing(firms: psycopg.Connection) -> None:
    firms.execute("SELECT graph_create('other')")
    firms.execute(
        "SELECT graph_import('other', 'SELECT ''Nordwind AG'' AS subject, ''in'' AS predicate, ''Kiel'' AS object')"
    )
    one, two, city = (number(firms, name) for name in ("Nordwind Logistics", "Nordwind Logistics GmbH", "Hamburg"))
    with pytest.raises(errors.InvalidParameterValue, match='two types, "company" and "city"'):
        firms.execute("SELECT graph_merge_entities(%s, %s)", (one, city))
    with pytest.raises(errors.InvalidParameterValue, match="two graphs"):
        firms.execute("SELECT graph_merge_entities(%s, %s)", (one, number(firms, "Nordwind AG")))
    firms.execute("SELECT graph_merge_entities(%s, %s)", (one, two))
    for pair in ((one, two), (two, one), (two, number(firms, "Nordwind Bakery"))):
        with pytest.raises(errors.InvalidParameterValue, match="merged already"):
            firms.execute("SELECT graph_merge_entities(%s, %s)", pair)


def test_only_the_owner_merges(firms: psycopg.Connection, role: str) -> None:
    one, two = number(firms, "Nordwind Logistics"), number(firms, "Nordwind Logistics GmbH")
    firms.execute(f"GRANT SELECT ON firm TO {role}; SET ROLE {role}")
    firms.execute("SELECT graph_create('mine')")
    calls = (
        "graph_resolve('firms')",
        "graph_merge('firms', 'mine')",
        "graph_merge('mine', 'firms')",
        f"graph_merge_entities({one}, {two})",
        f"graph_unmerge({two})",
        "graph_unmerge(graph => 'firms')",
    )
    for call in calls:
        with pytest.raises(errors.InsufficientPrivilege, match='must be owner of graph "firms"'):
            firms.execute(f"SELECT * FROM {call}")
    firms.execute(f"RESET ROLE; REVOKE SELECT ON firm FROM {role}; SET ROLE {role}")
    # Of what it does not see it learns nothing, not even that it is there.
    with pytest.raises(errors.UndefinedObject, match=f"there is no entity {one}"):
        firms.execute(f"SELECT graph_merge_entities({one}, {two})")


def test_a_role_resolves_a_graph_of_its_own(db: psycopg.Connection, role: str) -> None:
    db.execute(f"SET ROLE {role}")
    db.execute("SELECT graph_create('mine')")
    put(db, "mine", "Angela Merkel", "Merkel, Angela")
    assert len(db.execute("SELECT * FROM graph_resolve('mine')").fetchall()) == 1
    assert value(db, "SELECT graph_unmerge(graph => 'mine')") == 1


def test_an_empty_graph_has_nothing_to_merge(db: psycopg.Connection) -> None:
    db.execute("SELECT graph_create('empty')")
    assert db.execute("SELECT * FROM graph_resolve('empty')").fetchall() == []
    assert value(db, "SELECT graph_unmerge(graph => 'empty')") == 0
    assert db.execute("SELECT * FROM graph_conflicts('empty')").fetchall() == []
    db.execute("SELECT graph_create('other')")
    assert value(db, "SELECT graph_merge('empty', 'other')") == 0


def test_strange_names(db: psycopg.Connection) -> None:
    """Long ones that differ only at their ends, marks alone, other scripts."""
    names = [
        "x" * 10_000,
        "x" * 9_999 + "y",
        "word " * 2_000,
        "!!!",
        "???",
        "\u0301",
        "北京大学",
        "北京 大学",
        "清华大学",
        "0",
        "00",
        "'; DROP TABLE firm; --",
        "😀",
        "😃",
    ]
    db.execute("CREATE TABLE thing (id serial PRIMARY KEY, name text)")
    for name in names:
        db.execute("INSERT INTO thing (name) VALUES (%s)", (name,))
    db.execute("SELECT graph_create('strange')")
    db.execute("""CALL graph_add_columns('strange', 'thing', '{"subject": "name"}')""")
    assert {frozenset(pair) for pair in merged(db, "graph_resolve('strange')")} == {
        frozenset({"北京大学", "北京 大学"})
    }


def test_writers_wait_for_a_merge_and_see_it(firms: psycopg.Connection, connect: Connect) -> None:
    other = connect()
    other.autocommit = False
    other.execute("SELECT * FROM graph_resolve('firms')")
    firms.execute("SET lock_timeout = '300ms'")
    with pytest.raises(errors.LockNotAvailable):
        firms.execute("INSERT INTO firm VALUES (9, 'Nordwind Logistics GmbH', '1', 'Kiel', 'Uwe Karl')")
    other.commit()
    firms.execute("INSERT INTO firm VALUES (9, 'Nordwind Logistics GmbH', '1', 'Kiel', 'Uwe Karl')")
    assert (
        value(
            firms,
            "SELECT count(*) FROM graph_triples('firms') WHERE subject = 'Nordwind Logistics' AND object = 'Kiel'",
        )
        == 1
    )


@pytest.mark.slow
def test_a_large_type_is_searched_by_an_index(db: psycopg.Connection) -> None:
    """Made-up words, of which twenty stand a second time with a letter less."""
    words = "initcap(translate(left(md5({0}::text), 9), '0123456789', 'ghijklmnop'))"
    db.execute("CREATE TABLE thing (id serial PRIMARY KEY, name text)")
    db.execute(
        f"INSERT INTO thing (name) SELECT {words.format('n')} || ' ' || {words.format('(-n)')}"
        " FROM generate_series(1, 2100) AS n"
    )
    db.execute("INSERT INTO thing (name) SELECT overlay(name PLACING '' FROM 13 FOR 1) FROM thing WHERE id <= 20")
    db.execute("SELECT graph_create('many')")
    query = "SELECT name AS subject, 'in' AS predicate, 'list' AS object FROM thing"
    db.execute("SELECT graph_import('many', %s)", (query,))
    found = db.execute("SELECT name, merged_name FROM graph_resolve('many')").fetchall()
    twins = db.execute("SELECT a.name, b.name FROM thing AS a JOIN thing AS b ON b.id = a.id + 2100").fetchall()
    assert {frozenset(pair) for pair in twins} == {frozenset(pair) for pair in found}
