"""Search quality on Cranfield: this project's modes beside exact cosine search and PostgreSQL's own ranking."""

from __future__ import annotations

import statistics
import time
from typing import Any, NamedTuple

import psycopg
from cranfield import load_cranfield, ndcg, queries
from database import install
from workbench.bench import compared
from workbench.cluster import Cluster

COMMAND = "./run bench semantic_search"
EXACT = "SELECT id FROM document ORDER BY (embedding <=> (SELECT llm_embed(%(query)s))) + 0 LIMIT 10"
# What one would write without semantic_search, over the same HNSW index.
BY_HAND = "SELECT id FROM document ORDER BY embedding <=> (SELECT llm_embed(%(query)s)) LIMIT 10"
TS_RANK = """
    SELECT id FROM document,
        (SELECT string_agg(quote_literal(lexeme), ' | ')::tsquery AS terms
         FROM unnest(to_tsvector('english', %(query)s))) AS q
    WHERE embedding_text @@ terms ORDER BY ts_rank_cd(embedding_text, terms) DESC LIMIT 10
"""
SEARCH = "SELECT (s.key ->> 'id')::int FROM semantic_search(%(query)s, 'document', 10, '{mode}') AS s"


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    """nDCG@10 over the 225 queries (grade above 0 is relevant), recall of the index, median time of a query."""
    cluster.sql("CREATE DATABASE bench_search")
    where = {"host": cluster.host, "port": cluster.port, "user": "postgres", "dbname": "bench_search", "password": None}
    install(**where)
    load_cranfield(**where)
    with psycopg.connect(cluster.dsn("bench_search"), autocommit=True) as db:
        # Once before the clock runs, so that every way finds the queries' vectors in the memo: as texts and as queries.
        for query, _ in queries():
            db.execute("SELECT llm_embed(%s)", (query,))
            db.execute(SEARCH.format(mode="vector"), {"query": query})
        ways = {"exact": EXACT, "by hand": BY_HAND, "ts_rank_cd": TS_RANK}
        ways |= {mode: SEARCH.format(mode=mode) for mode in ("vector", "text", "hybrid")}
        measured = {name: _measure(db, sql) for name, sql in ways.items()}
    quality = [("vector", "exact"), ("text", "ts_rank_cd"), ("hybrid", "exact"), ("hybrid", "ts_rank_cd")]
    speed = [("vector", "exact"), ("vector", "by hand"), ("text", "ts_rank_cd"), ("hybrid", "ts_rank_cd")]
    exact = measured["exact"].found
    return [
        *(_row(mode, peer, measured[peer].ndcg, measured[mode].ndcg, "nDCG@10", True) for mode, peer in quality),
        _row("vector", "exact", 1.0, _recall(measured["vector"].found, exact), "recall@10 of exact", True),
        *(_row(mode, peer, measured[peer].ms, measured[mode].ms, "ms", False) for mode, peer in speed),
    ]


class Measured(NamedTuple):
    """Mean nDCG@10, median milliseconds of a query, and the ids that each query found."""

    ndcg: float
    ms: float
    found: list[list[int]]


def _measure(db: psycopg.Connection, sql: str) -> Measured:
    scores, times, all_found = [], [], []
    for query, relevant in queries():
        started = time.perf_counter()
        found = [row[0] for row in db.execute(sql, {"query": query})]
        times.append((time.perf_counter() - started) * 1000)
        all_found.append(found)
        scores.append(ndcg(found, relevant))
    return Measured(statistics.mean(scores), statistics.median(times), all_found)


def _recall(found: list[list[int]], exact: list[list[int]]) -> float:
    return statistics.mean(len(set(a) & set(b)) / len(b) for a, b in zip(found, exact, strict=True))


def _row(mode: str, peer: str, peer_value: float, value: float, unit: str, higher_is_better: bool) -> dict[str, Any]:
    return compared(COMMAND, f"mode {mode}", peer, peer_value, value, unit, higher_is_better, digits=4)
