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
