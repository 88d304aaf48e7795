from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable

import psycopg
import pytest
from companion import missing
from database import value
from workbench.cluster import Cluster

Connect = Callable[..., psycopg.Connection]

REPORT = "SELECT pid, usename, command, target, name, phase, done, total, started_at FROM llm_progress"


@pytest.fixture
def note(db: psycopg.Connection) -> psycopg.Connection:
    db.execute('CREATE SCHEMA "My Schema"; CREATE TABLE "My Schema".note (id int PRIMARY KEY, title text)')
    db.execute(
        """INSERT INTO "My Schema".note SELECT n, n || repeat(' some words', 30) FROM generate_series(1, 900) n"""
    )
    return db


def test_a_fill_is_seen_from_another_session(cluster: Cluster, note: psycopg.Connection, connect: Connect) -> None:
    worker, reports, elsewhere = connect(), [], []
    cluster.sql("CREATE DATABASE elsewhere")
    try:
        cluster.sql("CREATE EXTENSION pg_llm CASCADE", "elsewhere")
        with psycopg.connect(cluster.dsn("elsewhere"), autocommit=True) as stranger:
            thread = threading.Thread(
                target=worker.execute, args=("""CALL semantic_index('"My Schema".note', '{title}')""",)
            )
            thread.start()
            while thread.is_alive():
                reports += note.execute(REPORT).fetchall()
                elsewhere += stranger.execute(REPORT).fetchall()
                time.sleep(0.005)
            thread.join()
    finally:
        cluster.sql("DROP DATABASE elsewhere WITH (FORCE)")
    constant = {
        (pid, user, command, target, name, started) for pid, user, command, target, name, _, _, _, started in reports
    }
    ((pid, user, command, target, name, _),) = constant
    assert (pid, user, command) == (worker.info.backend_pid, "postgres", "semantic_index")
    assert (target, name) == ('"My Schema".note', "note_embedding")
    phases = list(dict.fromkeys(report[5] for report in reports))
    assert phases == ["embedding", "building indexes"]
    done = [report[6] for report in reports if report[5] == "embedding"]
    assert done == sorted(done)
    assert any(0 < rows < 900 for rows in done)
    assert {report[7] for report in reports if report[5] == "embedding"} == {900}
    assert elsewhere == []
    assert note.execute(REPORT).fetchall() == []


def test_a_refresh_that_is_stopped_is_seen_no_more(note: psycopg.Connection, connect: Connect) -> None:
    note.execute("""CALL semantic_index('"My Schema".note', '{title}', method => 'none', sync => 'manual')""")
    note.execute("""UPDATE "My Schema".note SET title = 'again ' || title""")
    worker, stopped = connect(), []

    def refresh() -> None:
        try:
            worker.execute("""CALL semantic_refresh('"My Schema".note')""")
        except psycopg.OperationalError as error:
            stopped.append(error)

    thread = threading.Thread(target=refresh)
    thread.start()
    while not value(note, "SELECT count(*) FROM llm_progress WHERE command = 'semantic_refresh' AND done > 0"):
        time.sleep(0.01)
    # The backend ends without a word to the host.
    assert value(note, "SELECT pg_terminate_backend(%s)", worker.info.backend_pid)
    thread.join()
    assert len(stopped) == 1
    while value(note, "SELECT count(*) FROM pg_stat_activity WHERE pid = %s", worker.info.backend_pid):
        time.sleep(0.01)
    time.sleep(0.2)
    assert note.execute(REPORT).fetchall() == []
    assert 0 < missing(note, '"My Schema".note') < 900
    note.execute("""CALL semantic_refresh('"My Schema".note')""")
    assert missing(note, '"My Schema".note') == 0


def test_looking_starts_no_host(db: psycopg.Connection) -> None:
    db.execute("SELECT llm_load_model('all-minilm-l6-v2')")
    os.kill(value(db, "SELECT max(host_pid) FROM llm_status()"), signal.SIGKILL)
    assert db.execute(REPORT).fetchall() == []
    assert db.execute("SELECT host_pid, state, rows FROM llm_status() WHERE model = 'all-minilm-l6-v2'").fetchall() == [
        (None, "unloaded", None)
    ]


def test_a_report_is_read_whatever_its_session_is_set_to(db: psycopg.Connection, connect: Connect) -> None:
    strange = connect()
    strange.execute("SET datestyle = 'SQL, DMY'; SET timezone = 'XYZ3'")
    strange.execute("CREATE TABLE long (id int PRIMARY KEY, body text)")
    strange.execute("INSERT INTO long SELECT n, 'sentence number ' || n FROM generate_series(1, 2000) n")
    seen = []
    thread = threading.Thread(target=lambda: strange.execute("CALL semantic_index('long', '{body}', method => 'none')"))
    thread.start()
    while thread.is_alive():
        seen += db.execute(
            "SELECT started_at <= clock_timestamp() FROM llm_progress WHERE target = 'public.long'"
        ).fetchall()
    thread.join()
    assert set(seen) == {(True,)}


def test_a_training_says_that_it_waits_for_one_in_another_database(
    cluster: Cluster, db: psycopg.Connection, connect: Connect
) -> None:
    fit = """
        SELECT llm_fit('secret', 'classify', $$SELECT n || ' words ' || n % 2, 'label ' || n % 2
                                               FROM generate_series(1, 400) AS n$$, method => 'finetune')
    """
    cluster.sql("CREATE DATABASE elsewhere")
    try:
        cluster.sql("CREATE EXTENSION pg_llm CASCADE", "elsewhere")
        with (
            psycopg.connect(cluster.dsn("elsewhere"), autocommit=True) as stranger,
            psycopg.connect(cluster.dsn("elsewhere"), autocommit=True) as watcher,
        ):
            first, second = connect(), stranger

            def run(session: psycopg.Connection) -> None:
                with contextlib.suppress(psycopg.errors.QueryCanceled):
                    session.execute(fit)

            threads = [threading.Thread(target=run, args=(session,)) for session in (first, second)]
            threads[0].start()
            seen(db, "SELECT phase FROM llm_progress WHERE phase <> 'waiting'")
            threads[1].start()
            waiting = "SELECT detail, done FROM llm_progress WHERE phase = 'waiting' AND detail <> '{}'"
            detail, done = seen(watcher, waiting)
            assert detail == {"waits_for": "a training in another database", "pid": first.info.backend_pid}
            assert done == 0
            db.execute("SELECT pg_cancel_backend(%s)", (first.info.backend_pid,))
            # The other's turn has come.
            seen(watcher, "SELECT phase FROM llm_progress WHERE phase <> 'waiting'")
            watcher.execute("SELECT pg_cancel_backend(%s)", (stranger.info.backend_pid,))
            for thread in threads:
                thread.join(20)
    finally:
        cluster.sql("DROP DATABASE elsewhere WITH (FORCE)")


def seen(session: psycopg.Connection, query: str) -> tuple:
    """The first row of a query that has none at first."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if row := session.execute(query).fetchone():
            return row
        time.sleep(0.05)
    raise AssertionError(f"no rows: {query}")
