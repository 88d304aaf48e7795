"""Attacks on streams: by other owners, by a database's owner, by authors of records, on a worker that all share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import kafka
import psycopg
import pytest
from database import value
from psycopg import errors, sql
from streams import Reader, create, payments, wait_for

Connect = Callable[..., psycopg.Connection]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts workers, which are ended after the test."""
    started: list[subprocess.Popen[str]] = []

    def run(dsn: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "pg_llm.worker", "--dsn", dsn, *arguments]
        started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ) | environment))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        print(process.communicate()[1][-6000:])


@pytest.fixture
def attacker(db: psycopg.Connection, role: str, connect: Connect) -> psycopg.Connection:
    """A role that may create tables, and no more."""
    db.execute(sql.SQL("CREATE SCHEMA theirs AUTHORIZATION {}").format(sql.Identifier(role)))
    connection = connect(role)
    connection.execute("SET search_path = theirs, public")
    return connection


def test_a_name_that_another_transaction_takes_first_is_not_taken_over(
    db: psycopg.Connection, attacker: psycopg.Connection, connect: Connect
) -> None:
    db.execute("CREATE TABLE secret (id bigint)")
    attacker.execute("BEGIN")
    create(attacker, "payments", "theirs.loot")
    failed: list[Exception] = []

    def define() -> None:
        with connect() as victim:
            try:
                create(
                    victim, "payments", "public.payment", source='{"kind": "table", "table": "secret"}', columns=None
                )
            except errors.Error as error:
                failed.append(error)

    thread = threading.Thread(target=define)
    thread.start()
    wait_for(db, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    attacker.execute("COMMIT")
    thread.join(10)
    db.execute("INSERT INTO secret VALUES (42)")
    assert value(db, "SELECT count(*) FROM llm.stream_change") == 0
    assert [error.sqlstate for error in failed] == ["42710"]


def test_a_stream_ends_with_the_right_to_read_its_table(
    db: psycopg.Connection, attacker: psycopg.Connection, role: str, connect: Connect
) -> None:
    """A table that is given to somebody else takes no stream of its former owner along."""
    db.execute("CREATE ROLE heir LOGIN")
    db.execute("GRANT USAGE, CREATE ON SCHEMA theirs TO heir")
    heir = connect("heir")
    try:
        attacker.execute("CREATE TABLE hand (id int PRIMARY KEY, at timestamptz)")
        source = '{"kind": "table", "table": "theirs.hand"}'
        create(attacker, "copies", "theirs.copy", source=source, columns=None, event_time="at")
        attacker.execute("CALL stream_window('by_hour', 'copies', 'tumbling', '1 hour')")
        attacker.execute("CALL stream_publish('outbox', 'theirs.hand', 't', '{\"servers\": \"127.0.0.1:9\"}')")
        attacker.execute("INSERT INTO theirs.hand VALUES (1, now())")
        assert value(attacker, "SELECT stream_run('copies')") == 1
        attacker.execute("INSERT INTO theirs.hand VALUES (2, now())")
        db.execute("ALTER TABLE theirs.hand OWNER TO heir")
        waiting = value(db, "SELECT count(*) FROM llm.stream_change")
        heir.execute("INSERT INTO theirs.hand VALUES (3, now())")
        assert value(db, "SELECT count(*) FROM llm.stream_change") == waiting
        assert value(attacker, "SELECT stream_run('copies')") == 0
        assert value(attacker, "SELECT error FROM stream_stats WHERE name = 'copies'") == (
            f'"{role}" may not read all rows of theirs.hand'
        )
        assert value(attacker, "SELECT count(*) FROM theirs.copy") == 1
        # A policy hides rows from whoever may read the others.
        heir.execute(f"GRANT SELECT ON theirs.hand TO {role}")
        heir.execute("ALTER TABLE theirs.hand ENABLE ROW LEVEL SECURITY")
        heir.execute("INSERT INTO theirs.hand VALUES (4, now())")
        assert value(db, "SELECT count(*) FROM llm.stream_change") == waiting
        heir.execute("ALTER TABLE theirs.hand DISABLE ROW LEVEL SECURITY")
        heir.execute("INSERT INTO theirs.hand VALUES (5, now())")
        attacker.execute("CALL stream_resume('copies')")
        assert value(attacker, "SELECT stream_run('copies')") == 2
        assert value(attacker, "SELECT array_agg(id ORDER BY id) FROM theirs.copy") == [1, 2, 5]
        shown = heir.execute("SELECT name, error FROM stream_stats ORDER BY name").fetchall()
        assert shown == [("copies", None), ("outbox", None)]
        heir.execute("CALL stream_drop('copies')")
        heir.execute("CALL stream_drop('outbox')")
        assert value(db, "SELECT count(*) FROM llm.all_stream") == 0
        assert value(db, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'stream%%'") == 0
        assert value(attacker, "SELECT count(*) FROM theirs.by_hour") == 1
    finally:
        db.execute("DROP OWNED BY heir CASCADE")
        db.execute("DROP ROLE heir")


def test_a_stream_needs_a_targets_owner_who_may_read_its_table(
    db: psycopg.Connection, attacker: psycopg.Connection, role: str
) -> None:
    db.execute("CREATE TABLE secret (id int PRIMARY KEY)")
    attacker.execute("CREATE TABLE theirs.loot (id int PRIMARY KEY)")
    source = '{"kind": "table", "table": "secret"}'
    with pytest.raises(errors.InsufficientPrivilege, match="may not read all rows of public.secret"):
        create(db, "secrets", "theirs.loot", source=source, columns=None)
    db.execute(f"GRANT SELECT ON secret TO {role}")
    create(db, "secrets", "theirs.loot", source=source, columns=None)
    db.execute("INSERT INTO secret VALUES (1)")
    db.execute(f"REVOKE SELECT ON secret FROM {role}")
    db.execute("INSERT INTO secret VALUES (2)")
    assert value(db, "SELECT count(*) FROM llm.stream_change") == 1
    assert value(db, "SELECT stream_run('secrets')") == 0
    assert value(db, "SELECT count(*) FROM theirs.loot") == 0


def test_nobody_else_holds_up_a_stream_with_windows(db: psycopg.Connection, attacker: psycopg.Connection) -> None:
    create(db, event_time="sent_at")
    db.execute("CALL stream_window('by_hour', 'payments', 'tumbling', '1 hour')")
    number = value(db, "SELECT id FROM llm.all_stream")
    attacker.execute("SELECT pg_advisory_lock(1885825133, %s)", (number,))
    db.execute("SET statement_timeout = '3s'")
    assert Reader(db, "payments").write(payments((1, 1, "2026-01-01T00:00:00Z"))) == 1


def alarm(db: psycopg.Connection, servers: str, name: str, text: str, to: str = "alarms") -> None:
    source = json.dumps({"kind": "kafka", "servers": servers, "topic": "payment"})
    create(db, name, f"{name}_target", source=source, columns='["body text"]')
    db.execute("CALL stream_alert(%s, %s, 'true', 'kafka', %s)", (f"{name}_alert", name, to))
    assert Reader(db, name).write([json.dumps({"body": text})]) == 1


@pytest.mark.parametrize(("text", "to"), [("x" * 2_000_000, "alarms"), ("x", "a topic ü \t!")])
def test_an_alarm_that_cannot_be_sent_keeps_no_other_one_back(
    db: psycopg.Connection, attacker: psycopg.Connection, start: Start, text: str, to: str
) -> None:
    alarm(attacker, "127.0.0.1:9", "big", text, to)
    worker = start(db.info.dsn)
    wait_for(db, "SELECT error IS NOT NULL FROM stream_alarm WHERE stream = 'big'", 15)
    db.execute("CREATE TABLE place (id int PRIMARY KEY)")
    create(db, "places", "place_copy", source='{"kind": "table", "table": "place"}', columns=None)
    db.execute("INSERT INTO place VALUES (1)")
    wait_for(db, "SELECT count(*) = 1 FROM place_copy")
    assert worker.poll() is None


def test_alarms_of_one_owner_hold_up_no_other_one(
    db: psycopg.Connection, attacker: psycopg.Connection, start: Start
) -> None:
    alarm(attacker, "127.0.0.1:9", "dead", "x")
    reader = Reader(attacker, "dead")
    reader.write([json.dumps({"body": str(n)}) for n in range(2000)])
    alarm(db, "127.0.0.1:9", "live", "x", "others")
    start(db.info.dsn)
    wait_for(db, "SELECT error IS NOT NULL FROM stream_alarm WHERE stream = 'live'", 25)
    db.execute("CREATE TABLE place (id int PRIMARY KEY)")
    create(db, "places", "place_copy", source='{"kind": "table", "table": "place"}', columns=None)
    db.execute("INSERT INTO place VALUES (1)")
    wait_for(db, "SELECT count(*) = 1 FROM place_copy", 15)


def test_definitions_that_a_dump_made_up_stop_no_other_stream(
    db: psycopg.Connection, role: str, connect: Connect
) -> None:
    create(db)
    db.execute("CREATE TABLE mine (id int)")
    name = sql.Identifier(role)
    db.execute(sql.SQL("ALTER TABLE mine OWNER TO {}").format(name))
    db.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(db.info.dbname), name))
    planter = connect(role)
    for columns in ("[1]", "[[1, 2, 3]]", '["x"]', "[[null, null]]", '[{"a": 1, "b": 2}]'):
        with pytest.raises(errors.CheckViolation):
            planter.execute(
                "INSERT INTO llm.all_stream (name, source, target, columns, key, on_error, max_batch, max_delay,"
                " settings, usename) VALUES ('x', '{}', 'mine', %s, '{}', 'skip', 1, 1, '{}', 'postgres')",
                (columns,),
            )
    assert value(db, "SELECT count(*) FROM llm.stream_assignments() WHERE name = 'payments'") == 1
    planter.execute("RESET ROLE")
    db.execute(sql.SQL("ALTER DATABASE {} OWNER TO postgres").format(sql.Identifier(db.info.dbname)))


def test_one_owner_takes_neither_all_connections_nor_all_of_a_worker(
    db: psycopg.Connection, attacker: psycopg.Connection, start: Start
) -> None:
    for n in range(40):
        channel = json.dumps({"kind": "notify", "channel": f"c{n}"})
        create(attacker, f"s{n}", "theirs.t", source=channel, columns='["a int"]')
    db.execute("CREATE TABLE place (id int PRIMARY KEY)")
    create(db, "places", "place_copy", source='{"kind": "table", "table": "place"}', columns=None)
    db.execute("INSERT INTO place VALUES (1)")
    start(db.info.dsn, "--streams", "5")
    wait_for(db, "SELECT count(*) = 1 FROM place_copy")
    wait_for(db, "SELECT count(*) = 36 FROM stream_stats WHERE error LIKE '%%--streams'")
    assert value(db, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'") < 20


def test_an_alert_takes_no_tables_place_in_a_publication(db: psycopg.Connection, attacker: psycopg.Connection) -> None:
    create(attacker, "theirs", "theirs.t")
    db.execute("CREATE TABLE complaint (id int PRIMARY KEY)")
    attacker.execute("CALL stream_alert('complaint', 'theirs', 'true')")
    to = """'t', '{"servers": "127.0.0.1:9"}'"""
    with pytest.raises(errors.InvalidParameterValue, match="is an alert and a table"):
        db.execute(f"CALL stream_publish('p', 'complaint', {to})")
    db.execute(f"CALL stream_publish('p', 'public.complaint', {to})")
    assert value(db, "SELECT followed = 'complaint'::regclass FROM llm.all_stream WHERE name = 'p'")


def test_a_function_that_somebody_makes_later_is_not_called_by_a_stream(
    db: psycopg.Connection, role: str, attacker: psycopg.Connection
) -> None:
    db.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(role)))
    db.execute("CREATE FUNCTION label(text) RETURNS text LANGUAGE sql AS $$ SELECT 'mine' $$")
    # Each is nearer to what the transform calls than the one that was there.
    create(
        db,
        columns='["id bigint", "body varchar"]',
        transform="SELECT id, label(body) AS label, lower(body) AS b FROM batch",
    )
    db.execute("CALL stream_alert('mine', 'payments', 'label(b::varchar) = label', dedupe => 'label(b::varchar)')")
    for name in ("label", "lower"):
        attacker.execute(
            f"CREATE FUNCTION public.{name}(varchar) RETURNS text LANGUAGE sql AS $$ SELECT current_user::text $$"
        )
    assert Reader(db, "payments").write([json.dumps({"id": 1, "body": "B"})]) == 1
    assert db.execute("SELECT label, b FROM payment").fetchall() == [("mine", "b")]
    assert value(db, "SELECT dedupe_key FROM llm.all_stream_alarm") == "mine"


def test_a_pattern_without_end_stops_no_other_stream(
    db: psycopg.Connection, attacker: psycopg.Connection, start: Start
) -> None:
    with kafka.tansu() as broker:
        kafka.create_topic(broker, "a" * 60, 1)
        source = json.dumps({"kind": "kafka", "servers": broker, "pattern": "(((a+)+)+)+!"})
        create(attacker, "hostile", "theirs.t", source=source, columns='["a int"]')
        start(db.info.dsn)
        time.sleep(2)
        db.execute("CREATE TABLE place (id int PRIMARY KEY)")
        create(db, "places", "place_copy", source='{"kind": "table", "table": "place"}', columns=None)
        db.execute("INSERT INTO place VALUES (1)")
        wait_for(db, "SELECT count(*) = 1 FROM place_copy")
