from __future__ import annotations

import json
import os
import signal
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from database import value
from hosts import gone, host_pid, hosts
from pg_llm.installation import OPENMP_ENV
from pg_llm.runtime.training import process
from workbench.cluster import TEST_SETTINGS, Cluster

Connect = Callable[..., psycopg.Connection]

# More than a session remembers by itself.
MANY = [f"text {number}" for number in range(20)]
LONG_BATCH = (
    "SELECT count(embedding) FROM llm_embed_batch(ARRAY(SELECT %s || n || repeat(' more words', 50)"
    " FROM generate_series(1, %s) n))"
)


def test_threads_of_host_and_training_do_not_spin_for_long(db: psycopg.Connection) -> None:
    environment = Path(f"/proc/{host_pid(db)}/environ").read_text(encoding="utf-8").split("\0")
    for name, given in OPENMP_ENV.items():
        assert f"{name}={os.environ.get(name, given)}" in environment
        assert process.environment()[name] == os.environ.get(name, given)


def test_32_connections_start_and_share_one_host_and_one_model(
    cluster: Cluster, db: psycopg.Connection, connect: Connect
) -> None:
    texts = [f"connection number {number} speaks" for number in range(32)]
    alone = [json.loads(row[0]) for row in db.execute("SELECT embedding::text FROM llm_embed_batch(%s)", (texts,))]
    before = value(db, "SELECT bytes FROM llm_status() WHERE model = 'all-minilm-l6-v2'")
    os.kill(host_pid(db), signal.SIGKILL)
    ready = threading.Barrier(32)
    found: dict[int, tuple[int, list[float]]] = {}

    def ask(number: int, connection: psycopg.Connection) -> None:
        ready.wait(30)
        vector = json.loads(value(connection, "SELECT llm_embed(%s)::text", texts[number]))
        found[number] = (value(connection, "SELECT max(host_pid) FROM llm_status()"), vector)

    threads = [threading.Thread(target=ask, args=(number, connect())) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {host for host, _ in found.values()} == set(hosts(cluster.data)) == {host_pid(db)}
    assert value(db, "SELECT bytes FROM llm_status() WHERE model = 'all-minilm-l6-v2'") == before
    for number in range(32):
        assert found[number][1] == pytest.approx(alone[number], abs=1e-5)


@pytest.mark.parametrize("engine", ["shared", "backend"])
@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_a_long_batch_stops_at_once(db: psycopg.Connection, connect: Connect, engine: str, how: str) -> None:
    db.execute(f"SET llm.engine = '{engine}'")
    db.execute("SELECT llm_embed('warm')")
    canceller = connect()
    timer = threading.Timer(1, canceller.execute, ("SELECT pg_cancel_backend(%s)", (db.info.backend_pid,)))
    if how == "timeout":
        db.execute("SET statement_timeout = '1s'")
    else:
        timer.start()
    started = time.monotonic()
    with pytest.raises(psycopg.errors.QueryCanceled):
        db.execute(LONG_BATCH, (f"{engine} {how}", 10_000))
    assert time.monotonic() - started < 2
    timer.cancel()
    db.execute("RESET statement_timeout")
    assert value(db, "SELECT vector_dims(llm_embed('still here'))") == 384
    if engine == "shared":
        # Nobody waits for the rest any more, so nobody computes it.
        while value(db, "SELECT queue FROM llm_status() WHERE model = 'all-minilm-l6-v2'"):
            time.sleep(0.01)


def test_a_bulk_job_starves_nobody(db: psycopg.Connection, connect: Connect) -> None:
    host_pid(db)
    bulk = connect()
    ended: list[str] = []

    def run_bulk() -> None:
        assert value(bulk, LONG_BATCH, "bulk", 500) == 500
        ended.append("bulk")

    thread = threading.Thread(target=run_bulk)
    thread.start()
    while not value(db, "SELECT queue FROM llm_status() WHERE model = 'all-minilm-l6-v2'"):
        time.sleep(0.01)
    for number in range(5):
        db.execute("SELECT llm_embed(%s)", (f"a single question, number {number}",))
        ended.append("single")
    thread.join()
    assert ended == ["single"] * 5 + ["bulk"]


def test_a_killed_host_is_replaced_within_the_query(cluster: Cluster, db: psycopg.Connection) -> None:
    first = host_pid(db)
    killer = threading.Timer(0.5, os.kill, (first, signal.SIGKILL))
    killer.start()
    assert value(db, LONG_BATCH, "kill", 200) == 200
    killer.join()
    assert gone(first)
    assert [host_pid(db)] == hosts(cluster.data) != [first]


def test_a_host_that_does_not_answer_holds_nobody(db: psycopg.Connection, connect: Connect) -> None:
    pid = host_pid(db)
    os.kill(pid, signal.SIGSTOP)
    try:
        for connection in (db, connect()):
            connection.execute("SET statement_timeout = '300ms'")
            for query in ("SELECT llm_embed('frozen')", "SELECT * FROM llm_status()", "SELECT * FROM llm_progress"):
                with pytest.raises(psycopg.errors.QueryCanceled):
                    connection.execute(query)
    finally:
        os.kill(pid, signal.SIGCONT)
    db.execute("RESET statement_timeout")
    assert value(db, "SELECT vector_dims(llm_embed('thawed'))") == 384
    assert value(db, "SELECT max(host_pid) FROM llm_status()") == pid


def test_the_host_ends_with_the_server() -> None:
    with Cluster(settings=TEST_SETTINGS) as own:
        own.sql("CREATE EXTENSION pg_llm CASCADE")
        for end in (own.stop, own.kill, own.restart):
            own.start()
            own.sql("SELECT llm_load_model('all-minilm-l6-v2')")
            pid = int(own.sql("SELECT max(host_pid) FROM llm_status()"))
            assert hosts(own.data) == [pid]
            end()
            time.sleep(1)
            assert gone(pid)
            assert hosts(own.data) == []


def test_only_the_server_reaches_the_socket(cluster: Cluster, db: psycopg.Connection) -> None:
    host_pid(db)
    folder = cluster.data / "pg_llm"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = {path.name: path.stat() for path in folder.rglob("*")}
    assert {"host.sock", "host.lock", "host.log", "spawn.lock"} <= files.keys()
    for name, about in files.items():
        assert stat.S_IMODE(about.st_mode) & 0o077 == 0, name
        assert about.st_uid == cluster.data.stat().st_uid, name


def test_repeated_texts_come_from_the_memo(db: psycopg.Connection, connect: Connect) -> None:
    status = "SELECT calls, rows, memo_hits FROM llm_status() WHERE model = 'all-minilm-l6-v2'"
    db.execute("SELECT llm_embed('remember me')")
    calls, rows, hits = db.execute(status).fetchone()
    connect().execute("SELECT llm_embed('remember me')")
    assert db.execute(status).fetchone() == (calls + 1, rows + 1, hits + 1)
    # The session that asked first does not ask again, and a model that is gone does not answer from memory.
    db.execute("SELECT llm_embed('remember me')")
    assert db.execute(status).fetchone() == (calls + 1, rows + 1, hits + 1)
    db.execute("BEGIN")
    db.execute("DELETE FROM llm.model")
    with pytest.raises(psycopg.errors.UndefinedObject):
        db.execute("SELECT llm_embed('remember me')")
    db.execute("ROLLBACK")
    db.execute("SELECT count(*) FROM llm_embed_batch('{remember me,a new one,a new one}')")
    assert db.execute(status).fetchone() == (calls + 2, rows + 2, hits + 1)


def test_the_servers_own_settings_are_the_configuration_files() -> None:
    with Cluster(settings={**TEST_SETTINGS, "llm.memory_limit": "1MB"}) as own:
        own.sql("CREATE EXTENSION pg_llm CASCADE")
        with psycopg.connect(own.dsn(), autocommit=True) as db:
            db.execute("SET llm.memory_limit = '1TB'")
            with pytest.raises(psycopg.errors.OutOfMemory, match="may hold 1 MB") as caught:
                db.execute("SELECT llm_embed('x')")
            assert "postgresql.conf" in caught.value.diag.message_hint

        own.configure(**{"llm.memory_limit": "100MB", "llm.memo_limit": "0"})
        own.restart()
        with psycopg.connect(own.dsn(), autocommit=True) as db:
            # One has room at a time; the least recently used goes, and comes again when it is called.
            for name in ("all-minilm-l6-v2", "all-minilm-l6-v2-int8", "all-minilm-l6-v2"):
                assert value(db, "SELECT max(vector_dims(embedding)) FROM llm_embed_batch(%s, %s)", MANY, name) == 384
                loaded = db.execute("SELECT model FROM llm_status() WHERE state = 'loaded'").fetchall()
                assert loaded == [(name,)]
            assert value(db, "SELECT sum(memo_hits) FROM llm_status()") == 0

        own.configure(**{"llm.memory_limit": "a lot"})
        own.restart()
        with psycopg.connect(own.dsn(), autocommit=True) as db:
            with pytest.raises(psycopg.errors.SystemError, match='invalid value for llm.memory_limit: "a lot"'):
                db.execute("SELECT llm_embed('x')")
            own.configure(**{"llm.memory_limit": "1GB"})
            assert value(db, "SELECT vector_dims(llm_embed('x'))") == 384
