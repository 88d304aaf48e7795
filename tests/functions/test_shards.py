"""A table in shards on other servers, by postgres_fdw: companions lie with their rows, by the same key."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest
from database import install, value

BODIES = [
    "The moon pulls the sea.",
    "Flour, water, salt, time.",
    "A violin has four strings.",
    "The tide turns twice a day.",
    "Yeast makes the dough rise.",
    "The cello is tuned an octave below the viola.",
]
SHARD = "CREATE TABLE article (id int PRIMARY KEY, body text); CALL semantic_index('article', '{body}')"
PARTS = """
    CREATE EXTENSION postgres_fdw;
    CREATE TABLE article (id int, body text) PARTITION BY HASH (id);
    CREATE TABLE article_embedding (id int, chunk int, start_pos int, end_pos int, embedding vector(384))
        PARTITION BY HASH (id)
"""
PART = """
    CREATE SERVER {shard} FOREIGN DATA WRAPPER postgres_fdw
        OPTIONS (host '{host}', port '{port}', dbname '{shard}', extensions 'vector');
    CREATE USER MAPPING FOR CURRENT_USER SERVER {shard} OPTIONS (user 'postgres', password '{password}');
    CREATE FOREIGN TABLE article_{n} PARTITION OF article
        FOR VALUES WITH (MODULUS 2, REMAINDER {n}) SERVER {shard} OPTIONS (table_name 'article');
    CREATE FOREIGN TABLE article_embedding_{n} PARTITION OF article_embedding
        FOR VALUES WITH (MODULUS 2, REMAINDER {n}) SERVER {shard} OPTIONS (table_name 'article_embedding')
"""
NEAREST = """
    SELECT a.body FROM (
        SELECT e.id, e.embedding <=> (SELECT llm_embed('baking bread')) AS distance FROM article_embedding AS e
        ORDER BY e.embedding <=> (SELECT llm_embed('baking bread')) LIMIT 2
    ) AS e JOIN article AS a USING (id) ORDER BY e.distance
"""


@pytest.fixture
def shards(db: psycopg.Connection) -> Iterator[list[psycopg.Connection]]:
    """Two databases with half of the rows each, in place of two servers."""
    info, found = db.info, []
    db.execute(PARTS)
    for n in range(2):
        shard = f"shard_{n}"
        db.execute(f"CREATE DATABASE {shard}")
        where = {"host": info.host, "port": info.port, "user": info.user, "password": info.password}
        install(**where, dbname=shard)
        found.append(psycopg.connect(**where, dbname=shard, autocommit=True))
        found[-1].execute(SHARD)
        db.execute(PART.format(shard=shard, host=info.host, port=info.port, password=info.password or "none", n=n))
    db.cursor().executemany("INSERT INTO article VALUES (%s, %s)", list(enumerate(BODIES, 1)))
    yield found
    for shard in found:
        shard.close()
    db.execute("DROP EXTENSION postgres_fdw CASCADE")
    for n in range(2):
        db.execute(f"DROP DATABASE shard_{n} WITH (FORCE)")


def test_chunks_lie_with_their_rows(db: psycopg.Connection, shards: list[psycopg.Connection]) -> None:
    together = "SELECT count(*) FILTER (WHERE a.id IS NULL OR e.id IS NULL), count(*) FROM article AS a"
    counts = [s.execute(f"{together} FULL JOIN article_embedding AS e USING (id)").fetchone() for s in shards]
    assert [count and count[0] for count in counts] == [0, 0]
    assert sum(count[1] for count in counts if count) == len(BODIES)
    assert all(count and count[1] for count in counts)
    # A writer at the front changes the row and, by the shard's own trigger, its chunks.
    db.execute("UPDATE article SET body = 'Rye bread keeps for a week.' WHERE id = 1")
    assert value(db, NEAREST) in ("Rye bread keeps for a week.", "Yeast makes the dough rise.")
    db.execute("DELETE FROM article WHERE id = 1")
    assert value(db, "SELECT count(*) FROM article_embedding") == len(BODIES) - 1


def test_each_shard_orders_its_own_vectors(db: psycopg.Connection, shards: list[psycopg.Connection]) -> None:
    plan = json.dumps(value(db, f"EXPLAIN (VERBOSE, FORMAT json) {NEAREST}"))
    assert plan.count("ORDER BY (embedding OPERATOR(public.<=>)") == 2, plan
    assert "Merge Append" in plan
    assert {body for (body,) in db.execute(NEAREST)} == {BODIES[1], BODIES[4]}


def test_each_shard_searches_by_itself(shards: list[psycopg.Connection]) -> None:
    query = "SELECT s.row ->> 'body', s.score FROM semantic_search('baking bread', 'article', k => 2) AS s"
    found = [row for shard in shards for row in shard.execute(query)]
    assert {BODIES[1], BODIES[4]} <= {body for body, _ in found}
