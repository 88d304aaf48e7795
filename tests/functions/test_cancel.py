"""Every long function ends within a second of a cancel, of statement_timeout and of pg_terminate_backend.

The moments are random; PG_LLM_SEED repeats those of a run.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from database import install, value
from films import FIT, shop
from pg_llm.workbench.cluster import Cluster
from psycopg import errors

# From the cancel to the error, and what a query of PostgreSQL's own took beside it on a busy machine.
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
                      'machine','Acme','Corporation','broke','again','in','March'])[1 + (n % 991 * k * 31 + k) % 17] AS w
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
NOTES = "ARRAY(SELECT body FROM note)"
LABELLED = "$$SELECT body, good::text FROM note$$"


@dataclass(frozen=True)
class Case:
    """A call that takes seconds, what comes before it in its session, and after it."""

    name: str
    call: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    quick: bool = False
    latest: float = 3.0


# fmt: off
CASES = [
    Case("llm_embed_batch", f"SELECT count(embedding) FROM llm_embed_batch({NOTES})", quick=True),
    Case("llm_classify_batch", f"SELECT count(label) FROM llm_classify_batch({NOTES}, '{{good,bad}}')"),
    Case("llm_entities_batch", f"SELECT count(*) FROM llm_entities_batch({NOTES})"),
    Case("llm_clean_batch", f"SELECT count(*) FROM llm_clean_batch({NOTES})", quick=True),
    Case("llm_clean_batch of a million", "SELECT count(*) FROM llm_clean_batch(ARRAY(SELECT item FROM event))"),
    Case("llm_generate", "SELECT llm_generate('Tell me a long story', max_tokens => 2000)"),
    Case("semantic_index", "CALL semantic_index('note', '{body}')"),
    Case("llm_fit", f"SELECT llm_fit('never', 'classify', {LABELLED})", quick=True),
    Case("llm_self_train", f"SELECT llm_self_train('never', {LABELLED}, $$SELECT body FROM note$$)"),
    Case("llm_suspect_labels", "SELECT count(*) FROM llm_suspect_labels($$SELECT id, body, good::text FROM note$$)"),
    Case("llm_evaluate", f"SELECT count(*) FROM llm_evaluate('all-minilm-l6-v2', {LABELLED})"),
    Case("llm_fit_recommender", "SELECT llm_fit_recommender('never', 'event', 'customer', 'item', 'at')", quick=True),
    Case("llm_refit", "SELECT llm_refit('shop')"),
    Case("recommend_batch", "SELECT count(*) FROM recommend_batch(ARRAY(SELECT n::text FROM generate_series(0, 9999) n))"),
    Case("graph_add_columns", """CALL graph_add_columns('empty', 'person', '[{"subject": "name", "subject_type":
         "person", "predicate": "lives in", "object": "town"}]')"""),
    Case("graph_add", "CALL graph_add('empty', 'note', '{body}')"),
    Case("graph_import", f"SELECT graph_import('empty', $${TRIPLES}$$)", quick=True),
    Case("graph_refresh", "CALL graph_refresh('people')", ("UPDATE person SET name = name || '.'",)),
    Case("graph_resolve", "SELECT count(*) FROM graph_resolve('people')", quick=True),
    Case("graph_merge", "SELECT graph_merge('things', 'people')"),
    Case("graph_fit", "SELECT graph_fit('things')"),
    Case("graph_rules", "SELECT count(*) FROM graph_rules('things', 0, 1)"),
    Case("graph_export", "SELECT length(graph_export('things'))"),
    Case("graph_draw", "SELECT length(graph_draw('things', limit_to => 300))"),
    Case("graph_paths", "SELECT count(*) FROM graph_paths((SELECT min(id) FROM llm.entity), (SELECT max(id) FROM"
         " llm.entity WHERE graph = (SELECT min(graph) FROM llm.entity)), 6, 10000)"),
    Case("graph_search", "SELECT count(*) FROM graph_search('thing', 'things', 10000)"),
    Case("graph_neighbors", "SELECT count(*) FROM graph_neighbors((SELECT min(id) FROM llm.entity), 10)"),
    Case("graph_triples", "SELECT count(*) FROM graph_triples('things')"),
    Case("graph_conflicts", "SELECT count(*) FROM graph_conflicts('things')"),
    Case("llm_chart", "SELECT llm_chart('SELECT city, at, amount, item FROM event')", quick=True),
    Case("llm_chart_svg", "SELECT llm_chart_svg('SELECT at, amount FROM event')"),
    Case("llm_optimize", "SELECT count(*) FROM llm_optimize($$SELECT * FROM event AS a JOIN event AS b ON a.city = b.city"
         " WHERE a.item || '' = 'item 7' AND b.amount > 5 ORDER BY a.at LIMIT 10$$)"),
    Case("ask", "SELECT answer FROM ask('how many events are there per city in March 2026?')"),
    Case("llm_catalog_refresh", "CALL llm_catalog_refresh()"),
]
# fmt: on


@pytest.fixture(scope="module")
def crowded(cluster: Cluster) -> Iterator[str]:
    """The connection string of a database with much in it."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE crowded")
    install(cluster.host, cluster.port, "postgres", "crowded", None)
    with psycopg.connect(cluster.dsn("crowded"), autocommit=True) as connection:
        fill(connection)
    yield cluster.dsn("crowded")
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        connection.execute("DROP DATABASE crowded WITH (FORCE)")


def fill(connection: psycopg.Connection) -> None:
    """What the cases read."""
    connection.execute(DATA)
    for graph in ("things", "people", "empty"):
        connection.execute("SELECT graph_create(%s)", (graph,))
    connection.execute("SELECT graph_import('things', %s)", (TRIPLES,))
    connection.execute(
        "CALL graph_add_columns('people', 'person', %s, sync => 'manual')",
        ("""[{"subject": "name", "subject_type": "person", "predicate": "works for", "object": "firm"}]""",),
    )
    load_shop_into(connection)


def load_shop_into(connection: psycopg.Connection) -> None:
    """A small recommender."""
    shop(connection)
    connection.execute(FIT)


# What must be the same after a call that did not come to its end.
STATE = """
    SELECT (SELECT count(*) FROM pg_class WHERE relpersistence <> 't' AND relname !~ '^pg_toast'),
           (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_trigger),
           (SELECT count(*) FROM llm.model), (SELECT count(*) FROM llm.model_file), (SELECT count(*) FROM llm_runs),
           (SELECT count(*) FROM llm.recommender), (SELECT count(*) FROM llm.own_merge),
           (SELECT count(*) FROM llm.own_graph_model)
"""


class Watch:
    """How long after a cancel a query of PostgreSQL's own ends on this machine."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def __enter__(self) -> Watch:
        self.sleeping = psycopg.connect(self._dsn, autocommit=True)
        self.ended = 0.0
        self._thread = threading.Thread(target=self._sleep)
        self._thread.start()
        return self

    def _sleep(self) -> None:
        try:
            self.sleeping.execute("SELECT pg_sleep(600)")
        except ENDED:
            self.ended = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self.sleeping.close()


def stop(dsn: str, case: Case, how: str, after: float) -> tuple[float, float] | None:
    """Seconds from the end that was asked for to the error, and those of the sleeper; None where it was done before."""
    with psycopg.connect(dsn, autocommit=True) as control, psycopg.connect(dsn, autocommit=True) as running, \
            Watch(dsn) as watch:  # fmt: skip
        pid, sleeper = running.info.backend_pid, watch.sleeping.info.backend_pid
        for statement in case.before:
            running.execute(statement)
        if how == "timeout":
            running.execute("SELECT set_config('statement_timeout', %s, false)", (str(max(1, int(after * 1000))),))
        done = threading.Event()
        asked = [0.0]

        def end() -> None:
            if not done.wait(after) or how == "timeout":
                asked[0] = time.monotonic()
                if how != "timeout":
                    control.execute("SELECT pg_%s_backend(%s)" % (how, pid))
            control.execute("SELECT pg_cancel_backend(%s)", (sleeper,))

        thread = threading.Thread(target=end)
        begun = time.monotonic()
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
    if how == "timeout":
        return ended - begun - after, 0.0
    return ended - asked[0], max(0.0, watch.ended - asked[0])


def is_left(dsn: str, cluster: Cluster) -> list[str]:
    """What calls that ended have left."""
    return [str(path) for path in (cluster.data / "pg_llm" / "training").glob("*")]


@pytest.mark.parametrize("case", [pytest.param(each, id=each.name, marks=() if each.quick else pytest.mark.slow) for each in CASES])
def test_ends_within_a_second(crowded: str, cluster: Cluster, case: Case) -> None:
    chosen = random.Random(f"{SEED} {case.name}")
    moments = [(how, chosen.uniform(0.02, case.latest)) for how in ("cancel", "cancel", "timeout", "terminate")]
    with psycopg.connect(crowded, autocommit=True) as control:
        before = control.execute(STATE).fetchone()
        late, ended = [], 0
        for how, after in moments:
            found = stop(crowded, case, how, after)
            if found is not None:
                ended += 1
                if found[0] - found[1] > LONGEST:
                    late.append((how, after, *found))
        assert not late, f"PG_LLM_SEED={SEED}: {late}"
        assert ended, f"PG_LLM_SEED={SEED}: every call came to its end before it was to be ended: {moments}"
        deadline = time.monotonic() + 10
        while (left := is_left(crowded, cluster)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not left
        assert control.execute(STATE).fetchone() == before
        assert value(control, "SELECT count(*) FROM llm_progress") == 0
        for statement in case.after:
            control.execute(statement)
