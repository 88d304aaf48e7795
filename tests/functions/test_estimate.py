"""Estimates beside what the queries then cost: calls, distinct texts and tokens, by llm_usage of the run itself."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

Connect = Callable[..., psycopg.Connection]
Figures = tuple[float, float, float]
TEXTS = """
    CREATE TABLE product (id int PRIMARY KEY, category text, review text);
    INSERT INTO product
    SELECT n, 'category ' || n % 37, concat_ws(' ', 'Review', n, 'of the', n % 97, repeat('quite good and ', n % 23))
    FROM generate_series(1, 3000) AS n;
    CREATE TABLE sale (id int PRIMARY KEY, product int NOT NULL, amount int);
    INSERT INTO sale SELECT n, (n * 7919) % 200 + 1, n % 10 FROM generate_series(1, 2000) AS n;
    ANALYZE product, sale;
"""
QUERIES = {
    "a condition before the call": "SELECT id, llm_embed(review) FROM product WHERE id % 5 = 0 AND category LIKE '%1%'",
    "a join with duplicates": (
        "SELECT s.id, llm_classify(p.review, '{good,bad}') FROM sale s JOIN product p ON p.id = s.product"
        " WHERE s.amount < 7"
    ),
    "a batch": (
        "SELECT count(*) FROM llm_embed_batch((SELECT array_agg(review) FROM (SELECT review FROM product"
        " UNION ALL SELECT review FROM product WHERE id < 1000) AS r))"
    ),
}


@pytest.fixture
def shop(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(TEXTS)
    return db


def estimated(db: psycopg.Connection, query: str) -> Figures:
    sums = "SELECT sum(calls), sum(distinct_texts), sum(tokens) FROM llm_estimate(%s)"
    row = db.execute(sums, (query,)).fetchone()
    assert row
    return tuple(float(each or 0) for each in row)  # type: ignore[return-value]


def spent(db: psycopg.Connection) -> Figures:
    sums = "SELECT sum(calls), sum(texts - cache_hits), sum(tokens_in + tokens_out) FROM llm_usage"
    row = db.execute(sums).fetchone()
    assert row
    return tuple(float(each or 0) for each in row)  # type: ignore[return-value]


def run(db: psycopg.Connection, query: str) -> Figures:
    """What the run itself adds to llm_usage."""
    before = spent(db)
    db.execute(query)
    return tuple(after - earlier for after, earlier in zip(spent(db), before, strict=True))  # type: ignore[return-value]


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_estimates_are_within_30_percent(shop: psycopg.Connection, connect: Connect, query: str, engine: str) -> None:
    estimator = connect()
    estimator.execute(f"SET llm.engine = {engine}")
    figures = estimated(estimator, query)
    other = connect()
    other.execute("SET llm.engine = backend")
    actual = run(other, query)
    for figure, right in zip(figures, actual, strict=True):
        assert 0.7 * right <= figure <= 1.3 * right, (figures, actual)
