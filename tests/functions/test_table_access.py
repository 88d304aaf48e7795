"""Whose code a table brings along, and with whose rights work on it is done."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from database import value
from psycopg import errors

Connect = Callable[..., psycopg.Connection]
CODE = """
    CREATE FUNCTION pg_temp.code(target regclass, role regrole, writes boolean) RETURNS text[] LANGUAGE plpython3u
    SET search_path = pg_catalog, pg_temp AS $$
    from pg_llm.database import foreign_code
    from pg_llm.database.plpy_connection import BACKEND as db
    oid = lambda name, kind: plpy.execute(f"SELECT {plpy.quote_literal(name)}::{kind}::oid::int8 AS oid")[0]["oid"]
    relations = [int(oid(target, "regclass"))]
    foreign_code.lock(db, relations, oid(role, "regrole"), writes)
    found = foreign_code.find(db, relations, oid(role, "regrole"), writes)
    return [row["what"] for row in found]
    $$;
    CREATE FUNCTION pg_temp.acting(target regclass, query text) RETURNS text LANGUAGE plpython3u AS $$
    from pg_llm.database import ownership, table_access
    from pg_llm.database.sql_function import sql_function
    @sql_function
    def run(db):
        oid = int(ownership.oid(db, target))
        return table_access.on_table(db, oid, lambda: plpy.execute(query)[0]["found"], writes=True)
    return run()
    $$
"""


@pytest.fixture
def mallory(db: psycopg.Connection, role: str) -> psycopg.Connection:
    """The table `trap` of the role reader, who may make whatever it likes in its schema `lair`."""
    db.execute(f"CREATE SCHEMA lair; GRANT ALL ON SCHEMA lair TO {role}; GRANT USAGE ON SCHEMA lair TO PUBLIC")
    db.execute(f"SET ROLE {role}")
    db.execute("""
        CREATE FUNCTION lair.evil() RETURNS boolean LANGUAGE sql AS 'SELECT true';
        CREATE FUNCTION lair.silence() RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
        CREATE FUNCTION lair.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TABLE lair.trap (id int PRIMARY KEY, body text, tenant text);
        CREATE DOMAIN lair.checked AS text CHECK (lair.evil()); CREATE TYPE lair.pair AS (x lair.checked);
        CREATE TYPE lair.mood AS ENUM ('sad');
        CREATE FUNCTION lair.written(lair.mood) RETURNS json LANGUAGE sql AS $$ SELECT '1'::json $$;
        CREATE CAST (lair.mood AS json) WITH FUNCTION lair.written;
        RESET ROLE;
    """)
    db.execute(CODE)
    return db


@pytest.mark.parametrize(
    "policy",
    [
        "body::lair.pair IS NOT NULL",
        "body::lair.checked[] IS NOT NULL",
        "body::lair.checked IS NOT NULL",
        "EXISTS (SELECT FROM json_to_record(body::json) AS k (x lair.checked))",
        "EXISTS (SELECT FROM ROWS FROM (json_to_recordset(body::json) AS (x lair.checked)) AS k)",
        "EXISTS (SELECT FROM xmltable('/a' PASSING (body::xml) COLUMNS x lair.checked PATH '.') AS k)",
        "domain_in('x', 'lair.checked'::regtype, -1) IS NOT NULL",
        "to_json('sad'::lair.mood) IS NOT NULL",
        "json_build_array('sad'::lair.mood) IS NOT NULL",
        "row_to_json(trap) IS NOT NULL",
        "(SELECT jsonb_agg(m) FROM unnest(enum_range(NULL::lair.mood)) AS m) IS NOT NULL",
    ],
)
def test_code_of_types_is_seen(mallory: psycopg.Connection, role: str, policy: str) -> None:
    mallory.execute(f"SET ROLE {role}; ALTER TABLE lair.trap ENABLE ROW LEVEL SECURITY")
    mallory.execute(f"CREATE POLICY p ON lair.trap USING ({policy}); RESET ROLE")
    assert value(mallory, "SELECT pg_temp.code('lair.trap', 'postgres', false)") == ["policy p on trap"]
    assert value(mallory, "SELECT pg_temp.code('lair.trap', %s::regrole, false)", role) == []


def test_what_was_looked_at_stays_as_it_is(mallory: psycopg.Connection, role: str, connect: Connect) -> None:
    mallory.execute("BEGIN")
    assert value(mallory, "SELECT pg_temp.code('lair.trap', 'postgres', false)") == []
    hostile = connect(user=role)
    hostile.execute("SET lock_timeout = '200ms'")
    for change in (
        "CREATE INDEX ON lair.trap (id) WHERE lair.silence()",
        "ALTER TABLE lair.trap ADD CHECK (lair.silence())",
        "CREATE POLICY p ON lair.trap USING (lair.evil())",
        "ALTER TABLE lair.trap ENABLE ROW LEVEL SECURITY",
        "CREATE INDEX CONCURRENTLY ON lair.trap (id) WHERE lair.silence()",
    ):
        with pytest.raises(errors.LockNotAvailable):
            hostile.execute(change)
    assert value(
        mallory, "SELECT bool_or(indisvalid) FROM pg_index WHERE indrelid = 'lair.trap'::regclass AND NOT indisprimary"
    ) in (None, False)
    mallory.execute("ROLLBACK")


@pytest.mark.parametrize(
    ("made", "reading", "writing"),
    [
        ("ALTER TABLE lair.trap ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON lair.trap USING (lair.evil())", 1, 1),
        ("CREATE POLICY p ON lair.trap USING (lair.evil())", 0, 0),
        (
            "ALTER TABLE lair.trap ENABLE ROW LEVEL SECURITY;"
            " CREATE POLICY p ON lair.trap USING (tenant = current_setting('app.tenant', true))",
            0,
            0,
        ),
        (
            "ALTER TABLE lair.trap ENABLE ROW LEVEL SECURITY;"
            " CREATE POLICY p ON lair.trap USING (query_to_xml('SELECT lair.evil()', true, true, '') IS NOT NULL)",
            1,
            1,
        ),
        (
            "ALTER TABLE lair.trap ENABLE ROW LEVEL SECURITY; CREATE VIEW lair.v AS SELECT lair.evil() AS seen;"
            " CREATE POLICY p ON lair.trap USING (EXISTS (SELECT FROM lair.v WHERE seen))",
            1,
            1,
        ),
        ("CREATE INDEX bait ON lair.trap (lower(body)) WHERE lair.silence()", 1, 1),
        ("CREATE INDEX fine ON lair.trap (lower(body)) WHERE body LIKE 'a%'", 0, 0),
        ("CREATE STATISTICS lair.s ON (body || lair.silence()::text) FROM lair.trap", 1, 1),
        (
            "CREATE DOMAIN lair.d AS text CHECK (lair.evil()); CREATE TYPE lair.twin AS (x lair.d);"
            "ALTER TABLE lair.trap ADD x lair.twin",
            1,
            1,
        ),
        ("CREATE DOMAIN lair.d AS text CHECK (lair.evil()); ALTER TABLE lair.trap ADD x lair.d[]", 1, 1),
        (
            "CREATE DOMAIN lair.d AS int CHECK (lair.evil()); CREATE DOMAIN lair.dd AS lair.d;"
            "CREATE TYPE lair.r AS RANGE (SUBTYPE = lair.dd); ALTER TABLE lair.trap ADD x lair.r",
            1,
            1,
        ),
        (
            "ALTER TABLE lair.trap ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON lair.trap"
            " USING ((SELECT count(*) FROM generate_series(1, 1000000000000) g WHERE g > id) > 0)",
            1,
            1,
        ),
        ("ALTER TABLE lair.trap ADD CHECK (lair.silence())", 1, 1),
        ("ALTER TABLE lair.trap ADD made boolean DEFAULT lair.evil()", 0, 1),
        ("CREATE TRIGGER t BEFORE UPDATE ON lair.trap FOR EACH ROW EXECUTE FUNCTION lair.fire()", 0, 1),
        ("CREATE RULE r AS ON UPDATE TO lair.trap DO ALSO SELECT lair.evil()", 0, 1),
        ("CREATE DOMAIN lair.d AS text CHECK (lair.evil()); ALTER TABLE lair.trap ADD x lair.d", 0, 1),
        ("CREATE OPERATOR lair.!! (RIGHTARG = text, FUNCTION = pg_catalog.upper)", 0, 0),
        (
            "CREATE FUNCTION lair.eq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';"
            "CREATE OPERATOR lair.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = lair.eq);"
            "ALTER TABLE lair.trap ENABLE ROW LEVEL SECURITY;"
            "CREATE POLICY p ON lair.trap USING (body OPERATOR(lair.===) tenant)",
            1,
            1,
        ),
    ],
)
def test_foreign_code_is_seen(mallory: psycopg.Connection, role: str, made: str, reading: int, writing: int) -> None:
    mallory.execute(f"SET ROLE {role}")
    mallory.execute(made)
    mallory.execute("RESET ROLE")
    for writes, count in ((False, reading), (True, writing)):
        found = value(mallory, "SELECT pg_temp.code('lair.trap', 'postgres', %s)", writes)
        assert bool(found) == bool(count), found
        # Its own code is nothing that a role need fear.
        assert value(mallory, "SELECT pg_temp.code('lair.trap', %s::regrole, %s)", role, writes) == []


def test_a_partition_of_another_owner_is_looked_at(mallory: psycopg.Connection, role: str) -> None:
    mallory.execute(f"""
        CREATE TABLE parent (id int PRIMARY KEY, body text) PARTITION BY RANGE (id);
        CREATE TABLE child PARTITION OF parent FOR VALUES FROM (0) TO (100);
        ALTER TABLE child OWNER TO {role}; SET ROLE {role};
        CREATE TRIGGER t BEFORE UPDATE ON child FOR EACH ROW EXECUTE FUNCTION lair.fire();
    """)
    mallory.execute("RESET ROLE")
    assert value(mallory, "SELECT pg_temp.code('parent', 'postgres', true)") == ["trigger t on child"]
    with pytest.raises(errors.InsufficientPrivilege, match="trigger t on child"):
        mallory.execute("SELECT pg_temp.acting('parent', 'SELECT CURRENT_USER::text AS found')")


def test_work_has_the_rights_of_the_owner_and_no_way_back(mallory: psycopg.Connection, role: str) -> None:
    query = "SELECT pg_temp.acting('lair.trap', %s)"
    assert value(mallory, query, "SELECT CURRENT_USER::text AS found") == role
    assert value(mallory, "SELECT CURRENT_USER::text") == "postgres"
    for statement in (
        "RESET ROLE",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION DEFAULT",
        "CREATE TEMP TABLE x (y int)",
        "SELECT count(*)::text AS found FROM pg_authid",
        "SELECT set_config('role', 'postgres', false) AS found",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            mallory.execute(query, (statement,))
    assert value(mallory, "SELECT CURRENT_USER::text") == "postgres"
    # A setting that the work changes is as it was afterwards.
    assert value(mallory, query, "SELECT set_config('work_mem', '1MB', false) AS found") == "1MB"
    assert value(mallory, "SHOW work_mem") != "1MB"


def test_a_granted_caller_keeps_its_own_rights(mallory: psycopg.Connection, role: str) -> None:
    mallory.execute("CREATE ROLE guest; GRANT guest TO postgres; GRANT USAGE ON SCHEMA lair TO guest")
    try:
        mallory.execute(f"SET ROLE {role}")
        mallory.execute("""
            GRANT SELECT ON lair.trap TO guest; ALTER TABLE lair.trap ENABLE ROW LEVEL SECURITY;
            CREATE POLICY p ON lair.trap USING (lair.evil())
        """)
        mallory.execute("RESET ROLE; SET ROLE guest")
        query = "SELECT pg_temp.acting('lair.trap', 'SELECT CURRENT_USER::text AS found')"
        mallory.execute("RESET ROLE")
        mallory.execute(CODE.replace("pg_temp.", "lair.").replace("pg_catalog, pg_temp", "pg_catalog"))
        query = query.replace("pg_temp.", "lair.")
        mallory.execute("SET ROLE guest")
        assert value(mallory, query) == "guest"
        # One that has more to lose than the owner does not.
        mallory.execute("RESET ROLE; GRANT pg_read_all_settings TO guest; SET ROLE guest")
        with pytest.raises(errors.InsufficientPrivilege, match="policy p on trap"):
            mallory.execute(query)
    finally:
        mallory.execute("RESET ROLE; DROP OWNED BY guest; DROP ROLE guest")
