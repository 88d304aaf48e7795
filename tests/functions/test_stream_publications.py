"""Streams from a publication of another server, which is a real one: by its write-ahead log, each change once."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from database import value
from psycopg import errors, sql
from streams import Start, wait_for, workers
from workbench.cluster import TEST_SETTINGS, Cluster

Connect = Callable[..., psycopg.Connection]
COLUMNS = '["id bigint", "body text", "tags text[]", "about jsonb", "amount numeric", "at timestamptz"]'
TABLE = """
    CREATE TABLE ticket (
        id bigint PRIMARY KEY, body text, tags text[], about jsonb, amount numeric, at timestamptz DEFAULT now()
    );
    CREATE TABLE other (id int PRIMARY KEY);
    CREATE PUBLICATION shop FOR TABLE ticket, other;
"""


@pytest.fixture
def start() -> Iterator[Start]:
    with workers() as run:
        yield run


@pytest.fixture(scope="module")
def remote() -> Iterator[Cluster]:
    with Cluster(settings=TEST_SETTINGS | {"wal_level": "logical", "max_slot_wal_keep_size": "128MB"}) as cluster:
        yield cluster


@pytest.fixture
def shop(remote: Cluster) -> Iterator[psycopg.Connection]:
    """A database with a table that is published; its slots are dropped afterwards."""
    with psycopg.connect(remote.dsn(), autocommit=True) as maintenance:
        maintenance.execute("CREATE DATABASE shop")
    with psycopg.connect(remote.dsn("shop"), autocommit=True) as db:
        db.execute(TABLE)
        yield db
    with psycopg.connect(remote.dsn(), autocommit=True) as maintenance:
        maintenance.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active")
        wait_for(maintenance, "SELECT count(*) = 0 FROM pg_replication_slots WHERE active")
        maintenance.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
        maintenance.execute("DROP DATABASE shop WITH (FORCE)")


def settings(shop: psycopg.Connection) -> dict[str, str]:
    given = {name: str(getattr(shop.info, name)) for name in ("host", "port", "dbname", "user", "password")}
    return {"PG_LLM_POSTGRES_SHOP": json.dumps(given)}


def create(db: psycopg.Connection, **options: Any) -> None:
    source = {"kind": "publication", "publication": "shop", "table": "public.ticket", "security": "SHOP"}
    given = {"columns": COLUMNS, "key": ["id"], "max_delay": "50 ms"} | options
    given["source"] = json.dumps(source | options.get("source", {}))
    given = {"name": "tickets", "target": "ticket"} | given
    arguments = ", ".join(f"{option} => %s" for option in given)
    db.execute(f"CALL stream_create({arguments})", list(given.values()))


def wait_for_slot(db: psycopg.Connection) -> None:
    """Until the stream reads; what was written before is not in it."""
    wait_for(db, 'SELECT count(worker) = 1 AND min("offset") >= 0 FROM stream_stats')


def test_changes_arrive_once_and_as_they_are(db: psycopg.Connection, shop: psycopg.Connection, start: Start) -> None:
    shop.execute("INSERT INTO ticket VALUES (0, 'before')")
    create(
        db,
        event_time="at",
        source={"events": ["insert", "update", "delete"]},
        key=None,
        transform="SELECT *, stream_key AS event FROM batch",
    )
    worker = start(db.info.dsn, **settings(shop))
    wait_for_slot(db)
    shop.execute(
        """
        INSERT INTO ticket
        VALUES (1, 'a "b" \\ ü', '{x,NULL,"y, z"}', '{"n": 1.00, "deep": [{}]}', 1.10, '2026-01-01')
        """
    )
    shop.execute("INSERT INTO other VALUES (1)")
    with shop.transaction():
        shop.execute("INSERT INTO ticket (id) SELECT n FROM generate_series(2, 3) AS n")
        shop.execute("UPDATE ticket SET body = 'changed' WHERE id = 2")
        shop.execute("DELETE FROM ticket WHERE id = 3")
    with shop.transaction(force_rollback=True):
        shop.execute("INSERT INTO ticket (id) VALUES (4)")
    wait_for(db, "SELECT count(*) = 5 FROM ticket")
    rows = db.execute("SELECT event, id, body FROM ticket ORDER BY ctid").fetchall()
    assert rows == [
        ("insert", 1, 'a "b" \\ ü'),
        ("insert", 2, None),
        ("insert", 3, None),
        ("update", 2, "changed"),
        ("delete", 3, None),
    ]
    same = "SELECT tags::text, about::text, amount::text, at FROM ticket WHERE id = 1"
    assert db.execute(same).fetchone() == shop.execute(same).fetchone()
    # What is done is kept there no more.
    wait_for(shop, "SELECT bool_and(confirmed_flush_lsn >= pg_current_wal_lsn()) FROM pg_replication_slots")
    worker.kill()
    shop.execute("INSERT INTO ticket (id) VALUES (5)")
    start(db.info.dsn, **settings(shop))
    wait_for(db, "SELECT count(*) = 6 FROM ticket")


def test_a_large_transaction_is_taken_in_pieces_and_once_whatever_is_lost(
    db: psycopg.Connection, shop: psycopg.Connection, start: Start
) -> None:
    create(db, key=None, max_batch=1000)
    worker = start(db.info.dsn, **settings(shop))
    wait_for_slot(db)
    with psycopg.connect(shop.info.dsn, password=shop.info.password) as early:
        # Begun before the large one, and committed after it.
        early.execute("INSERT INTO ticket (id) VALUES (-1)")
        shop.execute("INSERT INTO ticket (id, body) SELECT n, repeat('x', 500) FROM generate_series(1, 30000) AS n")
        early.commit()
    for least in (2000, 9000, 16000, 23000):
        wait_for(db, f"SELECT count(*) >= {least} FROM ticket")
        worker.kill()
        worker = start(db.info.dsn, **settings(shop))
    wait_for(db, "SELECT count(*) >= 30001 FROM ticket")
    assert value(db, "SELECT count(DISTINCT id) FROM ticket") == 30001
    wait_for(shop, "SELECT bool_and(confirmed_flush_lsn >= pg_current_wal_lsn()) FROM pg_replication_slots")
    assert value(db, "SELECT count(*) FROM ticket") == 30001
    # The server is lost.
    db.execute("CALL stream_pause('tickets')")
    shop.execute("INSERT INTO ticket (id) VALUES (40000)")
    db.execute("CALL stream_resume('tickets')")
    wait_for(db, "SELECT count(*) = 30002 FROM ticket")


def test_each_change_arrives_once_though_its_server_crashes(
    db: psycopg.Connection, shop: psycopg.Connection, remote: Cluster, start: Start
) -> None:
    create(db, key=None)
    start(db.info.dsn, **settings(shop))
    wait_for_slot(db)
    for first in range(0, 1500, 300):
        with psycopg.connect(remote.dsn("shop"), autocommit=True) as writer:
            # Nothing that was committed is lost there.
            writer.execute("SET synchronous_commit = on")
            for n in range(first, first + 300):
                writer.execute("INSERT INTO ticket (id) VALUES (%s)", (n,))
        # What was acknowledged last is forgotten by it, and comes again.
        wait_for(db, f"SELECT count(*) > {first} FROM ticket")
        remote.kill()
        remote.start()
    wait_for(db, "SELECT count(*) >= 1500 FROM ticket", 60)
    with psycopg.connect(remote.dsn("shop"), autocommit=True) as writer:
        writer.execute("INSERT INTO ticket (id) VALUES (1500)")
    wait_for(db, "SELECT count(*) FILTER (WHERE id = 1500) = 1 FROM ticket")
    assert value(db, "SELECT count(*) = 1501 AND count(DISTINCT id) = 1501 FROM ticket")


def test_a_large_value_that_did_not_change_is_a_dead_letter_unless_the_log_has_it(
    db: psycopg.Connection, shop: psycopg.Connection, start: Start
) -> None:
    create(db)
    start(db.info.dsn, **settings(shop))
    wait_for_slot(db)
    shop.execute("ALTER TABLE ticket ALTER body SET STORAGE EXTERNAL")
    shop.execute("INSERT INTO ticket (id, body) VALUES (1, repeat('x', 10000))")
    shop.execute("UPDATE ticket SET amount = 2")
    wait_for(db, "SELECT bool_or(error LIKE '%REPLICA IDENTITY FULL') FROM stream_dead_letter")
    assert value(db, "SELECT payload FROM stream_dead_letter").startswith(b'\0{"id": "1"')
    assert db.execute("SELECT length(body), amount FROM ticket").fetchone() == (10000, None)
    # Nothing makes it whole.
    assert value(db, "SELECT stream_retry('tickets')") == 0
    shop.execute("ALTER TABLE ticket REPLICA IDENTITY FULL")
    shop.execute("UPDATE ticket SET amount = 3")
    wait_for(db, "SELECT bool_and(amount = 3 AND length(body) = 10000) FROM ticket")


def test_a_worker_that_hangs_is_replaced(db: psycopg.Connection, shop: psycopg.Connection, start: Start) -> None:
    create(db, key=None)
    hung = start(db.info.dsn, **settings(shop))
    wait_for_slot(db)
    start(db.info.dsn, **settings(shop))
    shop.execute("INSERT INTO ticket (id) VALUES (1)")
    wait_for(db, "SELECT count(*) = 1 FROM ticket")
    # Whoever waits holds no connection there.
    assert value(shop, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'") == 1
    hung.send_signal(signal.SIGSTOP)
    shop.execute("INSERT INTO ticket (id) VALUES (2)")
    wait_for(db, "SELECT count(*) = 2 FROM ticket", 60)
    hung.send_signal(signal.SIGCONT)
    shop.execute("INSERT INTO ticket (id) VALUES (3)")
    wait_for(db, "SELECT count(*) = 3 FROM ticket")
    # Much that is of no interest keeps nobody from the lease.
    shop.execute("INSERT INTO other SELECT n FROM generate_series(1, 100000) AS n")
    shop.execute("INSERT INTO ticket (id) VALUES (4)")
    wait_for(db, "SELECT count(*) = 4 AND count(DISTINCT id) = 4 FROM ticket")


def test_the_author_of_a_value_writes_no_other_one(
    db: psycopg.Connection, shop: psycopg.Connection, start: Start
) -> None:
    # Declared as what it is not there.
    create(db, columns='["id bigint", "body jsonb", "tags text[]"]', key=None)
    start(db.info.dsn, **settings(shop))
    wait_for_slot(db)
    forged = '1, "id": 99'
    shop.execute("INSERT INTO ticket (id, body, tags) VALUES (1, %s, ARRAY[%s])", (forged, '"], "id": 99, "x": ["'))
    shop.execute("INSERT INTO ticket (id, body) VALUES (2, '{\"a\": 1}'), (3, %s)", ("[" * 100_000,))
    wait_for(db, "SELECT count(*) = 3 FROM ticket")
    assert db.execute("SELECT id, body FROM ticket WHERE id < 3 ORDER BY id").fetchall() == [(1, forged), (2, {"a": 1})]


def test_columns_may_come_and_go(db: psycopg.Connection, shop: psycopg.Connection, start: Start) -> None:
    create(db)
    start(db.info.dsn, **settings(shop))
    wait_for_slot(db)
    shop.execute("INSERT INTO ticket (id) VALUES (1)")
    shop.execute("ALTER TABLE ticket DROP tags, ADD more int, ALTER amount TYPE text")
    shop.execute("INSERT INTO ticket (id, amount, more) VALUES (2, '2.5', 1), (3, 'much', 2)")
    wait_for(db, "SELECT count(*) = 2 AND sum(amount) = 2.5 FROM ticket")
    assert value(db, "SELECT sqlstate FROM stream_dead_letter") == "22P02"


def test_the_slot_goes_with_the_stream(db: psycopg.Connection, shop: psycopg.Connection, start: Start) -> None:
    create(db)
    worker = start(db.info.dsn, **settings(shop))
    wait_for_slot(db)
    shop.execute("SELECT pg_create_logical_replication_slot('of_others', 'pgoutput')")
    shop.execute("SELECT pg_create_logical_replication_slot('pg_llm_1_2_3', 'pgoutput')")
    # Paused, it keeps what is written.
    db.execute("CALL stream_pause('tickets')")
    wait_for(shop, "SELECT NOT bool_or(active) FROM pg_replication_slots")
    assert value(shop, "SELECT count(*) FROM pg_replication_slots") == 3
    shop.execute("INSERT INTO ticket (id) VALUES (1)")
    db.execute("CALL stream_resume('tickets')")
    wait_for(db, "SELECT count(*) = 1 FROM ticket")
    # While no worker is there.
    worker.kill()
    db.execute("CALL stream_drop('tickets')")
    start(db.info.dsn, **settings(shop))
    wait_for(shop, "SELECT array_agg(slot_name ORDER BY 1) = '{of_others,pg_llm_1_2_3}' FROM pg_replication_slots")


def test_what_is_not_there_is_said(db: psycopg.Connection, shop: psycopg.Connection, start: Start) -> None:
    create(db)
    worker = start(db.info.dsn, PG_LLM_POSTGRES_SHOP='{"host": "127.0.0.1", "port": 9}')
    wait_for(
        db,
        "SELECT bool_or(error LIKE 'the server that PG_LLM_POSTGRES_SHOP names cannot be reached%') FROM stream_stats",
    )
    worker.kill()
    worker = start(db.info.dsn, PG_LLM_POSTGRES_SHOP='{"no such option": 1}')
    wait_for(db, "SELECT bool_or(error LIKE '%says no connection') FROM stream_stats")
    worker.kill()
    create(db, source={"table": "public.missing"})
    worker = start(db.info.dsn, **settings(shop))
    wait_for(db, "SELECT bool_or(error LIKE 'there is no publication shop of public.missing') FROM stream_stats")
    create(db)
    wait_for_slot(db)
    shop.execute("INSERT INTO ticket (id) VALUES (1)")
    wait_for(db, "SELECT count(*) = 1 FROM ticket")
    worker.kill()
    wait_for(shop, "SELECT bool_and(NOT active) FROM pg_replication_slots")
    # Dropped by somebody, it is not made again in silence.
    shop.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
    start(db.info.dsn, **settings(shop))
    wait_for(
        db, "SELECT bool_or(error LIKE '%is lost: stream_drop() and stream_create() begin anew') FROM stream_stats"
    )


def test_a_slot_that_its_server_gave_up_is_told(db: psycopg.Connection, shop: psycopg.Connection, start: Start) -> None:
    create(db)
    worker = start(db.info.dsn, **settings(shop))
    wait_for_slot(db)
    worker.kill()
    wait_for(shop, "SELECT bool_and(NOT active) FROM pg_replication_slots")
    # Segments of 16 MB each.
    for n in range(12):
        shop.execute("INSERT INTO other VALUES (%s)", (n,))
        shop.execute("SELECT pg_switch_wal()")
    shop.execute("CHECKPOINT")
    wait_for(shop, "SELECT bool_and(wal_status = 'lost') FROM pg_replication_slots")
    start(db.info.dsn, **settings(shop))
    wait_for(
        db, "SELECT bool_or(error LIKE '%is lost: stream_drop() and stream_create() begin anew') FROM stream_stats"
    )
    db.execute("CALL stream_drop('tickets')")
    create(db)
    wait_for_slot(db)
    shop.execute("INSERT INTO ticket (id) VALUES (1)")
    wait_for(db, "SELECT count(*) = 1 FROM ticket")
    # What nobody can read any more is not kept either.
    wait_for(shop, "SELECT count(*) = 1 FROM pg_replication_slots")


def test_what_cannot_be_such_a_source(db: psycopg.Connection) -> None:
    for source in (
        {"security": "host=evil"},
        {"servers": "127.0.0.1"},
        {"slot": "of_others"},
        {"table": ""},
        {"publication": None},
        {"events": ["truncate"]},
    ):
        with pytest.raises(errors.InvalidParameterValue):
            create(db, source=source)
    with pytest.raises(errors.InvalidParameterValue):
        create(db, columns=None)
    create(db)
    with pytest.raises(errors.InvalidParameterValue, match="keeps nothing that could be read again"):
        db.execute("SELECT stream_seek('tickets', NULL, 0)")


def test_a_worker_without_rights_of_a_superuser_reads_and_drops_too(
    db: psycopg.Connection, shop: psycopg.Connection, role: str, connect: Connect, start: Start
) -> None:
    db.execute(sql.SQL("CREATE SCHEMA theirs AUTHORIZATION {}").format(sql.Identifier(role)))
    shop.execute("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN REPLICATION PASSWORD 'a secret'")
    given = json.loads(settings(shop)["PG_LLM_POSTGRES_SHOP"]) | {"user": "reader", "password": "a secret"}
    with connect(role) as owner:
        owner.execute("SET search_path = theirs, public")
        create(owner)
        create(db, source={"security": "ELSEWHERE"}, name="other", target="elsewhere")
        worker = start(owner.info.dsn, PG_LLM_POSTGRES_SHOP=json.dumps(given))
        wait_for(owner, 'SELECT count(worker) = 1 AND min("offset") >= 0 FROM stream_stats')
        shop.execute("INSERT INTO ticket (id) VALUES (1)")
        wait_for(owner, "SELECT count(*) = 1 FROM theirs.ticket")
        # Read from somewhere else from now on, it needs the slot no more.
        create(owner, source={"security": "ELSEWHERE"})
        wait_for(shop, "SELECT count(*) = 0 FROM pg_replication_slots")
        worker.kill()
    shop.execute("DROP ROLE reader")
