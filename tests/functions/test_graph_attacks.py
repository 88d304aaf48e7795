"""Graphs against a hostile SQL user, who may log in and make what it likes in a schema of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from database import value
from psycopg import errors

Connect = Callable[..., psycopg.Connection]
MAPPING = '{"subject": "a", "subject_type": "thing", "predicate": "p", "object": "b", "object_type": "thing"}'
TRIPLES = "SELECT subject, object FROM graph_triples(%s)"
CAUGHT = "SELECT DISTINCT who FROM lair.log ORDER BY who"
# `note` is what mallory wants others to run: it writes down as whom it ran.
LAIR = """
    CREATE TABLE lair.log (who text); GRANT ALL ON lair.log TO PUBLIC;
    CREATE FUNCTION lair.note() RETURNS boolean LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO lair.log VALUES (CURRENT_USER); RETURN true; END $$;
    CREATE TYPE lair.mood AS ENUM ('sad', 'glad');
    CREATE FUNCTION lair.said(lair.mood) RETURNS text LANGUAGE plpgsql AS
        $$ BEGIN PERFORM lair.note(); RETURN 'forged'; END $$;
    CREATE CAST (lair.mood AS text) WITH FUNCTION lair.said AS ASSIGNMENT;
    CREATE FUNCTION lair.written(lair.mood) RETURNS json LANGUAGE plpgsql AS
        $$ BEGIN PERFORM lair.note(); RETURN '"forged"'; END $$;
    CREATE CAST (lair.mood AS json) WITH FUNCTION lair.written;
    CREATE DOMAIN lair.checked AS int CHECK (lair.note());
    CREATE TABLE lair.trap (id lair.checked PRIMARY KEY, a text, b lair.mood);
    INSERT INTO lair.trap VALUES (1, 'Ann', 'sad');
    CREATE TABLE lair.keyed (id lair.mood PRIMARY KEY, a text, b text);
    INSERT INTO lair.keyed VALUES ('sad', 'Bob', 'x');
    CREATE FUNCTION lair.silence(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN PERFORM lair.note(); RETURN 1; END $$;
    TRUNCATE lair.log;
"""


@pytest.fixture
def mallory(db: psycopg.Connection, role: str, connect: Connect) -> psycopg.Connection:
    """The role reader, with a lair; the superuser has a table and a graph of it."""
    db.execute(f"CREATE SCHEMA lair; GRANT ALL ON SCHEMA lair TO {role}; GRANT USAGE ON SCHEMA lair TO PUBLIC")
    db.execute("""
        CREATE TABLE fact (id int PRIMARY KEY, a text, b text); INSERT INTO fact VALUES (1, 'Eve', 'y');
        SELECT graph_create('admins');
    """)
    db.execute("CALL graph_add_columns('admins', 'fact', %s)", (MAPPING,))
    hostile = connect(user=role)
    hostile.execute(LAIR)
    return hostile


@pytest.fixture
def clerk(db: psycopg.Connection, mallory: psycopg.Connection, connect: Connect) -> Iterator[psycopg.Connection]:
    """A role that is no superuser and may do more than mallory."""
    db.execute("CREATE ROLE clerk LOGIN IN ROLE pg_read_all_data")
    yield connect(user="clerk")
    db.execute("DROP OWNED BY clerk CASCADE; DROP ROLE clerk")


def caught(db: psycopg.Connection) -> set[str]:
    return {row[0] for row in db.execute(CAUGHT)}


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO llm.own_graph_model (graph, method, digest, sources, options, metrics, seconds)"
        " SELECT id, 'complex', '/var/lib', '{}', '{}', '{}', 0 FROM llm.own_graph",
        "INSERT INTO llm.own_graph_model_file SELECT id, 'head.json', 0, '{}' FROM llm.own_graph",
        "UPDATE llm.own_graph_source SET target = 'fact', kind = 'columns'",
        "UPDATE llm.own_graph_source SET mapping = '[1]'",
        'INSERT INTO llm.own_evidence (graph, source, "row", entity, extracted, confidence)'
        " SELECT graph, source, id, 1, 1, 1 FROM llm.own_graph_row",
        "UPDATE llm.own_evidence SET relation = relation",
        "INSERT INTO llm.own_graph_source (graph, kind, target, columns, sync)"
        " SELECT id, 'import', 'fact'::regclass, '{}', 'manual' FROM llm.own_graph",
        "UPDATE llm.own_entity SET merged_into = id",
        "INSERT INTO llm.own_graph (name, embedding_model) VALUES ('x', 'x')",
        "DELETE FROM llm.own_graph",
        "INSERT INTO llm.own_merge (graph, kept, merged, reason) SELECT graph, id, id, 'x' FROM llm.own_entity",
    ],
)
def test_nobody_writes_a_graph_past_its_functions(mallory: psycopg.Connection, statement: str) -> None:
    mallory.execute("SELECT graph_create('own')")
    mallory.execute("SELECT graph_import('own', $$SELECT 'a' AS subject, 'b' AS predicate, 'c' AS object$$)")
    with pytest.raises(errors.InsufficientPrivilege):
        mallory.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO llm.all_graph_model (graph, method, digest, sources, options, metrics, seconds)"
        " SELECT id, 'complex', '/var/lib', '{}', '{}', '{}', 0 FROM llm.all_graph",
        "INSERT INTO llm.all_graph_model (graph, method, digest, sources, options, metrics, seconds)"
        " SELECT id, 'complex', repeat('0', 63) || 'x', '{}', '{}', '{}', 0 FROM llm.all_graph",
        "UPDATE llm.all_graph_source SET mapping = '1'",
        "UPDATE llm.all_graph_source SET kind = 'other'",
        "UPDATE llm.all_graph_source SET sync = 'never'",
        "UPDATE llm.all_graph_source SET target = NULL",
        "UPDATE llm.all_evidence SET confidence = 'NaN'",
        "UPDATE llm.all_relation SET sole_confidence = 2",
    ],
)
def test_a_restored_dump_holds_what_the_functions_would_have_written(
    db: psycopg.Connection, mallory: psycopg.Connection, statement: str
) -> None:
    with pytest.raises(errors.CheckViolation):
        db.execute(statement)
    db.execute("""
        INSERT INTO llm.all_graph_model (graph, method, digest, sources, options, metrics, seconds)
        SELECT id, 'complex', repeat('0', 64), '{}', '{}', '{}', 0 FROM llm.all_graph
    """)
    for path in ("head.json", "../graph.json", "/etc/passwd"):
        with pytest.raises(errors.CheckViolation):
            db.execute("INSERT INTO llm.all_graph_model_file SELECT id, %s, 0, '' FROM llm.all_graph", (path,))


@pytest.mark.parametrize("table", ["lair.trap", "lair.keyed"])
def test_values_of_a_hostile_type_are_read_by_nobodys_cast(
    db: psycopg.Connection, mallory: psycopg.Connection, table: str
) -> None:
    db.execute("SELECT graph_create('g')")
    db.execute("CALL graph_add_columns('g', %s::regclass, %s)", (table, MAPPING))
    expected = [("Ann", "sad")] if table == "lair.trap" else [("Bob", "x")]
    assert db.execute(TRIPLES, ("g",)).fetchall() == expected
    # In all that follows too: a changed row, a refresh, a question with its passages.
    mallory.execute(f"UPDATE {table} SET a = 'Cid'; TRUNCATE lair.log")
    db.execute("CALL graph_refresh('g')")
    assert "Cid" in value(db, "SELECT graph_context('What about Cid?', 'g')")
    answer = db.execute("SELECT answer, evidence FROM graph_answer('p thing of Cid?', 'g')").fetchone()
    assert answer is not None
    assert answer[0] == expected[0][1]
    assert caught(db) == set()


def test_imported_values_are_read_by_nobodys_cast(db: psycopg.Connection, mallory: psycopg.Connection) -> None:
    query = "SELECT b AS subject, b AS predicate, 'o' AS object FROM lair.trap"
    assert value(db, "SELECT graph_import('admins', %s)", query) == 1
    assert ("sad", "o") in db.execute(TRIPLES, ("admins",)).fetchall()
    assert caught(db) == set()


def test_an_admins_live_graph_runs_mallorys_code_as_mallory(
    db: psycopg.Connection, mallory: psycopg.Connection, role: str
) -> None:
    mallory.execute("CREATE TABLE lair.open (id int PRIMARY KEY, a text, b text)")
    db.execute("SELECT graph_create('g')")
    db.execute("CALL graph_add_columns('g', 'lair.open', %s)", (MAPPING,))
    # What runs even for a superuser, who is above policies, is run when a query is planned.
    mallory.execute("""
        ALTER TABLE lair.open ENABLE ROW LEVEL SECURITY; ALTER TABLE lair.open FORCE ROW LEVEL SECURITY;
        CREATE POLICY p ON lair.open USING (lair.note()) WITH CHECK (lair.note());
        CREATE INDEX ON lair.open (a) WHERE lair.silence(1) = 1; TRUNCATE lair.log;
    """)
    mallory.execute("INSERT INTO lair.open VALUES (1, 'Ann', 'x'); UPDATE lair.open SET b = 'y'")
    assert db.execute(TRIPLES, ("g",)).fetchall() == [("Ann", "y")]
    mallory.execute("DELETE FROM lair.open")
    assert db.execute(TRIPLES, ("g",)).fetchall() == []
    assert caught(db) == {role}
    mallory.execute("TRUNCATE lair.log; INSERT INTO lair.open VALUES (2, 'Bob', 'x')")
    db.execute("CALL graph_refresh('g')")
    assert db.execute(TRIPLES, ("g",)).fetchall() == [("Bob", "x")]
    assert caught(db) == {role}


def test_mallory_cannot_get_out_of_her_own_name(db: psycopg.Connection, mallory: psycopg.Connection) -> None:
    mallory.execute("""
        CREATE FUNCTION lair.out() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
            RESET ROLE; INSERT INTO lair.log VALUES (CURRENT_USER); RETURN true;
            EXCEPTION WHEN insufficient_privilege THEN RETURN true;
        END $$;
        CREATE FUNCTION lair.way(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
            $$ BEGIN PERFORM lair.out(); RETURN true; END $$;
        CREATE TABLE lair.open (id int PRIMARY KEY, a text, b text); INSERT INTO lair.open VALUES (1, 'Ann', 'x');
        CREATE INDEX ON lair.open (a) WHERE lair.way(1);
        TRUNCATE lair.log;
    """)
    db.execute("SELECT graph_create('g')")
    db.execute("CALL graph_add_columns('g', 'lair.open', %s, sync => 'manual')", (MAPPING,))
    assert db.execute(TRIPLES, ("g",)).fetchall() == [("Ann", "x")]
    assert caught(db) == set()


def test_nothing_is_planted(db: psycopg.Connection, mallory: psycopg.Connection, role: str) -> None:
    db.execute(f"GRANT CREATE ON SCHEMA public TO {role}; GRANT ALL ON fact TO {role}; SELECT graph_create('next')")
    number = 1 + value(db, "SELECT max(id) FROM llm.all_graph_source")
    for planted in range(number, number + 3):
        for name in (f"graph_{planted}_sync", f"graph_{planted}_sync_0"):
            mallory.execute(
                f"CREATE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN PERFORM lair.note(); RETURN NULL; END $$"
            )
    db.execute("CALL graph_add_columns('next', 'fact', %s)", (MAPPING,))
    db.execute("INSERT INTO fact VALUES (2, 'Ann', 'x')")
    assert caught(db) == set()
    assert ("Ann", "x") in db.execute(TRIPLES, ("next",)).fetchall()
    assert (
        value(
            db,
            "SELECT count(*) FROM pg_proc WHERE prosecdef AND prorettype = 'trigger'::regtype"
            " AND proname LIKE 'graph%'",
        )
        == 0
    )
    made = "SELECT DISTINCT tgfoid::regprocedure::text FROM pg_trigger WHERE tgrelid = 'fact'::regclass"
    assert db.execute(made).fetchall() == [("llm.graph_follow()",)]


def test_a_trigger_of_the_name_of_ours_does_not_pass_for_it(
    db: psycopg.Connection, mallory: psycopg.Connection, role: str
) -> None:
    db.execute(f"GRANT ALL ON fact TO {role}; SELECT graph_create('next')")
    number = 1 + value(db, "SELECT max(id) FROM llm.all_graph_source")
    mallory.execute(
        "CREATE FUNCTION lair.idle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        f" CREATE TRIGGER zz_graph_{number}_insert AFTER INSERT ON fact EXECUTE FUNCTION lair.idle()"
    )
    with pytest.raises(errors.DuplicateObject, match="already exists"):
        db.execute("CALL graph_add_columns('next', 'fact', %s)", (MAPPING,))


@pytest.mark.parametrize(
    "kind",
    [
        "AFTER INSERT ON lair.mine FOR EACH STATEMENT",
        "AFTER INSERT ON lair.mine FOR EACH ROW",
        "BEFORE INSERT ON lair.mine FOR EACH ROW",
        "BEFORE INSERT ON lair.mine FOR EACH STATEMENT",
        "AFTER INSERT ON lair.mine REFERENCING NEW TABLE AS changed FOR EACH STATEMENT",
        "AFTER TRUNCATE ON lair.mine FOR EACH STATEMENT",
        "INSTEAD OF INSERT ON lair.window FOR EACH ROW",
        "AFTER INSERT ON lair.far FOR EACH STATEMENT",
    ],
)
def test_a_forged_trigger_does_nothing(db: psycopg.Connection, mallory: psycopg.Connection, kind: str) -> None:
    before = db.execute(TRIPLES, ("admins",)).fetchall()
    number = value(db, "SELECT max(id) FROM llm.all_graph_source")
    db.execute("CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere")
    db.execute("GRANT USAGE ON FOREIGN SERVER nowhere TO reader")
    mallory.execute("CREATE TABLE lair.mine (id int PRIMARY KEY, a text, b text)")
    mallory.execute("CREATE VIEW lair.window AS TABLE lair.mine; CREATE FOREIGN TABLE lair.far (id int) SERVER nowhere")
    for place, arguments in enumerate(("", "'x'", "'-1'", "'1', '2'", "'99999999999999'", "''", "'½'", f"'{number}'")):
        mallory.execute(f"CREATE TRIGGER t{place} {kind} EXECUTE FUNCTION llm.graph_follow({arguments})")
    for target in ("mine", "window"):
        mallory.execute(f"INSERT INTO lair.{target} VALUES (length('{target}'), 'Mal', 'evil')")
    mallory.execute("TRUNCATE lair.mine")
    assert db.execute(TRIPLES, ("admins",)).fetchall() == before


def test_a_forged_trigger_on_anothers_table_reads_nothing_of_mallorys(
    db: psycopg.Connection, mallory: psycopg.Connection, role: str
) -> None:
    db.execute(f"GRANT ALL ON fact TO {role}")
    number = value(db, "SELECT max(id) FROM llm.all_graph_source")
    mallory.execute(
        "CREATE TEMP VIEW changed AS SELECT 1 AS id WHERE lair.note(); CREATE TEMP VIEW former AS TABLE changed"
    )
    for event in ("INSERT", "UPDATE", "DELETE"):
        mallory.execute(f"CREATE TRIGGER t_{event} AFTER {event} ON fact EXECUTE FUNCTION llm.graph_follow('{number}')")
    mallory.execute("INSERT INTO fact VALUES (5, 'Mal', 'x'); UPDATE fact SET b = 'z'; DELETE FROM fact WHERE id = 1")
    assert caught(db) == set()
    assert db.execute(TRIPLES, ("admins",)).fetchall() == [("Mal", "z")]


def test_what_is_said_to_come_from_a_table_comes_from_its_owner(
    db: psycopg.Connection, mallory: psycopg.Connection, role: str
) -> None:
    db.execute(f"GRANT SELECT ON fact TO {role}")
    mallory.execute("SELECT graph_create('lies')")
    query = "SELECT 'Eve' AS subject, 'stole' AS predicate, 'money' AS object"
    with pytest.raises(errors.InsufficientPrivilege, match="must be owner of table"):
        mallory.execute("SELECT graph_import('lies', %s, 'fact')", (query,))
    assert (
        value(db, "SELECT count(*) FROM llm.evidence AS e JOIN llm.graph AS g ON g.id = e.graph WHERE g.name = 'lies'")
        == 0
    )


POLICIES = {
    "runs mallory's code": "lair.note()",
    "fails": "1 / (id - 1) > 0",
    "asks for a setting": "current_setting('no.such_setting') = a",
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_views_look_into_no_table_that_cannot_be_trusted(
    db: psycopg.Connection, mallory: psycopg.Connection, clerk: psycopg.Connection, policy: str
) -> None:
    mallory.execute(
        "CREATE TABLE lair.bait (id int PRIMARY KEY, a text, b text); INSERT INTO lair.bait VALUES (1, 'Mal', 'x')"
    )
    mallory.execute("SELECT graph_create('bait')")
    mallory.execute("CALL graph_add_columns('bait', 'lair.bait', %s)", (MAPPING,))
    mallory.execute(f"ALTER TABLE lair.bait ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON lair.bait USING ({policy})")
    # Which asks for the rows of others, too, and these are seen.
    for view in ("entity", "entity_name", "relation", "evidence"):
        assert value(clerk, f"SELECT count(*) FROM llm.{view}") > 0
    assert value(clerk, "SELECT count(*) FROM llm.entity WHERE name IN ('Mal', 'Eve')") == 1
    assert len(clerk.execute("SELECT * FROM graph_search('Mal', 'bait')").fetchall()) == 0
    assert clerk.execute(TRIPLES, ("admins",)).fetchall() == [("Eve", "y")]
    assert caught(db) == set()


def test_a_policy_of_postgresqls_own_functions_decides_row_by_row(
    mallory: psycopg.Connection, clerk: psycopg.Connection
) -> None:
    mallory.execute("CREATE TABLE lair.fair (id int PRIMARY KEY, a text, b text); SELECT graph_create('fair')")
    mallory.execute("INSERT INTO lair.fair VALUES (1, 'Ann', 'x'), (2, 'Bob', 'x')")
    mallory.execute("CALL graph_add_columns('fair', 'lair.fair', %s)", (MAPPING,))
    mallory.execute("ALTER TABLE lair.fair ENABLE ROW LEVEL SECURITY")
    mallory.execute("CREATE POLICY p ON lair.fair USING (id = nullif(current_setting('app.row', true), '')::int)")
    for row, seen in (("1", [("Ann", "x")]), ("2", [("Bob", "x")]), ("", []), ("1", [("Ann", "x")])):
        clerk.execute(f"SET app.row = '{row}'")
        assert clerk.execute(TRIPLES, ("fair",)).fetchall() == seen
    # A policy that has come to run mallory's code hides all at once.
    mallory.execute("CREATE POLICY q ON lair.fair USING (lair.note())")
    assert clerk.execute(TRIPLES, ("fair",)).fetchall() == []


def test_a_policy_that_takes_for_ever_holds_nobody_up(mallory: psycopg.Connection, clerk: psycopg.Connection) -> None:
    mallory.execute("CREATE TABLE lair.slow (id int PRIMARY KEY, a text, b text); SELECT graph_create('slow')")
    mallory.execute("INSERT INTO lair.slow VALUES (1, 'Ann', 'x')")
    mallory.execute("CALL graph_add_columns('slow', 'lair.slow', %s)", (MAPPING,))
    mallory.execute("ALTER TABLE lair.slow ENABLE ROW LEVEL SECURITY")
    mallory.execute(
        "CREATE POLICY p ON lair.slow USING ((SELECT count(*) FROM generate_series(1, 1000000000 + id)) > 0)"
    )
    clerk.execute("SET statement_timeout = '10s'")
    assert ("Ann",) not in clerk.execute("SELECT name FROM llm.entity").fetchall()


def test_what_is_looked_into_cannot_be_changed_meanwhile(
    mallory: psycopg.Connection, clerk: psycopg.Connection
) -> None:
    mallory.execute("CREATE TABLE lair.calm (id int PRIMARY KEY, a text, b text); SELECT graph_create('calm')")
    mallory.execute("INSERT INTO lair.calm SELECT n, 'Mal ' || n, 'x' FROM generate_series(1, 20) AS n")
    mallory.execute("CALL graph_add_columns('calm', 'lair.calm', %s)", (MAPPING,))
    mallory.execute("ALTER TABLE lair.calm ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON lair.calm USING (id < 20)")
    clerk.execute("BEGIN")
    assert len(clerk.execute(TRIPLES, ("calm",)).fetchall()) == 19
    mallory.execute("SET lock_timeout = '200ms'")
    with pytest.raises(errors.LockNotAvailable):
        mallory.execute("CREATE INDEX ON lair.calm (a) WHERE lair.silence(1) = 1")
    # One that has children may have others at any time.
    mallory.execute("CREATE TABLE lair.child (CHECK (lair.silence(1) = 1)) INHERITS (lair.calm)")
    mallory.execute("CREATE INDEX ON lair.child (a) WHERE lair.silence(1) = 1; TRUNCATE lair.log")
    assert clerk.execute(TRIPLES, ("calm",)).fetchall() == []
    clerk.execute("COMMIT")
    assert caught(mallory) == set()


@pytest.mark.parametrize("mode", ["ACCESS EXCLUSIVE", "SHARE"])
def test_a_locked_table_makes_nobody_wait(
    db: psycopg.Connection, mallory: psycopg.Connection, clerk: psycopg.Connection, mode: str
) -> None:
    mallory.execute("CREATE TABLE lair.shut (id int PRIMARY KEY, a text, b text); SELECT graph_create('shut')")
    mallory.execute("INSERT INTO lair.shut VALUES (1, 'Mal', 'x')")
    mallory.execute("CALL graph_add_columns('shut', 'lair.shut', %s)", (MAPPING,))
    mallory.execute("ALTER TABLE lair.shut ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON lair.shut USING (true)")
    assert value(clerk, "SELECT count(*) FROM llm.entity WHERE name = 'Mal'") == 1
    mallory.execute(f"BEGIN; LOCK TABLE lair.shut IN {mode} MODE")
    for connection in (clerk, db):
        connection.execute("SET statement_timeout = '5s'")
        assert value(connection, "SELECT count(*) FROM llm.entity WHERE name = 'Eve'") == 1
        connection.execute("SELECT graph_context('Who is Mal?', 'shut')")
        assert value(connection, "SHOW lock_timeout") == "0"
    mallory.execute("ROLLBACK")
    assert value(clerk, "SELECT count(*) FROM llm.entity WHERE name = 'Mal'") == 1


def test_passages_are_read_without_mallorys_code(db: psycopg.Connection, mallory: psycopg.Connection) -> None:
    mallory.execute("SELECT graph_create('bait'); CREATE TABLE lair.page (id int PRIMARY KEY, a text, b lair.mood)")
    mallory.execute("INSERT INTO lair.page VALUES (1, 'Mal', 'glad')")
    mallory.execute("CALL graph_add_columns('bait', 'lair.page', %s)", (MAPPING,))
    said = value(db, "SELECT graph_context('Who is Mal?', 'bait')")
    assert said.splitlines()[0].startswith("Mal p glad.")
    assert said.endswith(": glad")
    mallory.execute("CREATE INDEX ON lair.page (a) WHERE lair.silence(1) = 1; TRUNCATE lair.log")
    # The fact is the graph's own; the passage would have to be looked up where mallory's code waits.
    said = value(db, "SELECT graph_context('Who is Mal?', 'bait')")
    assert said.splitlines()[0].startswith("Mal p glad.")
    assert not said.endswith(": glad")
    assert caught(db) == set()


def test_a_partition_of_mallorys_is_not_read_in_anothers_name(
    db: psycopg.Connection, mallory: psycopg.Connection, role: str
) -> None:
    db.execute(f"""
        CREATE TABLE parted (id int PRIMARY KEY, a text, b text) PARTITION BY RANGE (id);
        CREATE TABLE lair.part PARTITION OF parted FOR VALUES FROM (0) TO (100);
        ALTER TABLE lair.part OWNER TO {role}; SELECT graph_create('g');
    """)
    mallory.execute("CREATE INDEX ON lair.part (a) WHERE lair.silence(1) = 1; TRUNCATE lair.log")
    for sync in ("live", "manual"):
        with pytest.raises(errors.InsufficientPrivilege, match="index"):
            db.execute("CALL graph_add_columns('g', 'parted', %s, sync => %s)", (MAPPING, sync))
    assert caught(db) == set()


def test_a_joined_table_of_mallorys_is_not_read_in_anothers_name(
    db: psycopg.Connection, mallory: psycopg.Connection, connect: Connect, clerk: psycopg.Connection
) -> None:
    mallory.execute(
        "CREATE TABLE lair.doctor (id int PRIMARY KEY, name text); INSERT INTO lair.doctor VALUES (1, 'Li')"
    )
    mallory.execute("GRANT ALL ON lair.doctor TO clerk; GRANT ALL ON lair.log TO clerk")
    db.execute("CREATE SCHEMA ward; GRANT ALL ON SCHEMA ward TO clerk")
    clerk.execute("CREATE TABLE ward.patient (id int PRIMARY KEY, name text, doctor_id int REFERENCES lair.doctor)")
    clerk.execute("INSERT INTO ward.patient VALUES (1, 'Ann', 1); SELECT graph_create('ward')")
    add = "CALL graph_add_columns('ward', 'ward.patient', %s, sync => %s)"
    mapping = '{"subject": "name", "predicate": "sees", "object": "doctor_id.name"}'
    mallory.execute(
        "ALTER TABLE lair.doctor ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON lair.doctor USING (lair.note())"
    )
    for sync in ("manual", "live"):
        with pytest.raises(errors.InsufficientPrivilege, match="policy p on doctor"):
            clerk.execute(add, (mapping, sync))
    mallory.execute("DROP POLICY p ON lair.doctor; CREATE POLICY p ON lair.doctor USING (true)")
    clerk.execute(add, (mapping, "manual"))
    assert clerk.execute(TRIPLES, ("ward",)).fetchall() == [("Ann", "Li")]
    mallory.execute("DROP POLICY p ON lair.doctor; CREATE POLICY p ON lair.doctor USING (lair.note())")
    with pytest.raises(errors.InsufficientPrivilege, match="policy p on doctor"):
        clerk.execute("CALL graph_refresh('ward')")
    assert caught(db) == set()


def test_a_graph_follows_for_as_long_as_its_owner_may(
    db: psycopg.Connection, mallory: psycopg.Connection, role: str
) -> None:
    db.execute(f"CREATE TABLE shared (id int PRIMARY KEY, a text, b text); ALTER TABLE shared OWNER TO {role}")
    db.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
    mallory.execute("SELECT graph_create('own')")
    mallory.execute("CALL graph_add_columns('own', 'shared', %s)", (MAPPING,))
    db.execute("INSERT INTO shared VALUES (1, 'Ann', 'x'); ALTER TABLE shared OWNER TO postgres")
    db.execute("INSERT INTO shared VALUES (2, 'Secret', 'y')")
    assert value(mallory, "SELECT count(*) FROM llm.own_entity WHERE name = 'Secret'") == 0
    with pytest.raises(errors.InsufficientPrivilege):
        mallory.execute("CALL graph_refresh('own')")
    # And is taken away from a table that is another's by now.
    mallory.execute("SELECT graph_drop('own')")
    assert value(db, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'shared'::regclass") == 0


def test_a_new_role_of_an_old_name_owns_nothing(
    db: psycopg.Connection, mallory: psycopg.Connection, connect: Connect
) -> None:
    db.execute("CREATE ROLE passing LOGIN")
    first = connect(user="passing")
    first.execute("SELECT graph_create('left')")
    first.execute("SELECT graph_import('left', $$SELECT 'a' AS subject, 'b' AS predicate, 'c' AS object$$)")
    first.close()
    for end in ("ALTER ROLE passing RENAME TO gone", "DROP ROLE gone"):
        db.execute(end)
        db.execute("CREATE ROLE passing LOGIN")
        second = connect(user="passing")
        assert value(second, "SELECT count(*) FROM llm.own_graph") == 0
        assert second.execute(TRIPLES, ("left",)).fetchall() == []
        with pytest.raises(errors.InsufficientPrivilege, match="renamed or dropped"):
            second.execute("SELECT graph_drop('left')")
        second.close()
        db.execute("DROP ROLE passing")
    db.execute("UPDATE llm.all_graph SET usename = 'postgres' WHERE name = 'left'")
    db.execute("SELECT graph_drop('left')")


def test_what_cannot_be_read_is_told(db: psycopg.Connection, mallory: psycopg.Connection) -> None:
    number = value(db, "SELECT max(id) FROM llm.all_graph_source")
    for keys in ("1", "[1]", '{"id": 1}', '[[{"id": 1}]]'):
        with pytest.raises(errors.InvalidParameterValue, match="keys must be"):
            db.execute("SELECT graph_sync(%s, %s)", (number, keys))
        # Nobody else's graph.
        mallory.execute("SELECT graph_sync(%s, %s)", (number, keys))
    db.execute("""SELECT graph_sync(%s, '[{"id": 1}, {"other": 2}, {"id": null}, {"id": 7}]')""", (number,))
    assert db.execute(TRIPLES, ("admins",)).fetchall() == [("Eve", "y")]
    deep = "[" * 5000 + "]" * 5000
    for call in ("graph_create('deep', NULL, %s)", "graph_add_columns('admins', 'fact', %s)"):
        # Python 3.13 reads more levels than PostgreSQL does; it is no JSON of the wanted form then.
        with pytest.raises(errors.InvalidParameterValue, match="nested too deeply|must be|has a subject"):
            db.execute(f"{'CALL' if 'add' in call else 'SELECT'} {call}", (deep,))


def test_a_source_that_fits_no_table_hides_its_own_rows_only(
    db: psycopg.Connection, mallory: psycopg.Connection, clerk: psycopg.Connection
) -> None:
    mallory.execute("CREATE TABLE lair.odd (id int PRIMARY KEY, a text, b text); SELECT graph_create('odd')")
    mallory.execute("INSERT INTO lair.odd VALUES (1, 'Mal', 'x')")
    mallory.execute("CALL graph_add_columns('odd', 'lair.odd', %s)", (MAPPING,))
    mallory.execute("ALTER TABLE lair.odd ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON lair.odd USING (true)")
    count = "SELECT count(*) FROM llm.evidence"
    whole, own = value(clerk, count), 3
    for change in (
        "UPDATE llm.all_graph_source SET mapping = '[1]' WHERE target = 'lair.odd'::regclass",
        """UPDATE llm.all_graph_source SET mapping = '[{"subject": "a.b.c", "subject_type": "t"}]'
           WHERE target = 'lair.odd'::regclass""",
        """UPDATE llm.all_graph_row SET key = '{"id": 99999999999999999999}' WHERE key = '{"id": 1}' AND source = (
           SELECT id FROM llm.all_graph_source WHERE target = 'lair.odd'::regclass)""",
        "ALTER TABLE lair.odd RENAME b TO c",
        "ALTER TABLE lair.odd DROP CONSTRAINT odd_pkey",
        "DROP TABLE lair.odd",
    ):
        db.execute("BEGIN")
        db.execute(change)
        db.execute("SET LOCAL ROLE clerk")
        assert value(db, count) == whole - own, change
        db.execute("ROLLBACK")
    assert value(clerk, count) == whole


def test_a_key_that_hides_a_check_is_not_read_as_the_reader(
    db: psycopg.Connection, mallory: psycopg.Connection
) -> None:
    mallory.execute("""
        CREATE DOMAIN lair.hidden AS text CHECK (lair.note());
        CREATE TABLE lair.deep (id lair.hidden[] PRIMARY KEY, a text, b text);
        INSERT INTO lair.deep VALUES ('{k}', 'Madrid', 'Spain'); GRANT SELECT ON lair.deep TO PUBLIC;
        SELECT graph_create('deep');
    """)
    mallory.execute("CALL graph_add_columns('deep', 'lair.deep', %s, sync => 'manual')", (MAPPING,))
    mallory.execute("TRUNCATE lair.log")
    db.execute("SELECT answer, evidence FROM graph_answer('p thing of Madrid?', 'deep')")
    db.execute("SELECT graph_context('What about Madrid?', 'deep')")
    assert caught(db) == set()
