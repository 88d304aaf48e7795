"""The extension in any schema, beside any other objects, under any search path."""

from __future__ import annotations

import threading

import psycopg
import pytest
from database import value
from workbench.cluster import Cluster

# Everything of PostgreSQL that a careless query would take from the caller's path.
TRAPS = """
    CREATE SCHEMA trap;
    CREATE FUNCTION trap.caught() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught'; END $$;
    CREATE FUNCTION trap.caught_text(text, text) RETURNS bool LANGUAGE sql AS 'SELECT trap.caught()';
    CREATE OPERATOR trap.= (leftarg = text, rightarg = text, function = trap.caught_text);
    CREATE OPERATOR trap.<> (leftarg = text, rightarg = text, function = trap.caught_text);
    CREATE FUNCTION trap.caught_oid(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT trap.caught()';
    CREATE OPERATOR trap.= (leftarg = oid, rightarg = oid, function = trap.caught_oid);
    CREATE FUNCTION trap.caught_name(name, text) RETURNS bool LANGUAGE sql AS 'SELECT trap.caught()';
    CREATE OPERATOR trap.= (leftarg = name, rightarg = text, function = trap.caught_name);
    CREATE FUNCTION trap.caught_vector(vector, vector) RETURNS float8 LANGUAGE sql AS 'SELECT 0 / 0::float8';
    CREATE OPERATOR trap.<=> (leftarg = vector, rightarg = vector, function = trap.caught_vector);
    CREATE FUNCTION trap.current_setting(text, bool) RETURNS text LANGUAGE sql AS 'SELECT trap.caught()::text';
    CREATE FUNCTION trap.current_setting(text) RETURNS text LANGUAGE sql AS 'SELECT trap.caught()::text';
    CREATE FUNCTION trap.set_config(text, text, bool) RETURNS text LANGUAGE sql AS 'SELECT trap.caught()::text';
    CREATE FUNCTION trap.to_tsvector(regconfig, text) RETURNS tsvector LANGUAGE sql
        AS 'SELECT trap.caught()::text::tsvector';
    CREATE FUNCTION trap.concat_ws(text, text) RETURNS text LANGUAGE sql AS 'SELECT trap.caught()::text';
    CREATE FUNCTION trap.jsonb_agg(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT trap.caught()::text::jsonb';
    CREATE FUNCTION trap.pg_has_role(text, text) RETURNS bool LANGUAGE sql AS 'SELECT trap.caught()';
    CREATE FUNCTION trap.semantic_sync(regclass, text, jsonb) RETURNS void LANGUAGE sql AS 'SELECT trap.caught()';
    CREATE VIEW trap.pg_class AS SELECT trap.caught();
    CREATE VIEW trap.pg_trigger AS SELECT trap.caught();
    CREATE VIEW trap.model AS SELECT trap.caught();
"""


def use(db: psycopg.Connection, functions: str = "public") -> None:
    """A life of an index in `data.note`, with what each step must give."""
    db.execute("CREATE TABLE data.note (id int PRIMARY KEY, body text)")
    db.execute("INSERT INTO data.note VALUES (1, 'a cat'), (2, 'an engine')")
    db.execute(f"CALL {functions}.semantic_index('data.note', '{{body}}')")
    db.execute("INSERT INTO data.note VALUES (3, 'a violin')")
    db.execute("UPDATE data.note SET body = 'a loaf of bread' WHERE id = 2")
    for mode in ("vector", "text", "hybrid"):
        for query, key in (("violin", 3), ("bread", 2)):
            found = f"{functions}.semantic_search('{query}', 'data.note', 1, '{mode}')"
            assert value(db, f"SELECT s.key OPERATOR(pg_catalog.->>) 'id' FROM {found} AS s") == str(key)
    filtered = (
        f"""SELECT s.key FROM {functions}.semantic_search('bread', 'data.note', filter => '{{"body": "a cat"}}') s"""
    )
    assert db.execute(filtered).fetchall() == [({"id": 1},)]
    db.execute(f"CALL {functions}.semantic_refresh('data.note')")
    assert value(db, f"SELECT {functions}.llm_similarity('cat', 'kitten')") > 0.5
    assert len(db.execute(f"SELECT name FROM {functions}.llm_models").fetchall()) == 6
    assert db.execute(f"SELECT * FROM {functions}.llm_progress").fetchall() == []
    path = "SELECT pg_catalog.current_setting('search_path')"
    before = value(db, path)
    db.execute(f"CALL {functions}.semantic_drop('data.note')")
    assert value(db, path) == before


def test_a_callers_traps_catch_nothing(db: psycopg.Connection) -> None:
    db.execute("CREATE SCHEMA data")
    db.execute(TRAPS)
    db.execute("SET search_path = trap, pg_catalog, public")
    with pytest.raises(psycopg.errors.RaiseException, match="caught"):
        db.execute("SELECT 'a'::text = 'b'::text")
    use(db)


def test_temporary_objects_catch_nothing(db: psycopg.Connection) -> None:
    db.execute("CREATE SCHEMA data")
    db.execute("CREATE TEMPORARY VIEW pg_class AS SELECT 1 / 0 AS oid; CREATE TEMPORARY VIEW changed AS SELECT 1")
    db.execute("CREATE TEMPORARY TABLE note (id int PRIMARY KEY, body text); CREATE TEMPORARY TABLE model ()")
    use(db)


@pytest.mark.parametrize(("schema", "vector"), [("other", "v"), ('"Some Schema"', '"V W"'), ("public", "v")])
def test_any_schema_for_the_extension_and_for_vectors(db: psycopg.Connection, schema: str, vector: str) -> None:
    db.execute("DROP EXTENSION pg_llm; DROP EXTENSION vector; CREATE SCHEMA data")
    db.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE SCHEMA {vector}; CREATE EXTENSION vector SCHEMA {vector}")
    db.execute(f"CREATE EXTENSION pg_llm SCHEMA {schema}")
    db.execute("SET search_path = ''")
    use(db, schema)
    assert value(db, "SELECT count(*) FROM pg_depend WHERE deptype = 'e' AND refobjid = 'llm'::regnamespace") == 0
    db.execute("DROP EXTENSION pg_llm")
    assert value(db, "SELECT count(*) FROM pg_namespace WHERE nspname = 'llm'") == 0


def test_two_databases_install_at_once_and_share_one_host(cluster: Cluster, db: psycopg.Connection) -> None:
    names = ["at_once_1", "at_once_2", "at_once_3"]
    for name in names:
        cluster.sql(f"CREATE DATABASE {name}")
    try:
        ready = threading.Barrier(len(names))
        found: dict[str, tuple[str, int]] = {}

        def install(name: str) -> None:
            with psycopg.connect(cluster.dsn(name), autocommit=True) as connection:
                connection.execute("SET client_min_messages = warning")
                ready.wait(30)
                connection.execute("CREATE EXTENSION pg_llm CASCADE")
                vector = value(connection, "SELECT llm_embed('at once')::text")
                found[name] = vector, value(connection, "SELECT max(host_pid) FROM llm_status()")

        threads = [threading.Thread(target=install, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == names
        assert set(found.values()) == {
            (value(db, "SELECT llm_embed('at once')::text"), value(db, "SELECT max(host_pid) FROM llm_status()"))
        }
    finally:
        for name in names:
            cluster.sql(f"DROP DATABASE {name} WITH (FORCE)")


def test_every_column_of_a_view_that_clients_list_has_a_comment(db: psycopg.Connection) -> None:
    columns = """
        SELECT c.relname, a.attname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
        JOIN pg_depend AS d ON d.objid = c.oid AND d.deptype = 'e' AND d.classid = 'pg_class'::regclass
        WHERE c.relkind = 'v' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0
        AND col_description(a.attrelid, a.attnum) IS NULL
    """
    assert db.execute(columns).fetchall() == []
