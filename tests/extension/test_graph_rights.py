"""Two tenants of one graph: neither sees, counts, or walks through what only the other's rows support."""

from __future__ import annotations

import psycopg
import pytest
from database import value
from psycopg import errors

MAPPING = (
    '[{"subject": "name", "predicate": "knows", "object": "friend", "object_type": "person", "subject_type": "person"}]'
)


@pytest.fixture
def shared(db: psycopg.Connection, role: str) -> psycopg.Connection:
    """A table with row-level security: the reader has the rows of tenant 'mine'; Hub is known to both."""
    db.execute("""
        CREATE TABLE contact (id int PRIMARY KEY, tenant text, name text, friend text);
        INSERT INTO contact VALUES
            (1, 'mine', 'Ann', 'Hub'), (2, 'theirs', 'Secret', 'Hub'), (3, 'theirs', 'Secret', 'Zoe'),
            (4, 'mine', 'Zoe', 'Bob'), (5, 'theirs', 'Hub', 'Zoe');
        ALTER TABLE contact ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON contact USING (tenant = 'mine');
        SELECT graph_create('contacts');
    """)
    db.execute("CALL graph_add_columns('contacts', 'contact', %s)", (MAPPING,))
    db.execute(f"GRANT SELECT ON contact TO {role}")
    return db


def number(db: psycopg.Connection, name: str) -> int:
    return int(value(db, "SELECT id FROM llm.all_entity WHERE name = %s", name))


def test_a_tenant_sees_what_its_rows_support(shared: psycopg.Connection, role: str) -> None:
    ids = {name: number(shared, name) for name in ("Ann", "Hub", "Secret", "Zoe", "Bob")}
    shared.execute(f"SET ROLE {role}")
    assert shared.execute("SELECT subject, object, support FROM graph_triples('contacts')").fetchall() == [
        ("Ann", "Hub", 1),
        ("Zoe", "Bob", 1),
    ]
    names = shared.execute("SELECT name, support FROM llm.entity ORDER BY name").fetchall()
    assert names == [("Ann", 1), ("Bob", 1), ("Hub", 1), ("Zoe", 1)]
    assert value(shared, "SELECT count(*) FROM llm.relation") == 2
    assert value(shared, "SELECT count(*) FROM llm.entity_name WHERE name = 'Secret'") == 0
    assert [row[0]["id"] for row in shared.execute("SELECT DISTINCT key FROM llm.evidence ORDER BY key")] == [1, 4]
    assert [row[0] for row in shared.execute("SELECT name FROM graph_neighbors(%s, 5)", (ids["Ann"],))] == ["Hub"]
    assert shared.execute("SELECT * FROM graph_paths(%s, %s)", (ids["Ann"], ids["Bob"])).fetchall() == []
    for call in ("graph_neighbors(%(secret)s)", "graph_paths(%(ann)s, %(secret)s)"):
        with pytest.raises(errors.UndefinedObject, match="no entity"):
            shared.execute(f"SELECT * FROM {call}", {"secret": ids["Secret"], "ann": ids["Ann"]})
    assert "Secret" not in [row[0] for row in shared.execute("SELECT name FROM graph_search('Secret', 'contacts')")]
    assert "Secret" not in value(shared, "SELECT graph_context('Whom does Hub know? Secret', 'contacts')")
    assert value(shared, "SELECT answer FROM graph_answer('Who knows Hub?', 'contacts')") == "Ann"
    assert value(shared, "SELECT answer FROM graph_answer('Whom does Secret know?', 'contacts')") is None


def test_a_hidden_name_is_shown_nowhere_after_merging(shared: psycopg.Connection, role: str) -> None:
    shared.execute("""
        CREATE TABLE hidden (id int PRIMARY KEY, name text, friend text);
        CREATE TABLE shown (id int PRIMARY KEY, name text, friend text);
        INSERT INTO hidden VALUES (1, 'Concealed', 'Carl'); INSERT INTO shown VALUES (1, 'Dora', 'Carl');
    """)
    for table in ("hidden", "shown"):
        shared.execute("CALL graph_add_columns('contacts', %s::regclass, %s)", (table, MAPPING))
    # Names that the reader may not see stand for others: of rows, and of a table.
    for kept, merged in (("Secret", "Zoe"), ("Concealed", "Dora")):
        query = "SELECT graph_merge_entities(%s, %s)"
        shared.execute(query, (number(shared, kept), number(shared, merged)))
    bob, carl = number(shared, "Bob"), number(shared, "Carl")
    shared.execute(f"GRANT SELECT ON shown TO {role}; SET ROLE {role}")
    for start, name in ((bob, "Zoe"), (carl, "Dora")):
        assert shared.execute("SELECT name, type FROM graph_neighbors(%s)", (start,)).fetchall() == [(name, "person")]
        found = shared.execute("SELECT subject_entity FROM llm.relation WHERE object = %s", (start,)).fetchall()
        assert found == [([name, "person"],)]
    for query in ("SELECT name, aliases, embedding FROM llm.entity", "SELECT * FROM llm.relation"):
        said = str(shared.execute(query).fetchall())
        assert "Ann" in said or "Dora" in said
        assert "Secret" not in said
        assert "Concealed" not in said
    shared.execute("RESET ROLE")
    names = [row[0] for row in shared.execute("SELECT name FROM graph_neighbors(%s)", (carl,))]
    assert names == ["Concealed"]


def test_a_hostile_condition_meets_no_hidden_row(shared: psycopg.Connection, role: str) -> None:
    shared.execute(f"GRANT CREATE ON SCHEMA public TO {role}; SET ROLE {role}")
    shared.execute("""
        CREATE FUNCTION leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
        $$ BEGIN IF $1 LIKE '%Secret%' THEN RAISE EXCEPTION 'seen'; END IF; RETURN true; END $$
    """)
    for view in ("llm.entity", "llm.entity_name"):
        shared.execute(f"SELECT * FROM {view} WHERE leak(name)")
    for view in ("llm.relation", "llm.evidence", "llm.own_entity", "llm.own_evidence"):
        shared.execute(f"SELECT * FROM {view} AS v WHERE leak(v::text)")


def test_without_a_right_there_is_nothing(shared: psycopg.Connection, role: str) -> None:
    for grant in ("", "GRANT SELECT (id, name) ON contact TO {}"):
        shared.execute(f"RESET ROLE; REVOKE ALL ON contact FROM {role};" + grant.format(role) + f"; SET ROLE {role}")
        for view in ("entity", "entity_name", "relation", "evidence"):
            assert value(shared, f"SELECT count(*) FROM llm.{view}") == 0
    shared.execute(f"RESET ROLE; GRANT SELECT (id, name, friend, tenant) ON contact TO {role}; SET ROLE {role}")
    assert value(shared, "SELECT count(*) FROM llm.relation") == 2


def test_only_the_owner_changes_a_graph(shared: psycopg.Connection, role: str) -> None:
    shared.execute(f"SET ROLE {role}")
    for call in (
        "SELECT graph_drop('contacts')",
        "SELECT graph_remove('contacts', 'contact')",
        "CALL graph_refresh('contacts')",
        "CALL graph_add('contacts', 'contact', '{name}')",
        "SELECT graph_import('contacts', 'SELECT 1 AS subject, 2 AS predicate, 3 AS object')",
    ):
        with pytest.raises(errors.InsufficientPrivilege, match="must be owner of graph"):
            shared.execute(call)
    # The triggers' function does nothing for others.
    shared.execute("SELECT graph_sync(1, NULL)")
    shared.execute("RESET ROLE")
    assert len(shared.execute("SELECT * FROM graph_triples('contacts')").fetchall()) == 5


def test_a_graph_of_ones_own_opens_no_door_to_another(shared: psycopg.Connection, role: str) -> None:
    secret, theirs = number(shared, "Secret"), value(shared, "SELECT min(id) FROM llm.all_graph")
    row = value(shared, """SELECT id FROM llm.all_graph_row WHERE key = '{"id": 2}'""")
    shared.execute(f"SET ROLE {role}")
    shared.execute("SELECT graph_create('own')")
    shared.execute("SELECT graph_import('own', 'SELECT 1 AS subject, 2 AS predicate, 3 AS object')")
    own = value(shared, "SELECT id FROM llm.own_graph")
    source = value(shared, "SELECT id FROM llm.own_graph_source")
    mine = value(shared, "SELECT min(id) FROM llm.own_entity")
    my_row = value(shared, "SELECT id FROM llm.own_graph_row")
    for closed in ("all_entity", "seen_evidence", "seen_alias", "relation_end"):
        with pytest.raises(errors.InsufficientPrivilege):
            shared.execute(f"SELECT * FROM llm.{closed}")
    # Not even what a restored dump may bring, which the database's owner writes, vouches for another graph.
    shared.execute("RESET ROLE")
    insert = 'INSERT INTO llm.all_evidence (graph, source, "row", entity, extracted, confidence) VALUES'
    for statement in (
        f"{insert} ({own}, {source}, {my_row}, {secret}, {secret}, 1)",
        f"{insert} ({own}, {source}, {row}, {mine}, {mine}, 1)",
        f"{insert} ({theirs}, {source}, {my_row}, {secret}, {secret}, 1)",
        f"INSERT INTO llm.all_relation (graph, subject, predicate, object) VALUES ({own}, {mine}, 'p', {secret})",
    ):
        with pytest.raises(errors.ForeignKeyViolation):
            shared.execute(statement)
    # Said to be one with a hidden entity, it shows nothing of that.
    shared.execute(f"UPDATE llm.all_entity SET merged_into = {secret} WHERE graph = {own}; SET ROLE {role}")
    assert value(shared, f"SELECT count(*) FROM llm.entity WHERE id = {secret} OR name = 'Secret'") == 0
    assert value(shared, f"SELECT count(*) FROM llm.entity_name WHERE entity = {secret}") == 0
    shared.execute("SELECT graph_drop('own')")


def test_writers_need_no_right_on_the_graph(shared: psycopg.Connection, role: str) -> None:
    shared.execute(f"GRANT INSERT ON contact TO {role}; SET ROLE {role}")
    shared.execute("INSERT INTO contact VALUES (9, 'mine', 'New', 'Ann')")
    assert ("New", "Ann") in shared.execute("SELECT subject, object FROM graph_triples('contacts')").fetchall()
