"""Linkage and reference lists under attack: what others may see, lost processes, huge cells, edits in the meantime."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import psycopg
import pytest
from database import value
from hosts import children, host_pid
from psycopg import errors

Connect = Callable[..., psycopg.Connection]
STRANGE = 'wei"rd; DROP TABLE "x'
DUPLICATES = "SELECT key_a ->> 'id', key_b ->> 'id' FROM llm_duplicates(%s::regclass)"


@pytest.fixture
def guest(db: psycopg.Connection) -> psycopg.Connection:
    db.execute("""
        CREATE TABLE guest (id int PRIMARY KEY, name text, mail text, tenant text, nothing text);
        INSERT INTO guest SELECT n, 'Guest ' || md5(n::text), md5('m' || n) || '@x.org', 't' || n % 2
        FROM generate_series(1, 200) AS n;
        INSERT INTO guest SELECT id + 1000, upper(name), mail, tenant FROM guest WHERE id IN (7, 8);
    """)
    return db


def test_rows_that_are_not_seen_are_neither_linked_nor_matched(guest: psycopg.Connection, role: str) -> None:
    guest.execute(f"""
        ALTER TABLE guest ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON guest USING (tenant = current_setting('app.tenant', true));
        GRANT SELECT ON guest TO {role}; SET ROLE {role}; SET app.tenant = 't1';
    """)
    assert guest.execute(DUPLICATES, ("guest",)).fetchall() == [("7", "1007")]
    query = "SELECT key ->> 'id' FROM llm_match((SELECT 'Guest ' || md5(%s)), 'guest', 'name')"
    assert guest.execute(query, ("9",)).fetchall() == [("9",)]
    assert guest.execute(query, ("10",)).fetchall() == []
    guest.execute("SET app.tenant = 't0'")
    # The session's process still has the other tenant's list.
    assert guest.execute(query, ("10",)).fetchall() == [("10",)]
    assert guest.execute(query, ("9",)).fetchall() == []
    assert guest.execute(DUPLICATES, ("guest",)).fetchall() == [("8", "1008")]


def test_names_with_quotes_and_columns_without_values(db: psycopg.Connection) -> None:
    name = '"' + STRANGE.replace('"', '""') + '"'
    db.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, {name} text, nothing text, mail text)")
    db.execute(
        f"INSERT INTO {name} SELECT n, 'Value ' || md5(n::text), NULL, n || '@x.org' FROM generate_series(1, 50) AS n"
    )
    db.execute(f"INSERT INTO {name} SELECT 60, {name}, NULL, mail FROM {name} WHERE id = 3")
    assert db.execute(DUPLICATES, (name,)).fetchall() == [("3", "60")]
    query = "SELECT key ->> 'id' FROM llm_match('value ' || md5('5'), %s::regclass, %s)"
    assert db.execute(query, (name, STRANGE)).fetchall() == [("5",)]
    assert db.execute(query, (name, "nothing")).fetchall() == []
    run = value(db, "SELECT llm_merge(%s::regclass)::text", name)
    assert value(db, f"SELECT count(*) FROM {name}") == 50
    db.execute("SELECT llm_unmerge(%s)", (run,))
    assert value(db, f"SELECT count(*) FROM {name}") == 51
    assert db.execute("SELECT FROM llm_duplicates(%s::regclass, '{nothing}')", (name,)).rowcount == 0
    with pytest.raises(errors.InvalidParameterValue, match="has no column"):
        db.execute("SELECT llm_duplicates(%s::regclass, '{no}')", (name,))


def test_a_lost_process_is_made_good(guest: psycopg.Connection) -> None:
    query = "SELECT value FROM llm_match('Guest ' || md5('9'), 'guest', 'name')"
    there = guest.execute(query).fetchall()
    for lost in (*children(host_pid(guest), "pg_llm.tasks"), host_pid(guest)):
        os.kill(lost, signal.SIGKILL)
        assert guest.execute(query).fetchall() == there
        assert len(guest.execute(DUPLICATES, ("guest",)).fetchall()) == 2


def test_huge_cells(guest: psycopg.Connection) -> None:
    guest.execute("UPDATE guest SET name = repeat(name || ' ', 3000000) WHERE id IN (9, 1007)")
    assert ("8", "1008") in guest.execute(DUPLICATES, ("guest",)).fetchall()
    query = "SELECT key ->> 'id' FROM llm_match(%s, 'guest', 'name')"
    assert guest.execute(query, ("Guest d3d9446802a44259755d38e6d163e820",)).fetchall() == [("10",)]
    assert guest.execute(query, ("x" * 50_000_000,)).fetchall() == []
    run = value(guest, """SELECT llm_merge('guest', clusters => '[[{"id": 7}, {"id": 1007}]]')::text""")
    guest.execute("SELECT llm_unmerge(%s)", (run,))
    assert value(guest, "SELECT length(name) FROM guest WHERE id = 1007") > 100_000_000


def test_keys_of_several_columns_in_any_script(db: psycopg.Connection) -> None:
    db.execute("""
        CREATE TABLE guest (zone text, "Nr" int, name text, mail text, PRIMARY KEY (zone, "Nr"));
        INSERT INTO guest SELECT 'Größe', n, 'Guest ' || md5(n::text), md5('m' || n) || '@x.org'
        FROM generate_series(1, 100) AS n;
        INSERT INTO guest SELECT '山', "Nr", upper(name), mail FROM guest WHERE "Nr" = 7;
    """)
    run = value(db, "SELECT llm_merge('guest')::text")
    assert value(db, "SELECT count(*) FROM guest") == 100
    assert value(db, "SELECT restored FROM llm_unmerge(%s)", run) == 1
    assert value(db, "SELECT count(*) FROM guest WHERE zone = '山' AND name ~ '^GUEST'") == 1


def test_rows_that_are_edited_while_duplicates_are_looked_for_are_not_merged(
    guest: psycopg.Connection, connect: Connect
) -> None:
    other = connect()
    other.autocommit = False
    other.execute("UPDATE guest SET name = 'Somebody else', mail = 'else@x.org' WHERE id = 1007")
    timer = threading.Timer(3.0, other.commit)
    timer.start()
    with pytest.raises(errors.SerializationFailure, match="were changed"):
        guest.execute("SELECT llm_merge('guest')")
    timer.join()
    assert value(guest, "SELECT count(*) FROM guest") == 202
    guest.execute("SELECT llm_merge('guest')")
    assert value(guest, "SELECT count(*) FROM guest WHERE id IN (7, 1007)") == 2
    assert value(guest, "SELECT count(*) FROM guest") == 201
