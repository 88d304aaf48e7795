"""Every long function ends within a second of a cancel, of statement_timeout and of pg_terminate_backend.

The moments are random; PG_LLM_SEED repeats those of a run.
"""

from __future__ import annotations

import os
import random
import socket
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from database import install
from films import FIT, shop
from psycopg import errors
from workbench.cluster import Cluster

# Seconds from the cancel to the error.
LONGEST = 1.0
ENDED = (errors.QueryCanceled, errors.AdminShutdown)
SEED = int(os.environ.get("PG_LLM_SEED", random.SystemRandom().randrange(1 << 31)))

DATA = """
    CREATE TABLE event AS
        SELECT n AS id, (n::bigint * 7919 % 60011)::int AS customer, 'item ' || n::bigint * 104729 % 20011 AS item,
               timestamptz '2025-01-01' + n * interval '1 minute' AS at, (n % 97)::float8 AS amount,
               'city ' || n % 1009 AS city
        FROM generate_series(1, 1000000) AS n;
    ALTER TABLE event ADD PRIMARY KEY (id);
    CREATE TABLE note AS
        SELECT n AS id, format('Report %s: %s', n, string_agg(w, ' ')) AS body, n % 2 = 0 AS good
        FROM generate_series(1, 20000) AS n,
             LATERAL (SELECT (ARRAY['order','Berlin','invoice','late','John','Smith','quick','delivery','of','the',
                      'machine','Acme','Corporation','broke','again','in','March'])[1 + (n % 991 * k * 31 + k) % 17]
                      AS w
                      FROM generate_series(1, 60) AS k) AS words
        GROUP BY n;
    ALTER TABLE note ADD PRIMARY KEY (id);
    CREATE TABLE person AS
        SELECT n AS id, initcap(md5((n % 3000)::text)) || ' ' || initcap(md5((n / 7)::text)) AS name,
               'town ' || n % 499 AS town, 'firm ' || n % 4999 AS firm
        FROM generate_series(1, 3000) AS n;
    ALTER TABLE person ADD PRIMARY KEY (id);
    ANALYZE;
"""
TRIPLES = (
    "SELECT 'thing ' || id % 5003 AS subject, 'leads to ' || id % 5 AS predicate,"
    " 'thing ' || id::bigint * 31 % 5003 AS object FROM event WHERE id <= 10000"
)
MAPPING = '[{"subject": "name", "subject_type": "person", "predicate": "works for", "object": "firm"}]'
NOTES = "ARRAY(SELECT body FROM note)"
LABELLED = "$$SELECT body, good::text FROM note$$"


@dataclass(frozen=True)
class Case:
    """A call that takes seconds, and what comes before it."""

    name: str
    call: str
    before: tuple[str, ...] = ()
    quick: bool = False
    # Whether nothing stays of a call that did not come to its end; some commit as they go.
    whole: bool = True
    latest: float = 3.0

    def __str__(self) -> str:
        return self.name


CASES = [
    Case("llm_embed_batch", f"SELECT count(embedding) FROM llm_embed_batch({NOTES})", quick=True),
    Case("llm_classify_batch", f"SELECT count(label) FROM llm_classify_batch({NOTES}, '{{good,bad}}')"),
    Case("llm_entities_batch", f"SELECT count(*) FROM llm_entities_batch({NOTES})"),
    Case("llm_clean_batch", f"SELECT count(*) FROM llm_clean_batch({NOTES})", quick=True),
    Case("llm_clean_batch of a million", "SELECT count(*) FROM llm_clean_batch(ARRAY(SELECT item FROM event))"),
    Case("llm_generate", "SELECT llm_generate('Tell me a long story', max_tokens => 2000)"),
    Case("semantic_index", "CALL semantic_index('note', '{body}')", whole=False),
    Case("semantic_refresh", "CALL semantic_refresh('note')", whole=False),
    Case("semantic_search", "SELECT count(*) FROM semantic_search('late order in Berlin', 'note', 10000)", latest=0.3),
    Case("llm_fit", f"SELECT llm_fit('never', 'classify', {LABELLED})", quick=True),
    Case("llm_self_train", f"SELECT llm_self_train('never', {LABELLED}, $$SELECT body FROM note$$)"),
    Case("llm_suspect_labels", "SELECT count(*) FROM llm_suspect_labels($$SELECT id, body, good::text FROM note$$)"),
    Case("llm_evaluate", f"SELECT count(*) FROM llm_evaluate('all-minilm-l6-v2', {LABELLED})"),
    Case("llm_fit_recommender", "SELECT llm_fit_recommender('never', 'event', 'customer', 'item', 'at')", quick=True),
    Case("llm_refit", "SELECT llm_refit('shop')"),
    Case(
        "recommend_batch",
        "SELECT count(*) FROM recommend_batch(ARRAY(SELECT (n % 60)::text FROM generate_series(0, 9999) n))",
    ),
    Case("graph_add_columns", f"CALL graph_add_columns('empty', 'person', '{MAPPING}')", whole=False),
    Case("graph_add", "CALL graph_add('empty', 'note', '{body}')", whole=False),
    Case("graph_import", f"SELECT graph_import('empty', $${TRIPLES}$$)", quick=True),
    Case("graph_refresh", "CALL graph_refresh('people')", ("UPDATE person SET name = name || '.'",), whole=False),
    Case("graph_resolve", "SELECT count(*) FROM graph_resolve('people')"),
    Case("graph_merge", "SELECT graph_merge('things', 'people')"),
    Case("graph_fit", "SELECT graph_fit('things')"),
    Case("graph_rules", "SELECT count(*) FROM graph_rules('things', 0, 1)", latest=0.4),
    Case("graph_export", "SELECT length(graph_export('things'))", latest=0.4),
    Case("graph_draw", "SELECT length(graph_draw('things', limit_to => 300))", latest=0.4),
    Case(
        "graph_paths",
        "SELECT count(*) FROM graph_paths((SELECT min(id) FROM llm.entity), (SELECT max(id) FROM"
        " llm.entity WHERE graph = (SELECT min(graph) FROM llm.entity)), 6, 10000)",
        latest=0.6,
    ),
    Case("graph_search", "SELECT count(*) FROM graph_search('thing', 'things', 10000)", latest=0.2),
    Case("graph_neighbors", "SELECT count(*) FROM graph_neighbors((SELECT min(id) FROM llm.entity), 10)", latest=0.6),
    Case("graph_triples", "SELECT count(*) FROM graph_triples('things')", latest=0.4),
    Case("graph_conflicts", "SELECT count(*) FROM graph_conflicts('things')", latest=0.1),
    Case(
        "llm_chart", "SELECT llm_chart('SELECT city, at, amount FROM event ORDER BY md5(item)')", quick=True, latest=0.4
    ),
    Case("llm_chart_svg", "SELECT llm_chart_svg('SELECT at, amount FROM event ORDER BY md5(item)')", latest=0.5),
    Case(
        "llm_optimize",
        "SELECT count(*) FROM llm_optimize($$SELECT * FROM event AS a"
        " JOIN event AS b ON a.city = b.city WHERE a.item || '' = 'item 7' AND b.amount > 5 ORDER BY a.at LIMIT 10$$)",
        latest=0.3,
    ),
    Case("ask", "SELECT answer FROM ask('how many events are there per city in March 2026?')", latest=0.5),
    Case("llm_profile", "SELECT count(*) FROM llm_profile('event')"),
    Case("llm_find_errors", "SELECT llm_find_errors('event')", quick=True),
    Case("llm_duplicates", "SELECT count(*) FROM llm_duplicates('person')"),
    Case("llm_catalog_refresh", "CALL llm_catalog_refresh()", whole=False, before=("DELETE FROM llm.catalog",)),
]


@pytest.fixture(scope="module")
def crowded(cluster: Cluster) -> Iterator[str]:
    """The connection string of a database with large tables, and a graph that is empty."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE crowded")
    install(cluster.host, cluster.port, "postgres", "crowded", None)
    with psycopg.connect(cluster.dsn("crowded"), autocommit=True) as connection:
        connection.execute(DATA)
        connection.execute("SELECT graph_create('empty')")
    yield cluster.dsn("crowded")
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        connection.execute("DROP DATABASE crowded WITH (FORCE)")


@pytest.fixture(scope="module")
def grown(crowded: str) -> str:
    """The same with two graphs and a recommender."""
    with psycopg.connect(crowded, autocommit=True) as connection:
        connection.execute("SELECT graph_create('things'), graph_create('people')")
        connection.execute("SELECT graph_import('things', %s)", (TRIPLES,))
        connection.execute("CALL graph_add_columns('people', 'person', %s, sync => 'manual')", (MAPPING,))
        shop(connection)
        connection.execute(FIT)
    return crowded


# What must be the same after a call that did not come to its end.
STATE = """
    SELECT (SELECT count(*) FROM pg_class WHERE relpersistence <> 't' AND relname !~ '^pg_toast'),
           (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_trigger),
           (SELECT count(*) FROM llm.model), (SELECT count(*) FROM llm.model_file), (SELECT count(*) FROM llm_runs),
           (SELECT count(*) FROM llm.recommender), (SELECT count(*) FROM llm.own_merge),
           (SELECT count(*) FROM llm.own_graph_model)
"""


def waited(pid: int) -> float:
    """Seconds that a process was ready to run and had no processor, which on a busy machine is not its fault."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def stop(dsn: str, case: Case, how: str, after: float) -> float | None:
    """Seconds from the end that was asked for to the error, without waiting for a processor; None for no error."""
    with psycopg.connect(dsn, autocommit=True) as control, psycopg.connect(dsn, autocommit=True) as running:
        pid = running.info.backend_pid
        if how == "timeout":
            running.execute("SELECT set_config('statement_timeout', %s, false)", (str(max(1, int(after * 1000))),))
        done = threading.Event()
        asked = 0.0
        waits: list[float] = []

        def end() -> None:
            nonlocal asked
            if done.wait(after):
                return
            asked = time.monotonic()
            waits.append(waited(pid))
            if how != "timeout":
                control.execute(f"SELECT pg_{how}_backend({pid})")
            while not done.wait(0.01):
                waits.append(waited(pid))

        thread = threading.Thread(target=end)
        thread.start()
        ended = None
        try:
            running.execute(case.call)
        except ENDED:
            ended = time.monotonic()
        finally:
            done.set()
            thread.join()
    if ended is None:
        return None
    return ended - asked - (max(waits) - waits[0]) if waits else 0.0


def left(cluster: Cluster, control: psycopg.Connection) -> list[str]:
    """What there still is of trainings and of what commands said of themselves."""
    folders = [str(path) for path in (cluster.data / "pg_llm" / "pgsql_tmp" / "training").glob("*")]
    return folders + [str(row) for row in control.execute("SELECT pid, command FROM llm_progress")]


def check(dsn: str, cluster: Cluster, case: Case) -> None:
    chosen = random.Random(f"{SEED} {case.name}")
    moments = [(how, chosen.uniform(0.02, case.latest)) for how in ("cancel", "cancel", "timeout", "terminate")]
    with psycopg.connect(dsn, autocommit=True) as control:
        before = control.execute(STATE).fetchone()
        found: list[tuple[str, float, float | None]] = []
        # On a quick machine a call may come to its end before: then sooner.
        for sooner in (1.0, 0.25, 0.05):
            if all(each[2] is None for each in found):
                for statement in case.before:
                    control.execute(statement)
                found += [(how, after * sooner, stop(dsn, case, how, after * sooner)) for how, after in moments]
        late = [each for each in found if each[2] is not None and each[2] > LONGEST]
        assert not late, f"PG_LLM_SEED={SEED}: how, after how long, and how long until the end: {late}"
        assert any(each[2] is not None for each in found), (
            f"PG_LLM_SEED={SEED}: every call came to its end before: {moments}"
        )
        # The host hears of it when the connection ends.
        deadline = time.monotonic() + 10
        while (there := left(cluster, control)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not there
        if case.whole:
            assert control.execute(STATE).fetchone() == before


@pytest.mark.parametrize("case", [each for each in CASES if each.quick], ids=str)
def test_a_long_call_ends_within_a_second(crowded: str, cluster: Cluster, case: Case) -> None:
    check(crowded, cluster, case)


@pytest.mark.slow
@pytest.mark.parametrize("case", [each for each in CASES if not each.quick], ids=str)
def test_each_other_long_call_ends_within_a_second(grown: str, cluster: Cluster, case: Case) -> None:
    check(grown, cluster, case)


# Python code that never asks whether it is to end.
ENDLESS = {
    "a loop": "while True: pass",
    "a regular expression": "import re; re.fullmatch('(a|a)*b', 'a' * 60)",
    "a loop that catches errors": """
        while True:
            try:
                while True: pass
            except Exception: pass
    """,
    "a generator": """
        def rows():
            yield 1
            while True: pass
        return rows()
    """,
}


def define(connection: psycopg.Connection, body: str) -> None:
    connection.execute(f"""
        CREATE OR REPLACE FUNCTION endless() RETURNS SETOF int LANGUAGE plpython3u AS $python$
from pg_llm.database.sql_function import sql_function

@sql_function
def endless(db):
{textwrap.indent(textwrap.dedent(body).strip(), "    ")}
return endless()
$python$""")


@pytest.mark.parametrize("how", ["cancel", "timeout", "terminate"])
@pytest.mark.parametrize("body", ENDLESS)
def test_python_code_that_never_asks_is_ended(db: psycopg.Connection, body: str, how: str) -> None:
    define(db, ENDLESS[body])
    found = stop(db.info.dsn, Case(body, "SELECT * FROM endless()"), how, 0.3)
    assert found is not None
    assert found < LONGEST


@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_an_endpoint_that_does_not_answer_holds_nobody(db: psycopg.Connection, engine: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = f"http://127.0.0.1:{silent.getsockname()[1]}/v1#m"
        db.execute("SELECT llm_register_model('silent', 'generation', %s)", (source,))
        db.execute(f"SET llm.engine = '{engine}'")
        db.execute("SET statement_timeout = '2s'")
        begun = time.monotonic()
        with pytest.raises(errors.QueryCanceled):
            db.execute("SELECT llm_generate('hello', model => 'silent')")
        assert time.monotonic() - begun < 2 + 2 * LONGEST


def test_a_busy_backend_holds_up_no_database(db: psycopg.Connection, cluster: Cluster) -> None:
    """DROP DATABASE waits until each backend has heard of it."""
    define(db, ENDLESS["a loop"])
    begun = time.monotonic()

    def work() -> None:
        with pytest.raises(errors.QueryCanceled):
            db.execute("SELECT * FROM endless()")

    thread = threading.Thread(target=work)
    thread.start()
    with psycopg.connect(cluster.dsn(), autocommit=True) as control:
        control.execute("SET statement_timeout = '20s'")
        control.execute("CREATE DATABASE heard")
        control.execute("DROP DATABASE heard")
        took = time.monotonic() - begun
        control.execute("SELECT pg_cancel_backend(%s)", (db.info.backend_pid,))
    thread.join()
    assert took < 10


def test_a_clean_up_comes_to_its_end(db: psycopg.Connection) -> None:
    define(
        db,
        """
        import time
        from pg_llm import interrupts
        try:
            with interrupts.deferred():
                ends = time.monotonic() + 1
                while time.monotonic() < ends: pass
                plpy.notice("cleaned up")
            while True: pass
        finally:
            plpy.notice("and out")
    """,
    )
    told: list[str | None] = []
    db.add_notice_handler(lambda notice: told.append(notice.message_primary))
    db.execute("SET statement_timeout = '100ms'")
    with pytest.raises(errors.QueryCanceled):
        db.execute("SELECT * FROM endless()")
    assert told == ["cleaned up", "and out"]
