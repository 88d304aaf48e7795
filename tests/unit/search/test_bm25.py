from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from fake_connection import FakeConnection
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.search import bm25
from pg_llm.search.bm25 import Ranking, Statistics

Document = dict[str, int]


def statistics_of(documents: list[Document], rare: int = 0) -> Statistics:
    """Those of all terms; the impacts of terms that fewer documents hold than `rare`."""
    frequencies: dict[str, float] = {}
    for term in itertools.chain.from_iterable(documents):
        frequencies[term] = frequencies.get(term, 0) + 1
    size = sum(map(len, documents)) / len(documents)
    impacts: dict[str, float] = {}
    for document in documents:
        for term, count in document.items():
            if frequencies[term] < rare:
                length = bm25.K1 * (1 - bm25.B + bm25.B * len(document) / size)
                impacts[term] = max(impacts.get(term, 0.0), (bm25.K1 + 1) * count / (count + length))
    return Statistics(len(documents), size, frequencies, impacts)


def score(document: Document, terms: list[str], known: Statistics) -> float:
    """BM25 by its formula."""
    total = 0.0
    for term in terms:
        found = known.frequencies.get(term, 0)
        idf = math.log(1 + (known.rows - found + 0.5) / (found + 0.5))
        length = 1 - bm25.B + bm25.B * len(document) / known.size
        frequency = document.get(term, 0)
        total += idf * frequency * (bm25.K1 + 1) / (frequency + bm25.K1 * length)
    return total


def condition(tsquery: str) -> Callable[[Document], bool]:
    """What a tsquery of single words says."""
    words = re.sub(r"'([^']*)'", r"('\1' in document)", tsquery).replace("&", "and").replace("|", "or")
    test: Callable[[Document], bool] = eval(f"lambda document: {words}")
    return test


def by_score(row: dict[str, Any]) -> float:
    return float(row["score"])


def zipf(rng: random.Random, terms: list[str], count: int) -> list[Document]:
    weights = [1 / (place + 2) for place in range(len(terms))]
    documents: list[Document] = []
    for _ in range(count):
        document: Document = {}
        for term in rng.choices(terms, weights, k=rng.randint(3, 30)):
            document[term] = document.get(term, 0) + 1
        documents.append(document)
    return documents


@given(st.lists(st.integers(1, 900), min_size=1, max_size=9), st.floats(0.01, 1.2))
def test_no_row_that_can_have_a_score_is_lost(frequencies: list[int], part: float) -> None:
    known = Statistics(1000, 50, {f"t{place}": float(count) for place, count in enumerate(frequencies)})
    ranking = Ranking(known, known.frequencies)
    bounds = dict(ranking._bounds)
    wanted = part * sum(bounds.values())
    passes = condition(ranking.at_least(wanted))
    for held in itertools.product([False, True], repeat=len(bounds)):
        terms = {term.strip("'") for term, here in zip(bounds, held, strict=True) if here}
        if sum(bounds[f"'{term}'"] for term in terms) >= min(wanted, sum(bounds.values())):
            assert passes(dict.fromkeys(terms, 1))


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 12])
@pytest.mark.parametrize("k", [1, 10, 100])
def test_the_best_are_those_of_the_formula(length: int, k: int) -> None:
    rng = random.Random(length * k)
    vocabulary = [f"t{place}" for place in range(400)]
    documents = zipf(rng, vocabulary, 1500)
    for rare in (0, 60, 10_000):
        known = statistics_of(documents, rare)
        terms = rng.sample(vocabulary[:200], length)
        scores = [score(document, terms, known) for document in documents]

        def run(tsquery: str, scores: list[float] = scores) -> list[dict[str, Any]]:
            passes = condition(tsquery)
            found = [number for number, document in enumerate(documents) if passes(document)]
            found.sort(key=lambda number: (-scores[number], number))
            return [{"number": number, "score": scores[number]} for number in found[:k]]

        best = bm25.best(Ranking(known, terms), k, run, by_score)
        expected = sorted((score for score in scores if score > 0), reverse=True)[:k]
        assert [row["score"] for row in best] == expected


def test_frequent_terms_do_not_choose_rows() -> None:
    known = Statistics(200_000, 60, {"rare": 50, "some": 2000, "common": 80_000, "usual": 60_000})
    ranking = Ranking(known, ["common", "rare", "usual", "some", "never"])
    assert ranking.at_least(ranking.score_of(20)) == "'rare' & ('some' | 'usual' | 'common')"
    assert ranking.any_term == "'rare' | 'some' | 'usual' | 'common'"


def test_no_term_that_is_known_finds_nothing() -> None:
    def run(_: str) -> list[dict[str, Any]]:
        raise AssertionError

    assert bm25.best(Ranking(Statistics(10, 5, {}), ["never"]), 10, run, by_score) == []


def test_too_few_rows_are_asked_for_once_more_with_any_term() -> None:
    ranking = Ranking(
        Statistics(1000, 50, {f"t{place}": 10.0 + place for place in range(6)}), [f"t{n}" for n in range(6)]
    )
    asked: list[str] = []

    def run(tsquery: str) -> list[dict[str, Any]]:
        asked.append(tsquery)
        return [{"score": 1.0}]

    assert bm25.best(ranking, 10, run, by_score) == [{"score": 1.0}]
    assert asked[-1] == ranking.any_term
    assert len(asked) <= 4


def test_a_score_that_as_many_rows_can_have_as_are_expected() -> None:
    known = Statistics(30_000, 60, {f"t{place}": 90.0 * (place + 1) for place in range(8)})
    ranking = Ranking(known, known.frequencies)
    bounds = [bound for _, bound in ranking._bounds]
    rng = random.Random(3)
    parts = [known.frequencies[term.strip("'")] / known.rows for term, _ in ranking._bounds]
    sums = sorted(
        (sum(bound for bound, part in zip(bounds, parts, strict=True) if rng.random() < part) for _ in range(30_000)),
        reverse=True,
    )
    for rows in (20, 200, 1500):
        wanted = ranking.score_of(rows)
        assert rows / 2 < sum(each >= wanted for each in sums) < 4 * rows
    assert ranking.score_of(30_000) == 0


def test_few_rows_that_hold_terms_together_do_not_make_all_of_a_common_one_be_read() -> None:
    frequencies = {**{f"t{place}": 400.0 for place in range(7)}, "common": 180_000.0}
    ranking = Ranking(Statistics(200_000, 60, frequencies), frequencies)
    asked: list[str] = []

    def run(tsquery: str) -> list[dict[str, Any]]:
        asked.append(tsquery)
        # Of the rare terms no row holds two.
        few = not condition(tsquery)({"t3": 1})
        return [{"score": 5.0}] * (3 if few else 30)

    assert len(bm25.best(ranking, 30, run, by_score)) == 30
    assert ranking.any_term not in asked


def test_a_long_query_has_a_short_condition() -> None:
    known = Statistics(100_000, 60, {f"t{place}": 100.0 + 13 * place for place in range(64)})
    ranking = Ranking(known, known.frequencies)
    for part in (0.2, 0.55, 0.9, 1.5):
        assert len(ranking.at_least(part * ranking.score_of(20))) < 5000


def test_terms_are_quoted() -> None:
    assert bm25.quoted("it's \\ &") == "'it''s \\\\ &'"


def test_rounded_statistics_tell_of_no_row() -> None:
    known = Statistics(100, 5, {"a": 1, "b": 64, "c": 65, "d": 1000})
    assert known.rounded() == Statistics(1024, 5, {"a": 64, "b": 64, "c": 128, "d": 1024})


def test_the_score_names_each_term_once() -> None:
    values: list[Any] = []

    def add(value: Any, type_: str) -> str:
        values.append(value)
        return f"${len(values)}::{type_}"

    sql = Ranking(Statistics(100, 5, {"a": 3, "b": 4}), ["a", "b"]).score("c.words", add)
    assert sql.count("ts_rank") == 2
    assert [value for value in values if isinstance(value, str)] == ["'a'", "'b'"]


def test_statistics_of_a_table_that_was_never_analyzed() -> None:
    db = FakeConnection()
    db.answer("pg_relation_size", [{"pages": 4}])
    db.answer("TABLESAMPLE SYSTEM (100.000000)", [{"rows": 40.0, "worded": 30.0, "size": 7.5, "analyzed": -1.0}])
    db.answer(
        "WITH common AS",
        [{"term": "a", "frequency": 3.0, "impact": 1.5}, {"term": "b", "frequency": 0.0, "impact": None}],
    )
    assert bm25.statistics(db, 1, "public.x", "words", "c.words", ["a", "b"]) == Statistics(
        30.0, 7.5, {"a": 3.0}, {"a": 1.5}
    )
    # Shares of common terms are of all rows; those without words are no documents.
    assert db.asked("WITH common AS")[0].values[4] == 40.0
