"""Attacks on merges of duplicates: by names in the caller's path, by owners of tables that refer to the merged one."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from database import value
from psycopg import errors, sql

Connect = Callable[..., psycopg.Connection]
CLUSTERS = '[[{"id": 1}, {"id": 2}]]'
PLANTED = """
    CREATE SCHEMA planted;
    CREATE FUNCTION planted.ran() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'ran'; END $$;
    CREATE FUNCTION planted.same(jsonb, jsonb) RETURNS bool LANGUAGE sql AS 'SELECT planted.ran()';
    CREATE OPERATOR planted.= (FUNCTION = planted.same, LEFTARG = jsonb, RIGHTARG = jsonb);
    CREATE FUNCTION planted.unnest(text[]) RETURNS SETOF text LANGUAGE sql AS 'SELECT planted.ran()::text';
    CREATE FUNCTION planted.unnest(jsonb[]) RETURNS SETOF jsonb LANGUAGE sql AS 'SELECT to_jsonb(planted.ran())';
    CREATE FUNCTION planted.clock_timestamp() RETURNS timestamptz LANGUAGE sql
        AS 'SELECT planted.ran()::text::timestamptz';
    CREATE DOMAIN planted.text AS pg_catalog.text CHECK (planted.ran());
    CREATE DOMAIN planted.jsonb AS pg_catalog.jsonb CHECK (planted.ran());
    CREATE DOMAIN planted.int8 AS pg_catalog.int8 CHECK (planted.ran())
"""


@pytest.fixture
def person(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(
        "CREATE TABLE person (id int PRIMARY KEY, name text);"
        "INSERT INTO person VALUES (1, 'Anna'), (2, 'Anna'), (3, 'Bob');"
        "CREATE TABLE visit (id int PRIMARY KEY, person int REFERENCES person);"
        "INSERT INTO visit VALUES (1, 1), (2, 2), (3, 3)"
    )
    return db


def test_names_that_come_before_the_servers_own_in_the_path_are_not_used(person: psycopg.Connection) -> None:
    person.execute(PLANTED)
    person.execute("SET search_path = planted, pg_catalog, public")
    run = value(person, "SELECT llm_merge('public.person', clusters => %s)::pg_catalog.text", CLUSTERS)
    assert person.execute("SELECT id, person FROM visit ORDER BY id").fetchall() == [(1, 1), (2, 1), (3, 3)]
    person.execute("SELECT llm_unmerge(%s::pg_catalog.uuid)", (run,))
    assert person.execute("SELECT id, person FROM visit ORDER BY id").fetchall() == [(1, 1), (2, 2), (3, 3)]


def test_whoever_refers_to_a_table_gains_nothing_and_loses_nothing_by_its_merge(
    person: psycopg.Connection, role: str, connect: Connect
) -> None:
    person.execute(
        sql.SQL("GRANT CREATE ON SCHEMA public TO {0}; GRANT REFERENCES, SELECT ON person TO {0}").format(
            sql.Identifier(role)
        )
    )
    other = connect(role)
    other.execute(
        "CREATE TABLE theirs (id int PRIMARY KEY, person int REFERENCES person, who text);"
        "INSERT INTO theirs VALUES (1, 2);"
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.who := current_user; RETURN NEW; END $$;"
        "CREATE TRIGGER note BEFORE UPDATE ON theirs FOR EACH ROW EXECUTE FUNCTION note()"
    )
    person.execute("SELECT llm_merge('person', clusters => %s)", (CLUSTERS,))
    assert person.execute("SELECT person, who FROM theirs").fetchall() == [(1, role)]
    other.execute("CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$")
    person.execute("INSERT INTO person VALUES (2, 'Bob')")
    other.execute("INSERT INTO theirs VALUES (2, 3)")
    again = '[[{"id": 2}, {"id": 3}]]'
    before = person.execute("SELECT * FROM visit").fetchall(), person.execute("SELECT * FROM person").fetchall()
    with pytest.raises(errors.SerializationFailure):
        person.execute("SELECT llm_merge('person', clusters => %s)", (again,))
    other.execute("ALTER TABLE theirs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    with pytest.raises(errors.ForeignKeyViolation):
        person.execute("SELECT llm_merge('person', clusters => %s)", (again,))
    other.execute("ALTER TABLE theirs DROP CONSTRAINT theirs_pkey")
    with pytest.raises(errors.InvalidParameterValue, match=r"public\.theirs has no primary key"):
        person.execute("SELECT llm_merge('person', clusters => %s)", (again,))
    assert before == (
        person.execute("SELECT * FROM visit").fetchall(),
        person.execute("SELECT * FROM person").fetchall(),
    )
