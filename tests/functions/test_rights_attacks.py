"""A second attack: each test shows code of a hostile role that runs with the rights of another, or work that it stops.

Roles: `eve` is a plain role with a schema and tables of her own, `carol` has CREATEROLE and was granted eve's tables,
`alice` is another plain role. A payload says in a NOTICE of the victim's session as whom it runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import psycopg
import pytest
from database import value
from psycopg import errors
from workbench.cluster import Cluster

Connect = Callable[..., psycopg.Connection]
# Says as whom it runs; `run` is for policies and views, `did` for triggers.
PAYLOAD = """
    CREATE FUNCTION lair.run() RETURNS text LANGUAGE plpgsql AS
        $$BEGIN RAISE NOTICE 'payload ran as %', current_user; RETURN 'x'; END$$;
    CREATE FUNCTION lair.did() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN PERFORM lair.run(); RETURN NEW; END$$;
"""


@pytest.fixture
def eve(db: psycopg.Connection, connect: Connect) -> Iterator[psycopg.Connection]:
    for role, right in (("eve", ""), ("carol", "CREATEROLE"), ("alice", "")):
        db.execute(f"CREATE ROLE {role} LOGIN {right}")
    db.execute("CREATE SCHEMA lair AUTHORIZATION eve; GRANT CREATE ON SCHEMA public TO alice")
    own = connect("eve")
    own.execute("GRANT USAGE ON SCHEMA lair TO PUBLIC")
    own.execute(PAYLOAD)
    yield own
    for role in ("eve", "carol", "alice"):
        db.execute(f"DROP OWNED BY {role} CASCADE")
        db.execute(f"DROP ROLE {role}")


def listening(connection: psycopg.Connection) -> list[str]:
    heard: list[str] = []
    connection.add_notice_handler(lambda diagnostic: heard.append(str(diagnostic.message_primary)))
    return heard


def during(victim: psycopg.Connection, query: str, watcher: psycopg.Connection, *steps: Callable[[], object]) -> None:
    """Run a query, and a step each time that it waits for a lock."""

    def run() -> None:
        with suppress(psycopg.Error):
            victim.execute(query)

    running = threading.Thread(target=run)
    running.start()
    waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = %s AND NOT granted)"
    for step in steps:
        until = time.monotonic() + 20
        while running.is_alive() and time.monotonic() < until and not value(watcher, waits, victim.info.backend_pid):
            pass
        step()
    running.join()


# 1. Types of parameters are looked up in whatever search path a query is first used under, and kept for the session.
CACHED = """
    CREATE FUNCTION lair.check(v pg_catalog.text) RETURNS bool LANGUAGE plpgsql AS
        $$BEGIN PERFORM lair.run(); RETURN true; END$$;
    CREATE DOMAIN lair.text AS pg_catalog.text CHECK (lair.check(VALUE));
"""


def test_a_kept_statement_has_no_types_of_others(db: psycopg.Connection, eve: psycopg.Connection) -> None:
    """The superuser profiles a table of eve's, as documented with her rights; then draws a chart of his own."""
    eve.execute(CACHED)
    eve.execute("""
        CREATE FUNCTION lair.prime() RETURNS bool LANGUAGE plpgsql SET search_path = lair, pg_catalog AS
            $$BEGIN PERFORM public.llm_chart('SELECT 1 AS a'); RETURN true; END$$;
        CREATE TABLE lair.bait (id int PRIMARY KEY, body pg_catalog.text);
        INSERT INTO lair.bait VALUES (1, 'hello');
        ALTER TABLE lair.bait ENABLE ROW LEVEL SECURITY;
        ALTER TABLE lair.bait FORCE ROW LEVEL SECURITY;
        CREATE POLICY p ON lair.bait USING (lair.prime());
    """)
    heard = listening(db)
    db.execute("SELECT * FROM llm_profile('lair.bait')")
    db.execute("SELECT llm_chart_svg('SELECT 1 AS a')")
    assert "payload ran as postgres" not in heard


def test_a_kept_statement_leaves_a_definers_rights_alone(eve: psycopg.Connection, connect: Connect) -> None:
    connect("alice").execute("""
        CREATE FUNCTION public.chart() RETURNS text LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, public, pg_temp AS $$SELECT public.llm_chart_svg('SELECT 1 AS a')$$
    """)
    eve.execute(CACHED)
    heard = listening(eve)
    eve.execute("SET search_path = lair, pg_catalog")
    eve.execute("SELECT public.llm_chart('SELECT 1 AS a')")
    eve.execute("RESET search_path")
    eve.execute("SELECT public.chart()")
    assert "payload ran as alice" not in heard


# 2. What was checked by number is locked and read by name: while the lock is waited for, the name is given away.
def test_a_name_that_is_given_away(eve: psycopg.Connection, connect: Connect) -> None:
    eve.execute("""
        CREATE TABLE lair.a (id int PRIMARY KEY, body text);
        CREATE TABLE lair.decoy (id int PRIMARY KEY, body text);
        INSERT INTO lair.decoy VALUES (1, 'y');
        ALTER TABLE lair.decoy ENABLE ROW LEVEL SECURITY;
        CREATE POLICY p ON lair.decoy USING (lair.run() = 'x');
        GRANT SELECT ON lair.a, lair.decoy TO carol;
    """)
    changing = connect("eve")
    changing.execute("BEGIN; ALTER TABLE lair.a RENAME TO b; ALTER TABLE lair.decoy RENAME TO a")
    carol = connect("carol")
    heard = listening(carol)
    during(carol, "SELECT * FROM llm_profile('lair.a')", eve, lambda: changing.execute("COMMIT"))
    assert "payload ran as carol" not in heard


def test_a_view_of_graphs_runs_nothing_of_a_source(eve: psycopg.Connection, connect: Connect) -> None:
    """alice names no table, has nothing to do with eve, and is no more powerful."""
    eve.execute("""
        CREATE TABLE lair.src (id int PRIMARY KEY, a text, b text);
        CREATE TABLE lair.decoy (id int PRIMARY KEY, a text, b text);
        INSERT INTO lair.src VALUES (1, 'x', 'y');
        INSERT INTO lair.decoy VALUES (1, 'x', 'y');
        ALTER TABLE lair.src ENABLE ROW LEVEL SECURITY;
        ALTER TABLE lair.decoy ENABLE ROW LEVEL SECURITY;
        CREATE POLICY p ON lair.src USING (true);
        CREATE POLICY p ON lair.decoy USING (lair.run() = 'x');
        GRANT SELECT ON lair.src, lair.decoy TO PUBLIC;
        SELECT graph_create('g');
    """)
    mapping = '[{"subject": "a", "predicate": "is", "object": "b"}]'
    eve.execute("CALL graph_add_columns('g', 'lair.src', %s::jsonb)", (mapping,))
    changing = connect("eve")
    changing.execute("BEGIN; ALTER TABLE lair.src RENAME TO gone; ALTER TABLE lair.decoy RENAME TO src")
    alice = connect("alice")
    heard = listening(alice)
    during(alice, "SELECT * FROM llm.entity", eve, lambda: changing.execute("COMMIT"))
    assert "payload ran as alice" not in heard


def test_a_question_runs_nothing_of_a_table_that_nobody_named(
    db: psycopg.Connection, eve: psycopg.Connection, connect: Connect
) -> None:
    eve.execute("""
        CREATE TABLE lair.planet (id int PRIMARY KEY, name text);
        INSERT INTO lair.planet VALUES (1, 'Mars');
        CREATE VIEW lair.v AS SELECT 1 AS id, lair.run() AS name;
    """)
    first, second = connect("eve"), connect("eve")
    first.execute("BEGIN; ALTER TABLE lair.planet RENAME TO planet2; CREATE TABLE lair.planet (id int PRIMARY KEY)")

    def swap() -> None:
        first.execute("COMMIT")
        second.execute("BEGIN; ALTER TABLE lair.planet2 RENAME TO planet3; ALTER VIEW lair.v RENAME TO planet2")

    heard = listening(db)
    question = "SELECT * FROM ask('What is the name of the planet with id 1?')"
    during(db, question, eve, swap, lambda: second.execute("COMMIT"))
    assert "payload ran as postgres" not in heard


def test_a_view_that_is_replaced_meanwhile(eve: psycopg.Connection, connect: Connect) -> None:
    """Views are not locked at all before it is asked what is in them; alice names no table."""
    eve.execute("""
        CREATE TABLE lair.base (id int PRIMARY KEY, name text);
        INSERT INTO lair.base VALUES (1, 'Io');
        CREATE VIEW lair.moon AS SELECT id, name FROM lair.base;
        GRANT SELECT ON lair.moon TO PUBLIC;
    """)
    changing = connect("eve")
    changing.execute("BEGIN; CREATE OR REPLACE VIEW lair.moon AS SELECT id, lair.run() AS name FROM lair.base")
    alice = connect("alice")
    heard = listening(alice)
    question = "SELECT * FROM ask('What is the name of the moon with id 1?')"
    during(alice, question, eve, lambda: changing.execute("COMMIT"))
    assert "payload ran as alice" not in heard


def test_a_cast_that_is_made_meanwhile(eve: psycopg.Connection, connect: Connect) -> None:
    eve.execute("""
        CREATE TYPE lair.color AS ENUM ('red');
        CREATE FUNCTION lair.color_json(lair.color) RETURNS json LANGUAGE plpgsql AS
            $$BEGIN PERFORM lair.run(); RETURN '1'; END$$;
        CREATE TABLE lair.paint (id int PRIMARY KEY, body text, c lair.color);
        INSERT INTO lair.paint VALUES (1, 'a red paint', 'red');
        GRANT SELECT ON lair.paint TO carol;
    """)
    eve.execute("CALL semantic_index('lair.paint', '{body}')")
    changing = connect("eve")
    changing.execute("BEGIN; LOCK TABLE lair.paint")

    def cast() -> None:
        eve.execute("CREATE CAST (lair.color AS json) WITH FUNCTION lair.color_json")
        changing.execute("COMMIT")

    carol = connect("carol")
    heard = listening(carol)
    during(carol, "SELECT * FROM semantic_search('paint', 'lair.paint')", eve, cast)
    assert "payload ran as carol" not in heard


# 3. Foreign keys bring code along: that of the table which follows a key, and the cast to the type of the key.
FOREIGN_KEYS = {
    "a trigger on a table that follows": """
        CREATE TABLE lair.child (town text, z int, FOREIGN KEY (town, z) REFERENCES lair.town (town, z)
                                 ON UPDATE CASCADE);
        INSERT INTO lair.child VALUES ('Oslo  ', 70);
        CREATE TRIGGER t AFTER UPDATE ON lair.child FOR EACH ROW EXECUTE FUNCTION lair.did();
    """,
    "a cast to the type of the key": """
        CREATE TYPE lair.color AS ENUM ('red');
        CREATE FUNCTION lair.color_int(lair.color) RETURNS int LANGUAGE plpgsql AS
            $$BEGIN PERFORM lair.run(); RETURN 1; END$$;
        CREATE CAST (lair.color AS int) WITH FUNCTION lair.color_int AS IMPLICIT;
        CREATE TABLE lair.key (id int PRIMARY KEY);
        INSERT INTO lair.key VALUES (1);
        ALTER TABLE lair.town ADD c lair.color;
        UPDATE lair.town SET c = 'red';
        ALTER TABLE lair.town ADD FOREIGN KEY (c) REFERENCES lair.key;
    """,
}


@pytest.mark.parametrize("kind", FOREIGN_KEYS)
def test_foreign_keys_of_a_table_that_is_cleaned(eve: psycopg.Connection, connect: Connect, kind: str) -> None:
    eve.execute("""
        CREATE TABLE lair.town (id int PRIMARY KEY, town text, z int, UNIQUE (town, z));
        INSERT INTO lair.town SELECT g, 'Oslo', g FROM generate_series(1, 60) AS g;
        INSERT INTO lair.town VALUES (70, 'Oslo  ', 70);
        GRANT SELECT, UPDATE ON lair.town TO carol;
    """)
    eve.execute(FOREIGN_KEYS[kind])
    carol = connect("carol")
    heard = listening(carol)
    run = value(carol, "SELECT llm_find_errors('lair.town', '{town}')")
    assert value(carol, "SELECT llm_propose_repairs(%s)", run) == 1
    with suppress(psycopg.errors.InsufficientPrivilege):
        carol.execute("SELECT llm_apply(%s, 0.5)", (run,))
    assert "payload ran as carol" not in heard


# 4. PL/Python gives the server the text of a query in UTF-8, whatever the database's encoding is.
@pytest.fixture
def latin(cluster: Cluster) -> Iterator[psycopg.Connection]:
    with psycopg.connect(cluster.dsn(), autocommit=True) as outer:
        outer.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
        with psycopg.connect(cluster.dsn("latin"), autocommit=True) as inner:
            inner.execute("CREATE EXTENSION pg_llm CASCADE")
            yield inner
        outer.execute("DROP DATABASE latin WITH (FORCE)")


def test_a_name_that_pl_python_cannot_say_is_refused(latin: psycopg.Connection) -> None:
    latin.execute("CREATE TABLE café (id int PRIMARY KEY, body text); INSERT INTO café VALUES (1, 'x')")
    with pytest.raises(errors.FeatureNotSupported, match="must be ASCII in a database whose encoding is LATIN1"):
        latin.execute("SELECT * FROM llm_profile('café')")
    latin.execute("ALTER TABLE café RENAME TO coffee")
    assert len(latin.execute("SELECT * FROM llm_profile('coffee')").fetchall()) == 2


def test_no_other_table_is_read_in_another_encoding(latin: psycopg.Connection, cluster: Cluster) -> None:
    """The table is the superuser's own; the one beside it has the name that its UTF-8 looks like."""
    latin.execute("CREATE TABLE café (id int PRIMARY KEY, body text)")
    latin.execute("CREATE ROLE eve_latin LOGIN; GRANT CREATE ON SCHEMA public TO eve_latin")
    try:
        with psycopg.connect(cluster.dsn("latin", "eve_latin"), autocommit=True) as eve:
            eve.execute(
                "CREATE FUNCTION run() RETURNS text LANGUAGE plpgsql AS"
                " $$BEGIN RAISE NOTICE 'payload ran as %', current_user; RETURN 'x'; END$$"
            )
            eve.execute(f'CREATE VIEW "{"café".encode().decode("latin1")}" AS SELECT 1 AS id, run() AS body')
        heard = listening(latin)
        with suppress(psycopg.Error):
            latin.execute("SELECT * FROM llm_profile('café')")
        assert "payload ran as postgres" not in heard
    finally:
        latin.execute("DROP OWNED BY eve_latin CASCADE; DROP ROLE eve_latin")


# 5. follow_index() in a trigger without a transition table reads the writer's own pg_temp.changed.
def test_a_trigger_without_a_transition_table_does_nothing(eve: psycopg.Connection, connect: Connect) -> None:
    alice = connect("alice")
    alice.execute("CREATE TABLE note (id int PRIMARY KEY, body text)")
    alice.execute("CALL semantic_index('note', '{body}')")
    alice.execute("GRANT INSERT, TRIGGER ON note TO eve")
    number = value(alice, "SELECT id FROM llm.semantic_index")
    eve.execute(f"""
        CREATE TEMP VIEW changed AS SELECT length(lair.run()) AS id, lair.run() AS body;
        CREATE TEMP VIEW former AS SELECT * FROM changed;
        GRANT SELECT ON changed, former TO PUBLIC;
        CREATE TRIGGER a AFTER INSERT ON note FOR EACH STATEMENT EXECUTE FUNCTION llm.follow_index('{number}');
        CREATE TRIGGER b AFTER INSERT ON note FOR EACH STATEMENT EXECUTE FUNCTION llm.enqueue_work('index', '{number}');
    """)
    heard = listening(eve)
    with suppress(psycopg.Error):
        eve.execute("INSERT INTO note VALUES (1, 'hello')")
    assert "payload ran as alice" not in heard


# 6. The host reads a text as it is under the usual settings; the server runs it under the session's.
def test_advice_changes_nothing(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE kept AS SELECT 1 AS n; SET standard_conforming_strings = off")
    text = r"SELECT 'a\'' ; DELETE FROM kept; EXPLAIN (FORMAT JSON) SELECT 1 --'"
    with suppress(psycopg.Error):
        db.execute(f"SELECT * FROM llm_optimize($q${text}$q$)")
    assert value(db, "SELECT count(*) FROM kept") == 1


# 7. A document that nobody waits for any more keeps everybody else's waiting.
@pytest.mark.slow
def test_a_cancelled_document_stops_nobody(eve: psycopg.Connection, connect: Connect) -> None:
    mail = b"From: a\r\nSubject: x\r\nTo: " + b"a@b, " * 200_000 + b"\r\n\r\nhi"
    eve.execute("SET statement_timeout = '2s'")
    with pytest.raises(psycopg.errors.QueryCanceled):
        eve.execute("SELECT llm_text(%s, 'message/rfc822')", (mail,))
    begun = time.monotonic()
    assert value(connect("alice"), "SELECT llm_text('an honest text')") == "an honest text"
    assert time.monotonic() - begun < 10
