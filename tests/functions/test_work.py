"""Work in the background: the queue that triggers fill, what is done of it, by whom, and what becomes of failures.

The work here is that of a stand-in: `copy` holds the text of every `note`, and fails for a text that says so.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import psycopg
import pytest
from database import value
from psycopg import errors

Connect = Callable[..., psycopg.Connection]

SOURCES = """
    CREATE TABLE llm.source (kind text, id int, source regclass, key text[] COLLATE "C", inputs text[] COLLATE "C");
    CREATE OR REPLACE VIEW llm.companion_table AS
    SELECT s.kind, s.id, s.source, NULL::regclass AS companion, 'manual'::text AS sync, s.source::oid AS number,
           NULL::int2[] AS key_numbers, s.key, s.inputs FROM llm.source AS s;
"""
# Registered in a session's own interpreter.
HANDLER = """
    from pg_llm.errors import ConcurrentChange, EndpointFailed, HostLost, HostUnavailable, InvalidInput
    from pg_llm.functions import work
    def copy(db, object_id, keys):
        if keys == "null":
            db.execute("DELETE FROM public.copy AS c WHERE NOT EXISTS (SELECT FROM public.note AS n WHERE n.id = c.id)")
            return
        db.rows("DELETE FROM public.copy WHERE id IN (SELECT k.id FROM jsonb_to_recordset($1::jsonb) AS k (id int))",
                ("text",), (keys,))
        rows = db.rows("INSERT INTO public.copy SELECT n.id, n.body FROM public.note AS n"
                       " WHERE n.id IN (SELECT k.id FROM jsonb_to_recordset($1::jsonb) AS k (id int)) RETURNING body",
                       ("text",), (keys,))
        texts = [row["body"] for row in rows if row["body"]]
        db.rows("SELECT pg_sleep(0.01)")
        if any("bad" in text for text in texts):
            raise InvalidInput("this text is bad")
        if any("defect" in text for text in texts):
            raise ValueError("a defect")
        if any("poison" in text for text in texts):
            raise HostLost("the host ended over it")
        if any("host" in text for text in texts):
            raise HostUnavailable("the host is not there")
        if any("endpoint" in text for text in texts):
            raise EndpointFailed("the endpoint does not answer")
        if any("busy" in text for text in texts):
            raise ConcurrentChange("somebody is writing this row")
        if any("slow" in text for text in texts):
            db.rows("SELECT pg_sleep(30)")
    work.HANDLERS["copy"] = copy
"""
TRIGGERS = {
    "INSERT": "REFERENCING NEW TABLE AS changed",
    "UPDATE": "REFERENCING OLD TABLE AS old NEW TABLE AS changed",
    "DELETE": "REFERENCING OLD TABLE AS old",
    "TRUNCATE": "",
}


def follow(db: psycopg.Connection, table: str, number: int, key: str, inputs: str) -> None:
    """Queue what changes in a table, as work on the object of that number."""
    db.execute("INSERT INTO llm.source VALUES ('copy', %s, %s, %s, %s)", (number, table, key, inputs))
    for event, tables in TRIGGERS.items():
        db.execute(
            f"CREATE TRIGGER zz_{event} AFTER {event} ON {table} {tables}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION llm.enqueue_work('copy', '{number}')"
        )


def register(connection: psycopg.Connection) -> psycopg.Connection:
    connection.execute(f"DO LANGUAGE plpython3u $do${HANDLER.replace(chr(10) + '    ', chr(10))}$do$")
    return connection


@pytest.fixture
def note(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(SOURCES)
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text, likes int); CREATE TABLE copy (id int, body text)")
    follow(db, "note", 1, "{id}", "{body}")
    return register(db)


def queued(db: psycopg.Connection) -> list[object]:
    return [row[0] for row in db.execute("SELECT key FROM llm.all_work ORDER BY key").fetchall()]


def work(db: psycopg.Connection, arguments: str = "") -> tuple[int, int]:
    row = db.execute(f"CALL llm_work({arguments})").fetchone()
    assert row is not None
    return row[0], row[1]


def copied(db: psycopg.Connection) -> bool:
    return not value(
        db, "SELECT count(*) FROM note AS n FULL JOIN copy AS c USING (id) WHERE n.body IS DISTINCT FROM c.body"
    )


def hurry(db: psycopg.Connection) -> None:
    """Let what waits for its next attempt be due now."""
    db.execute("UPDATE llm.all_work SET next_at = clock_timestamp()")


def test_a_writers_rows_are_queued_and_done(note: psycopg.Connection) -> None:
    note.execute("INSERT INTO note SELECT n, 'text ' || n FROM generate_series(1, 1000) n")
    assert value(note, "SELECT count(*) FROM llm.all_work") == 1000
    assert work(note) == (1000, 0)
    assert copied(note)
    assert queued(note) == []
    note.execute("UPDATE note SET body = 'other' WHERE id <= 3; DELETE FROM note WHERE id IN (3, 4)")
    assert queued(note) == [{"id": n} for n in (1, 2, 3, 4)]
    assert work(note) == (4, 0)
    assert copied(note)


def test_only_what_matters_is_queued(note: psycopg.Connection) -> None:
    note.execute("INSERT INTO note VALUES (1, 'a', 1), (2, 'b', 1), (3, NULL, 1)")
    work(note)
    note.execute("UPDATE note SET likes = likes + 1")
    note.execute("UPDATE note SET body = body")
    assert queued(note) == []
    note.execute("UPDATE note SET body = 'now' WHERE id = 3")
    assert queued(note) == [{"id": 3}]
    note.execute("UPDATE note SET id = id + 10 WHERE id = 1")
    assert queued(note) == [{"id": 1}, {"id": 3}, {"id": 11}]
    note.execute("INSERT INTO note VALUES (2, 'c') ON CONFLICT (id) DO UPDATE SET body = excluded.body")
    assert queued(note) == [{"id": 1}, {"id": 2}, {"id": 3}, {"id": 11}]
    work(note)
    assert copied(note)


def test_a_row_waits_once(note: psycopg.Connection) -> None:
    note.execute("INSERT INTO note VALUES (1, 'a')")
    for n in range(5):
        note.execute("UPDATE note SET body = %s", (f"text {n}",))
    assert queued(note) == [{"id": 1}]
    note.execute("BEGIN; UPDATE note SET body = 'gone'; ROLLBACK")
    assert queued(note) == [{"id": 1}]
    assert work(note) == (1, 0)


def test_truncate_asks_for_all_rows(note: psycopg.Connection) -> None:
    note.execute("INSERT INTO note VALUES (1, 'a'), (2, 'b')")
    work(note)
    note.execute("TRUNCATE note")
    note.execute("INSERT INTO note VALUES (3, 'c')")
    assert queued(note) == [{"id": 3}, None]
    assert work(note) == (2, 0)
    assert copied(note)


def test_keys_of_every_kind(db: psycopg.Connection) -> None:
    db.execute(SOURCES)
    db.execute("CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN number AS int CHECK (value > 0)")
    db.execute("""
        CREATE TABLE "An odd table" ("the 'key'" mood, n number, t timestamptz, f float8, "the text" text,
        PRIMARY KEY ("the 'key'", n, t, f))
    """)
    follow(db, '"An odd table"', 1, "{the 'key',n,t,f}", "{the text}")
    db.execute("SET timezone = 'Asia/Shanghai'; SET datestyle = 'German'; SET extra_float_digits = -10")
    db.execute("INSERT INTO \"An odd table\" VALUES ('glad', 1, '2025-01-01 00:00+00', 0.1::float8 + 0.2, 'a')")
    key = {"the 'key'": "glad", "n": "1", "t": "2025-01-01T00:00:00+00:00", "f": 0.30000000000000004}
    assert queued(db) == [key]
    db.execute("DELETE FROM llm.all_work")
    db.execute("""UPDATE "An odd table" SET "the 'key'" = 'sad', "the text" = 'b'""")
    assert queued(db) == [key, key | {"the 'key'": "sad"}]


def test_input_columns_of_every_kind(db: psycopg.Connection) -> None:
    db.execute(SOURCES)
    db.execute("CREATE TYPE pair AS (a int, b text); CREATE DOMAIN words AS text")
    db.execute(
        "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
        "CREATE TABLE note (id int PRIMARY KEY, p pair, w words, l text COLLATE loose, j json,"
        " g text GENERATED ALWAYS AS (lower(w)) STORED)"
    )
    follow(db, "note", 1, "{id}", "{p,w,l,j,g}")
    db.execute("""INSERT INTO note VALUES (1, '(1,x)', 'w', 'a', '{"a": 1}')""")
    for change in ("p = '(2,x)'", "p = NULL", "p = '(,)'", "w = ''", "w = NULL", "l = 'A'", "j = '{\"a\":1}'"):
        db.execute("DELETE FROM llm.all_work")
        db.execute(f"UPDATE note SET {change}")
        assert queued(db) == [{"id": 1}], change
        db.execute("DELETE FROM llm.all_work")
        db.execute(f"UPDATE note SET {change}")
        assert queued(db) == [], change


def test_partitions_and_children_belong_to_their_table(db: psycopg.Connection) -> None:
    db.execute(SOURCES)
    db.execute("""
        CREATE TABLE whole (id int, body text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
        CREATE TABLE part (body text, other int, id int NOT NULL); ALTER TABLE part DROP COLUMN other;
        ALTER TABLE whole ATTACH PARTITION part FOR VALUES FROM (0) TO (10);
    """)
    follow(db, "whole", 1, "{id}", "{body}")
    for event, tables in TRIGGERS.items():
        db.execute(
            f"CREATE TRIGGER zz_{event} AFTER {event} ON part {tables}"
            " FOR EACH STATEMENT EXECUTE FUNCTION llm.enqueue_work('copy', '1')"
        )
    db.execute("INSERT INTO whole VALUES (1, 'a')")
    db.execute("INSERT INTO part (id, body) VALUES (2, 'b')")
    assert queued(db) == [{"id": 1}, {"id": 2}]
    db.execute("ALTER TABLE whole DETACH PARTITION part")
    db.execute("INSERT INTO part (id, body) VALUES (3, 'b')")
    assert queued(db) == [{"id": 1}, {"id": 2}]


def test_a_bad_row_fails_alone_and_is_given_up(note: psycopg.Connection) -> None:
    note.execute("INSERT INTO note SELECT n, 'text ' || n FROM generate_series(1, 100) n")
    note.execute("UPDATE note SET body = 'bad' WHERE id = 50; UPDATE note SET body = 'defect' WHERE id = 51")
    assert work(note) == (98, 2)
    failed = "SELECT key, error, attempts, state, next_at > now() FROM llm_failed_work ORDER BY key"
    assert note.execute(failed).fetchall() == [
        ({"id": 50}, "this text is bad", 1, "delayed", True),
        ({"id": 51}, "ValueError: a defect", 1, "delayed", True),
    ]
    assert work(note) == (0, 0)
    delays = []
    for _ in range(4):
        hurry(note)
        assert work(note) == (0, 2)
        delays.append(value(note, "SELECT extract(epoch FROM min(next_at) - now()) FROM llm_failed_work"))
    assert delays[:3] == sorted(delays[:3])
    assert 100 < delays[1] < 250
    hurry(note)
    assert work(note) == (0, 0)
    assert value(note, "SELECT bool_and(state = 'dead') FROM llm_failed_work")
    # Once its text is right, or on request, it is tried again.
    note.execute("UPDATE note SET body = 'good' WHERE id = 50")
    assert work(note) == (1, 0)
    assert value(note, "SELECT llm_retry_work('note')") == 1
    assert work(note) == (0, 1)
    note.execute("UPDATE note SET body = 'good' WHERE id = 51")
    assert work(note) == (1, 0)
    assert copied(note)
    assert queued(note) == []


def test_what_is_not_there_is_nobodys_failure(note: psycopg.Connection) -> None:
    note.execute("INSERT INTO note SELECT n, 'host ' || n FROM generate_series(1, 100) n")
    done, failed = work(note)
    assert (done, failed) == (0, 100)
    assert note.execute("SELECT DISTINCT attempts, state FROM llm_failed_work").fetchall() == [(0, "delayed")]
    note.execute("TRUNCATE llm.all_work; UPDATE note SET body = 'endpoint'")
    assert work(note) == (0, 100)
    attempts = note.execute("SELECT attempts, count(*) FROM llm_failed_work GROUP BY 1 ORDER BY 1").fetchall()
    assert attempts[0][0] == 0
    assert attempts[1][1] <= 12


def test_a_row_that_kills_the_host_is_found_and_given_up(note: psycopg.Connection) -> None:
    """The rows beside it are done alone after ten seconds, and it is a dead letter after five attempts of its own."""
    note.execute("INSERT INTO note SELECT n, 'text ' || n FROM generate_series(1, 20) n")
    note.execute("UPDATE note SET body = 'poison' WHERE id = 7")
    assert work(note) == (0, 20)
    assert value(note, "SELECT bool_and(attempts = 0 AND next_at < now() + interval '13 s') FROM llm.all_work")
    hurry(note)
    # A new row does not wait for them, nor share their fate.
    note.execute("INSERT INTO note VALUES (21, 'new')")
    assert work(note) == (20, 1)
    for attempts in range(1, 5):
        assert note.execute("SELECT key, attempts, state FROM llm_failed_work").fetchall() == [
            ({"id": 7}, attempts, "delayed")
        ]
        hurry(note)
        assert work(note) == (0, 1)
    assert note.execute("SELECT error, state FROM llm_failed_work").fetchall() == [("the host ended over it", "dead")]
    note.execute("UPDATE note SET body = 'harmless' WHERE id = 7")
    assert work(note) == (1, 0)
    assert copied(note)
    assert queued(note) == []


def test_rows_that_others_write_wait_for_a_moment(note: psycopg.Connection) -> None:
    note.execute("INSERT INTO note VALUES (1, 'a'), (2, 'busy'), (3, 'c')")
    assert work(note) == (2, 0)
    assert queued(note) == [{"id": 2}]
    assert note.execute("SELECT * FROM llm_failed_work").fetchall() == []
    assert value(note, "SELECT next_at < now() + interval '1 s' FROM llm.all_work")


def test_max_rows_bounds_a_call(note: psycopg.Connection) -> None:
    note.execute("INSERT INTO note SELECT n, 'text' FROM generate_series(1, 100) n")
    assert work(note, "10") == (10, 0)
    assert value(note, "SELECT count(*) FROM llm.all_work") == 90
    with pytest.raises(errors.InvalidParameterValue, match="max_rows"):
        work(note, "0")


def test_in_a_transaction_block_all_is_done_or_nothing(note: psycopg.Connection) -> None:
    note.execute("INSERT INTO note VALUES (1, 'a'), (2, 'bad')")
    note.execute("BEGIN")
    assert work(note) == (1, 1)
    note.execute("ROLLBACK")
    assert queued(note) == [{"id": 1}, {"id": 2}]
    note.execute("BEGIN")
    assert work(note) == (1, 1)
    note.execute("COMMIT")
    assert queued(note) == [{"id": 2}]


def test_a_cancelled_call_leaves_its_work_to_others(note: psycopg.Connection, connect: Connect) -> None:
    note.execute("INSERT INTO note SELECT n, 'slow' FROM generate_series(1, 5) n")
    note.execute("SET statement_timeout = '500ms'")
    with pytest.raises(errors.QueryCanceled):
        work(note)
    note.execute("RESET statement_timeout")
    assert value(note, "SELECT count(claimed_by) FROM llm.all_work") == 5
    other = register(connect())
    other.execute("UPDATE note SET body = 'quick'")
    assert work(other) == (5, 0)
    assert copied(note)
    assert queued(note) == []


def test_what_was_lost_is_tried_alone(note: psycopg.Connection, connect: Connect) -> None:
    """At once after the first time, and later each time that it was lost alone; no attempt has failed."""
    note.execute("INSERT INTO note SELECT n, 'slow' FROM generate_series(1, 5) n")
    note.execute("SET statement_timeout = '500ms'")
    for claimed in (5, 1):
        with pytest.raises(errors.QueryCanceled):
            work(note)
        assert value(note, "SELECT count(claimed_by) FROM llm.all_work") == claimed
    note.execute("RESET statement_timeout")
    # Nobody asks for them once more.
    note.execute("SET session_replication_role = 'replica'; UPDATE note SET body = 'quick'")
    other = register(connect())
    assert work(other) == (4, 0)
    waits = "SELECT attempts, losses, extract(epoch FROM next_at - now()) BETWEEN 5 AND 11 FROM llm.all_work"
    assert note.execute(waits).fetchall() == [(0, 2, True)]
    hurry(note)
    assert work(other) == (1, 0)
    assert copied(note)


def test_claims_of_a_dead_session_are_taken_over(note: psycopg.Connection, connect: Connect) -> None:
    note.execute("INSERT INTO note SELECT n, 'slow' FROM generate_series(1, 5) n")
    doomed = register(connect())
    failures: list[str | None] = []

    def be_terminated() -> None:
        try:
            work(doomed)
        except psycopg.OperationalError as error:
            failures.append(error.sqlstate)

    thread = threading.Thread(target=be_terminated)
    thread.start()
    wait_for(note, "SELECT count(claimed_by) = 5 FROM llm.all_work")
    # What is being done is nobody else's, and a writer does not wait for it.
    assert work(note) == (0, 0)
    started = time.monotonic()
    note.execute("UPDATE note SET body = 'quick' WHERE id <= 2")
    assert time.monotonic() - started < 1
    assert work(note) == (0, 0)
    note.execute("UPDATE note SET body = 'quick'")
    note.execute("SELECT pg_terminate_backend(%s)", (doomed.info.backend_pid,))
    thread.join()
    assert failures == ["57P01"]
    deadline = time.monotonic() + 10
    while queued(note) and time.monotonic() < deadline:
        work(note)
    assert queued(note) == []
    assert copied(note)


def test_nobody_reads_a_row_before_its_writer_has_committed(note: psycopg.Connection, connect: Connect) -> None:
    note.execute("INSERT INTO note VALUES (1, 'a'), (2, 'b')")
    writer = connect()
    writer.execute("BEGIN; UPDATE note SET body = 'new' WHERE id = 1")
    assert work(note) == (1, 0)
    assert queued(note) == [{"id": 1}]
    writer.execute("COMMIT")
    assert work(note) == (1, 0)
    assert copied(note)


def test_several_share_the_work(note: psycopg.Connection, connect: Connect) -> None:
    note.execute("INSERT INTO note SELECT n, 'text ' || n FROM generate_series(1, 1200) n")
    sessions = [register(connect()) for _ in range(3)]
    counts: list[tuple[int, int]] = []
    threads = [threading.Thread(target=lambda each=each: counts.append(work(each))) for each in sessions]
    for thread in threads:
        thread.start()
    # Not for as long as they work: whoever writes faster than they do would keep them at it for ever.
    for _ in range(300):
        note.execute("UPDATE note SET body = body || '.' WHERE id = 1 + (random() * 1199)::int")
    for thread in threads:
        thread.join()
    work(note)
    assert sum(done for done, _ in counts) >= 1200
    assert all(done > 40 for done, _ in counts)
    assert copied(note)
    assert value(note, "SELECT count(*) = count(DISTINCT id) FROM copy")


def test_a_role_sees_and_does_its_own_work(note: psycopg.Connection, connect: Connect, role: str) -> None:
    note.execute("INSERT INTO note VALUES (1, 'bad')")
    work(note)
    hurry(note)
    note.execute(f"GRANT ALL ON note, copy TO {role}")
    other = connect(user=role)
    assert work(other) == (0, 0)
    assert other.execute("SELECT * FROM llm_failed_work").fetchall() == []
    assert value(other, "SELECT llm_retry_work()") == 0
    with pytest.raises(errors.InsufficientPrivilege, match="must be owner"):
        other.execute("SELECT llm_retry_work('note')")
    for table in ("all_work", "all_worker"):
        with pytest.raises(errors.InsufficientPrivilege):
            other.execute(f"SELECT * FROM llm.{table}")
    note.execute(f"ALTER TABLE note OWNER TO {role}")
    assert value(other, "SELECT count(*) FROM llm_failed_work") == 1
    assert value(other, "SELECT llm_retry_work('note')") == 1


def test_a_trigger_made_by_hand_queues_nothing_of_others(note: psycopg.Connection, role: str) -> None:
    note.execute(f"GRANT CREATE ON SCHEMA public TO {role}; GRANT TRIGGER, INSERT ON note TO {role}; SET ROLE {role}")
    note.execute(
        "CREATE TABLE mine (id int PRIMARY KEY, body text); CREATE TEMPORARY TABLE changed (id int, body text)"
    )
    note.execute("INSERT INTO changed VALUES (7, 'planted')")
    for number, (arguments, tables) in enumerate(
        [
            ("'copy', '1'", TRIGGERS["INSERT"]),
            ("'copy', '1'", ""),
            ("'copy'", TRIGGERS["INSERT"]),
            ("'copy', '1; DROP TABLE note'", TRIGGERS["INSERT"]),
            ("'copy', '99999999999999'", TRIGGERS["INSERT"]),
            ("'copy', ''", TRIGGERS["INSERT"]),
            ("", TRIGGERS["INSERT"]),
        ]
    ):
        note.execute(
            f"CREATE TRIGGER t{number} AFTER INSERT ON mine {tables}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION llm.enqueue_work({arguments})"
        )
    note.execute("CREATE TRIGGER r AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION llm.enqueue_work('copy', '1')")
    note.execute("CREATE TRIGGER b BEFORE INSERT ON mine EXECUTE FUNCTION llm.enqueue_work('copy', '1')")
    # On the table itself, but without a transition table: what the writer calls `changed` is not looked at.
    note.execute("CREATE TRIGGER planted AFTER INSERT ON note EXECUTE FUNCTION llm.enqueue_work('copy', '1')")
    note.execute("INSERT INTO mine VALUES (1, 'a')")
    note.execute("INSERT INTO note VALUES (2, 'b')")
    note.execute("RESET ROLE")
    assert queued(note) == [{"id": 2}]


def test_the_queue_runs_no_code_of_the_tables_owner(note: psycopg.Connection, role: str) -> None:
    note.execute(f"GRANT CREATE ON SCHEMA public TO {role}; SET ROLE {role}")
    note.execute("""
        CREATE TABLE stolen (who name);
        CREATE TYPE pair AS (a int, b text);
        CREATE FUNCTION steal(pair) RETURNS text LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO stolen VALUES (CURRENT_USER); RETURN 'x'; END $$;
        CREATE FUNCTION steal_json(pair) RETURNS json LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO stolen VALUES (CURRENT_USER); RETURN '1'; END $$;
        CREATE FUNCTION steal_equal(pair, pair) RETURNS bool LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO stolen VALUES (CURRENT_USER); RETURN true; END $$;
        CREATE CAST (pair AS text) WITH FUNCTION steal(pair) AS IMPLICIT;
        CREATE CAST (pair AS json) WITH FUNCTION steal_json(pair) AS IMPLICIT;
        CREATE OPERATOR = (leftarg = pair, rightarg = pair, function = steal_equal);
        CREATE TABLE mine (k pair PRIMARY KEY, body pair);
        ALTER TABLE mine ENABLE ROW LEVEL SECURITY; ALTER TABLE mine FORCE ROW LEVEL SECURITY;
        CREATE POLICY p ON mine USING (steal(k) = 'x' OR true);
    """)
    note.execute("RESET ROLE")
    follow(note, "mine", 2, "{k}", "{body}")
    note.execute(f"SET ROLE {role}")
    note.execute("INSERT INTO mine VALUES ('(1,a)', '(1,a)')")
    note.execute("UPDATE mine SET body = '(2,b)'")
    note.execute("RESET ROLE")
    assert queued(note) == [{"k": "(1,a)"}]
    assert note.execute("SELECT DISTINCT who FROM stolen").fetchall() in ([], [(role,)])


def test_work_for_what_is_gone_is_removed(note: psycopg.Connection) -> None:
    note.execute("INSERT INTO note VALUES (1, 'a')")
    note.execute("DELETE FROM llm.source")
    assert work(note) == (0, 0)
    assert queued(note) == []


def test_a_kind_that_nobody_can_do_waits(note: psycopg.Connection) -> None:
    note.execute(
        "UPDATE llm.source SET kind = 'other'; INSERT INTO llm.all_work (kind, object, key) VALUES ('other', 1, '{}')"
    )
    assert work(note) == (0, 0)
    assert queued(note) == [{}]


def test_workers_are_shown(note: psycopg.Connection, connect: Connect, role: str) -> None:
    assert note.execute("SELECT * FROM llm_workers").fetchall() == []
    note.execute("SELECT llm.announce_worker()")
    note.execute("INSERT INTO note VALUES (1, 'a'), (2, 'bad')")
    shown = "SELECT pid, usename, rows, failures, waiting, lag > '0' FROM llm_workers"
    pid = note.info.backend_pid
    assert note.execute(shown).fetchall() == [(pid, "postgres", 0, 0, 2, True)]
    work(note)
    assert note.execute(shown).fetchall() == [(pid, "postgres", 1, 1, 1, True)]
    assert value(note, "SELECT rows_per_second > 0 FROM llm_workers")
    reader = connect(user=role)
    assert reader.execute(shown).fetchall() == []
    reader.execute("SELECT llm.announce_worker()")
    assert reader.execute(shown).fetchall() == [(reader.info.backend_pid, role, 0, 0, 0, False)]
    reader.close()
    wait_for(note, "SELECT count(*) = 1 FROM llm_workers")


def test_a_writer_hardly_waits(note: psycopg.Connection) -> None:
    def insert(first: int) -> float:
        times = []
        for n in range(first, first + 300):
            started = time.perf_counter()
            note.execute("INSERT INTO note VALUES (%s, 'text')", (n,))
            times.append(time.perf_counter() - started)
        return sorted(times)[len(times) // 2] * 1000

    followed = insert(1)
    note.execute("ALTER TABLE note DISABLE TRIGGER USER")
    plain = insert(1001)
    print(f"INSERT of one row: {plain:.2f} ms, queued {followed:.2f} ms, added {followed - plain:.2f} ms")


def wait_for(db: psycopg.Connection, query: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not value(db, query):
        assert time.monotonic() < deadline, query
        time.sleep(0.02)


def test_json_of_a_key_is_exact(note: psycopg.Connection) -> None:
    note.execute("INSERT INTO note VALUES (2147483647, 'a')")
    assert json.loads(value(note, "SELECT key::text FROM llm.all_work")) == {"id": 2147483647}
