from __future__ import annotations

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
from pg_llm.workbench.cluster import TEST_SETTINGS, Cluster

Connect = Callable[..., psycopg.Connection]


def host_pid(db: psycopg.Connection) -> int:
    db.execute("SELECT llm_load_model('all-minilm-l6-v2')")
    return value(db, "SELECT host_pid FROM llm_status()")


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").split()[2] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_32_connections_share_one_host_and_one_model(db: psycopg.Connection, connect: Connect) -> None:
    texts = [f"connection number {number} speaks" for number in range(32)]
    alone = [row[0] for row in db.execute("SELECT embedding FROM llm_embed_batch(%s)", (texts,))]
    pid = host_pid(db)
    before = value(db, "SELECT bytes FROM llm_status()")
    found: dict[int, tuple[int, str]] = {}

    def ask(number: int, connection: psycopg.Connection) -> None:
        text = value(connection, "SELECT llm_embed(%s)", texts[number] + " ")
        found[number] = (value(connection, "SELECT host_pid FROM llm_status()"), text)

    threads = [threading.Thread(target=ask, args=(number, connect())) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {host for host, _ in found.values()} == {pid}
    assert value(db, "SELECT sum(bytes) FROM llm_status()") == before
    for number in range(32):
        # Trailing white space is no token: the vectors are the same up to the rounding of another batch.
        assert value(db, "SELECT %s::vector <=> %s::vector", alone[number], found[number][1]) < 1e-5


@pytest.mark.parametrize("engine", ["shared", "backend"])
@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_a_long_batch_stops_at_once(db: psycopg.Connection, connect: Connect, engine: str, how: str) -> None:
    db.execute(f"SET llm.engine = '{engine}'")
    db.execute("SELECT llm_embed('warm')")
    pid = db.info.backend_pid
    canceller = connect()
    timer = threading.Timer(1, lambda: canceller.execute("SELECT pg_cancel_backend(%s)", (pid,)))
    if how == "timeout":
        db.execute("SET statement_timeout = '1s'")
    else:
        timer.start()
    started = time.monotonic()
    with pytest.raises(psycopg.errors.QueryCanceled):
        db.execute(
            "SELECT count(embedding) FROM llm_embed_batch(ARRAY(SELECT %s || n || repeat(' more words', 50)"
            " FROM generate_series(1, 10000) n))",
            (f"{engine} {how}",),
        )
    assert time.monotonic() - started < 2
    timer.cancel()
    db.execute("RESET statement_timeout")
    assert value(db, "SELECT vector_dims(llm_embed('still here'))") == 384


def test_a_killed_host_is_replaced_within_the_query(db: psycopg.Connection, connect: Connect) -> None:
    first = host_pid(db)
    killer = threading.Timer(0.5, os.kill, (first, signal.SIGKILL))
    killer.start()
    count = value(
        db,
        "SELECT count(embedding) FROM llm_embed_batch(ARRAY(SELECT 'kill ' || n || repeat(' more words', 20)"
        " FROM generate_series(1, 400) n))",
    )
    killer.join()
    assert count == 400
    assert gone(first)
    assert host_pid(db) != first


def test_the_host_ends_with_the_server() -> None:
    with Cluster(settings=TEST_SETTINGS) as own:
        own.sql("CREATE EXTENSION pg_llm CASCADE")
        own.sql("SELECT llm_load_model('all-minilm-l6-v2')")
        pid = int(own.sql("SELECT host_pid FROM llm_status()"))
        assert not gone(pid)
        own.stop()
        time.sleep(1)
        assert gone(pid)


def test_only_the_server_reaches_the_socket(cluster: Cluster, db: psycopg.Connection) -> None:
    host_pid(db)
    folder = cluster.data / "pg_llm"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "host.sock").stat().st_mode) == 0o700 & ~0o077
    assert (folder / "host.sock").stat().st_uid == folder.stat().st_uid == cluster.data.stat().st_uid


def test_repeated_texts_come_from_the_memo(db: psycopg.Connection) -> None:
    db.execute("SELECT llm_embed('remember me')")
    before = value(db, "SELECT memo_hits FROM llm_status()")
    db.execute("SELECT llm_embed('remember me')")
    assert value(db, "SELECT memo_hits FROM llm_status()") == before + 1


def test_the_memory_limit_is_the_configuration_files(db: psycopg.Connection) -> None:
    with Cluster(settings={**TEST_SETTINGS, "llm.memory_limit": "1MB"}) as own:
        own.sql("CREATE EXTENSION pg_llm CASCADE")
        with psycopg.connect(own.dsn(), autocommit=True) as small:
            small.execute("SET llm.memory_limit = '1TB'")
            with pytest.raises(psycopg.errors.OutOfMemory, match="may hold 1 MB"):
                small.execute("SELECT llm_embed('x')")
