"""BM25 in SQL against its formula in Python, on a table like a companion."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest
from cranfield import documents, queries
from pg_llm.database.connection import Row
from pg_llm.database.psycopg_connection import PsycopgConnection
from pg_llm.search import bm25
from pg_llm.search.bm25 import Ranking, Statistics
from pg_llm.search.text_analysis import query_terms

CONFIG = "pg_catalog.english"


@pytest.fixture
def companion(db: psycopg.Connection) -> Iterator[PsycopgConnection]:
    """The Cranfield abstracts' tsvectors as a table of chunks."""
    db.execute("CREATE TABLE companion (id int, chunk int, words tsvector)")
    with db.cursor() as cursor:
        cursor.executemany("INSERT INTO companion VALUES (%s, 1, to_tsvector('english', %s))", documents())
    db.execute("CREATE INDEX ON companion USING gin (words)")
    db.execute("ANALYZE companion")
    with psycopg.connect(db.info.dsn) as connection:
        connection.execute("SET search_path = pg_catalog, pg_temp")
        yield PsycopgConnection(connection, trusted=True)


def oid(db: PsycopgConnection) -> int:
    return int(db.rows("SELECT 'public.companion'::regclass::oid::int8 AS oid")[0]["oid"])


def best(db: PsycopgConnection, known: Statistics, terms: list[str], k: int, where: str = "true") -> Sequence[Row]:
    ranking = Ranking(known, terms)
    types = ["tsquery"]
    values: list[Any] = [None]

    def add(value: Any, type_: str) -> str:
        types.append(type_)
        values.append(value)
        return f"${len(values)}"

    query = f"""
        SELECT c.id, {ranking.score("w.words", add)} AS score
        FROM public.companion AS c, LATERAL {bm25.unpacked("c.words")} AS w (words)
        WHERE c.words @@ $1 AND {where} ORDER BY score DESC, c.id LIMIT {k}
    """
    return bm25.best(
        ranking,
        k,
        lambda condition: db.query_unprepared(query, types, [condition, *values[1:]]),
        lambda row: float(row["score"]),
    )


def exact(db: PsycopgConnection, known: Statistics, terms: list[str]) -> dict[int, float]:
    """The score of each row that has one."""
    rows = db.query_unprepared(
        """
        SELECT c.id, length(c.words) AS size, w.lexeme, cardinality(w.positions) AS frequency
        FROM public.companion AS c, unnest(c.words) AS w (lexeme, positions, weights) WHERE w.lexeme = ANY($1)
        """,
        ("text[]",),
        (terms,),
    )
    scores: dict[int, float] = {}
    for row in rows:
        found = known.frequencies[row["lexeme"]]
        idf = math.log(1 + (known.rows - found + 0.5) / (found + 0.5))
        length = 1 - bm25.B + bm25.B * row["size"] / known.size
        gain = idf * row["frequency"] * (bm25.K1 + 1) / (row["frequency"] + bm25.K1 * length)
        scores[row["id"]] = scores.get(row["id"], 0.0) + gain
    return scores


def test_the_best_are_those_of_the_formula(companion: PsycopgConnection) -> None:
    agreed = 0.0
    asked = queries()[::3]
    for number, (query, _) in enumerate(asked):
        terms = query_terms(companion, CONFIG, query)[: 1 + number % 20]
        known = bm25.statistics(companion, oid(companion), "public.companion", "words", "c.words", terms)
        rows = best(companion, known, terms, 10)
        scores = exact(companion, known, terms)
        expected = sorted(scores.values(), reverse=True)[:10]
        for row in rows:
            assert row["score"] == pytest.approx(scores[row["id"]], abs=1e-6)
        if len(terms) <= 3:
            assert [row["score"] for row in rows] == pytest.approx(expected, abs=1e-6)
        agreed += sum(row["score"] >= expected[-1] - 1e-6 for row in rows) / len(expected)
    assert agreed / len(asked) > 0.995


def test_rows_that_a_condition_lets_pass(companion: PsycopgConnection) -> None:
    terms = query_terms(companion, CONFIG, "boundary layer flow over a heated plate at hypersonic speed")
    known = bm25.statistics(companion, oid(companion), "public.companion", "words", "c.words", terms)
    rows = best(companion, known, terms, 10, "c.id % 100 = 7")
    scores = {id: score for id, score in exact(companion, known, terms).items() if id % 100 == 7}
    assert [row["score"] for row in rows] == pytest.approx(sorted(scores.values(), reverse=True)[:10], abs=1e-6)


def test_statistics(companion: PsycopgConnection) -> None:
    terms = ["boundari", "flow", "aileron", "nowher"]
    known = bm25.statistics(companion, oid(companion), "public.companion", "words", "c.words", terms)
    expected = companion.query_unprepared(
        "SELECT count(*) AS rows, avg(length(words))::float8 AS size FROM public.companion WHERE length(words) > 0"
    )[0]
    # ANALYZE has counted the rows, and a sample of pages tells which share of them has words.
    assert known.rows == pytest.approx(expected["rows"], rel=0.005)
    # Of a sample of pages.
    assert known.size == pytest.approx(expected["size"], rel=0.05)
    for term in terms:
        count = companion.query_unprepared(
            "SELECT count(*) AS n FROM public.companion WHERE words @@ $1::tsquery", ("text",), (bm25.quoted(term),)
        )[0]["n"]
        # ANALYZE has read all rows of so small a table.
        assert known.frequencies.get(term, 0) == pytest.approx(count, abs=0.1)


def test_how_often_a_term_occurs_is_read_exactly(companion: PsycopgConnection) -> None:
    ranking = Ranking(Statistics(1000, 2, {"flow": 10}), ["flow"])
    types = ["text"]
    values: list[Any] = [None]

    def add(value: Any, type_: str) -> str:
        types.append(type_)
        values.append(value)
        return f"${len(values)}"

    score = ranking.score("c.words", add)
    query = f"SELECT {score} AS score, length(c.words) AS size FROM (SELECT to_tsvector('english', $1)) AS c (words)"
    for frequency in range(1, 256):
        row = companion.query_unprepared(query, types, ["flow mach " * frequency, *values[1:]])[0]
        length = bm25.K1 * (1 - bm25.B + bm25.B * row["size"] / 2)
        idf = math.log(1 + (1000 - 10 + 0.5) / 10.5)
        assert row["score"] == pytest.approx(idf * frequency * (bm25.K1 + 1) / (frequency + length), rel=1e-9)
