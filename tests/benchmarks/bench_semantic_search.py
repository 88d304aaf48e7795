"""Search on Cranfield, and its speed on many rows, beside queries that one would write by hand.

Quality is nDCG@10 over Cranfield's 225 queries, and over its abstracts joined by ten into long documents. Speed is
measured on rows whose vectors are random, as only the database's part of the work depends on their number.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import psycopg
from cranfield import load_cranfield, long_documents, ndcg, queries
from database import install
from workbench.bench import compared
from workbench.cluster import Cluster

COMMAND = "./run bench semantic_search"
VECTOR_ROWS, TEXT_ROWS, FILL_ROWS = 100_000, 200_000, 2_000
ROUNDS = 40
EXACT = """
    SELECT id FROM document_embedding GROUP BY id ORDER BY min(embedding <=> (SELECT llm_embed(%(query)s))) LIMIT 10
"""
TS_RANK = """
    SELECT id FROM document_embedding,
        (SELECT string_agg(quote_literal(lexeme), ' | ')::tsquery AS terms
         FROM unnest(to_tsvector('english', %(query)s))) AS q
    WHERE words @@ terms ORDER BY ts_rank_cd(words, terms) DESC LIMIT 10
"""
SEARCH = "SELECT (s.key ->> 'id')::int FROM semantic_search(%(query)s, 'document', 10, '{mode}') AS s"
# What one would write without semantic_search, over the same HNSW index: nearest chunks with their rows.
BY_HAND = """
    SELECT d.* FROM (
        SELECT id FROM document_embedding ORDER BY embedding <=> (SELECT llm_embed(%(query)s)) LIMIT 10
    ) AS e JOIN document AS d USING (id)
"""
OURS = "SELECT * FROM semantic_search(%(query)s, 'document', 10, 'vector')"


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    """Quality on Cranfield, and paired medians of searches, inserts and fills."""
    return [*_quality(cluster), *_vector_speed(cluster), *_text_speed(cluster), *_write_speed(cluster)]


class Measured(NamedTuple):
    """Mean nDCG@10 and the ids that each query found."""

    ndcg: float
    found: list[list[int]]


def _quality(cluster: Cluster) -> list[dict[str, Any]]:
    with _database(cluster, "bench_quality", load_cranfield) as db:
        ways = {"exact": EXACT, "ts_rank_cd": TS_RANK}
        ways |= {mode: SEARCH.format(mode=mode) for mode in ("vector", "text", "hybrid")}
        measured = {name: _measured(db, sql) for name, sql in ways.items()}
        joined, single = long_documents(db)
        db.execute("CALL semantic_index('document', '{title,body}', name => 'titled', template => '{title}: {chunk}')")
        titled = _measured(db, SEARCH.format(mode="hybrid").replace("'hybrid'", "'hybrid', name => 'titled'")).ndcg
    pairs = [("vector", "exact"), ("text", "ts_rank_cd"), ("hybrid", "exact"), ("hybrid", "ts_rank_cd")]
    recall = _recall(measured["vector"].found, measured["exact"].found)
    return [
        *(
            _row(f"mode {mode}", peer, measured[peer].ndcg, measured[mode].ndcg, "nDCG@10", True)
            for mode, peer in pairs
        ),
        _row("mode hybrid, each chunk after its title", "exact", measured["exact"].ndcg, titled, "nDCG@10", True),
        _row("mode vector", "exact", 1.0, recall, "recall@10 of exact", True),
        _row("abstracts joined by ten", "single abstracts", single, joined, "recall@10 of the passage", True),
    ]


def _measured(db: psycopg.Connection, sql: str) -> Measured:
    found = [[row[0] for row in db.execute(sql, {"query": query})] for query, _ in queries()]
    scores = [ndcg(ids, relevant) for ids, (_, relevant) in zip(found, queries(), strict=True)]
    return Measured(statistics.mean(scores), found)


def _recall(found: list[list[int]], exact: list[list[int]]) -> float:
    return statistics.mean(len(set(a) & set(b)) / len(b) for a, b in zip(found, exact, strict=True))


def _vector_speed(cluster: Cluster) -> list[dict[str, Any]]:
    with _database(cluster, "bench_vector") as db:
        _fill_at_random(db, VECTOR_ROWS, words=8)
        db.execute("SET maintenance_work_mem = '1GB'")
        db.execute("CREATE INDEX ON document_embedding USING hnsw (embedding vector_cosine_ops)")
        db.execute("VACUUM ANALYZE document, document_embedding")
        db.execute("SET hnsw.ef_search = 100")
        db.execute("SET hnsw.iterative_scan = 'strict_order'")
        by_hand, ours = _paired(db, BY_HAND, OURS)
        filtered = OURS.replace("'vector')", "'vector', filter => '{\"part\": [1, 2]}')")
        condition = (
            "SELECT e.id FROM document_embedding AS e JOIN document AS d USING (id) WHERE d.part IN (1, 2) ORDER BY"
        )
        hand_filtered, ours_filtered = _paired(
            db, BY_HAND.replace("SELECT id FROM document_embedding ORDER BY", condition), filtered
        )
    return [
        _row(f"mode vector, {VECTOR_ROWS} rows", "by hand", by_hand, ours, "ms", False),
        _row("the same, a filter keeps 2 %", "by hand", hand_filtered, ours_filtered, "ms", False),
    ]


def _text_speed(cluster: Cluster) -> list[dict[str, Any]]:
    with _database(cluster, "bench_text") as db:
        _fill_at_random(db, TEXT_ROWS, words=60)
        db.execute("CREATE INDEX ON document_embedding USING gin (words)")
        db.execute("VACUUM ANALYZE document, document_embedding")
        by_hand, ours = _paired(db, TS_RANK, OURS.replace("vector", "text"), words=True)
    return [_row(f"mode text, {TEXT_ROWS} rows", "ts_rank_cd", by_hand, ours, "ms", False)]


def _write_speed(cluster: Cluster) -> list[dict[str, Any]]:
    with _database(cluster, "bench_write") as db:
        insert = "INSERT INTO {} VALUES (%(number)s, 1, %(query)s)"
        for table, sync in (("plain", None), ("live", "live"), ("background", "background")):
            db.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, part int, body text)")
            if sync:
                db.execute(f"CALL semantic_index('{table}', '{{body}}', sync => '{sync}')")
        plain, live = _paired(db, insert.format("plain"), insert.format("live"))
        db.execute("TRUNCATE plain")
        plain_again, background = _paired(db, insert.format("plain"), insert.format("background"))
        texts = [f"{number} {' '.join(_words(random.Random(number), 60))}" for number in range(FILL_ROWS)]
        batch = "SELECT count(*) FROM llm_embed_batch(%s)"
        rate = FILL_ROWS / _seconds(lambda: db.execute(batch, ([f"batch {text}" for text in texts],)))
        db.execute("CREATE TABLE fill (id int PRIMARY KEY, body text)")
        with db.cursor() as cursor:
            cursor.executemany("INSERT INTO fill VALUES (%s, %s)", list(enumerate(texts)))
        ours = FILL_ROWS / _seconds(lambda: db.execute("CALL semantic_index('fill', '{body}', method => 'none')"))
    return [
        _row("INSERT of a row, live", "without an index", plain, live, "ms", False),
        _row("INSERT of a row, background", "without an index", plain_again, background, "ms", False),
        _row(f"fill of {FILL_ROWS} rows", "llm_embed_batch", rate, ours, "rows/s", True),
    ]


def _database(
    cluster: Cluster, name: str, load: Callable[..., None] | None = None
) -> psycopg.Connection[tuple[Any, ...]]:
    cluster.sql(f"CREATE DATABASE {name}")
    where: dict[str, Any] = {"host": cluster.host, "port": cluster.port, "user": "postgres", "dbname": name}
    where["password"] = None
    install(**where)
    if load:
        load(**where)
    return psycopg.connect(cluster.dsn(name), autocommit=True)


def _words(chance: random.Random, count: int) -> list[str]:
    """Words of about Zipf's frequencies."""
    return [f"w{int(30_000 ** chance.random())}" for _ in range(count)]


def _fill_at_random(db: psycopg.Connection, count: int, words: int) -> None:
    """The table `document` and its companion, with random vectors of length 1 in place of embeddings."""
    db.execute("CREATE TABLE document (id int PRIMARY KEY, part int, body text)")
    db.execute("CALL semantic_index('document', '{body}', sync => 'manual', method => 'none')")
    db.execute("DROP INDEX document_embedding_words_idx")
    chance = random.Random(7)
    with db.cursor() as cursor, cursor.copy("COPY document FROM STDIN") as copy:
        for number in range(count):
            copy.write_row((number, number % 100, " ".join(_words(chance, words))))
    db.execute(
        """
        INSERT INTO document_embedding (id, chunk, start_pos, end_pos, text_hash, embedding, words)
        SELECT id, 1, 1, length(body) + 1, sha256(convert_to(body, 'UTF8')), (
            SELECT l2_normalize(array_agg(random() - 0.5)::vector) FROM generate_series(1, 384) WHERE d.id = d.id
        ), to_tsvector('english', body) FROM document AS d
        """
    )


def _paired(db: psycopg.Connection, by_hand: str, ours: str, words: bool = False) -> tuple[float, float]:
    """Median milliseconds of both ways, turn by turn, for texts that neither has seen before."""
    chance = random.Random(11)
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS + 5):
        for way, (sql, measured) in enumerate(zip((by_hand, ours), times, strict=True)):
            query = " ".join(_words(chance, 3)) if words else f"query {way} {number}"
            started = time.perf_counter()
            db.execute(sql, {"query": query, "number": number})
            measured.append(time.perf_counter() - started)
    # The first calls of a session load and plan.
    return statistics.median(times[0][5:]) * 1000, statistics.median(times[1][5:]) * 1000


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _row(what: str, peer: str, peer_value: float, value: float, unit: str, higher_is_better: bool) -> dict[str, Any]:
    return compared(COMMAND, what, peer, peer_value, value, unit, higher_is_better, digits=4)
