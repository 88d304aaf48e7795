from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.recommend import reranking
from pg_llm.recommend.options import EPSILON
from pg_llm.recommend.reranking import HistoryItem

HISTORY = [HistoryItem("a", 1, 0, {10: 0.5, 11: 0.25}), HistoryItem("b", 2, 1, {11: 1.0})]


def row(number: int, likely: float, fresh: bool = False) -> dict[str, object]:
    return {"number": number, "item": f"i{number}", "likely": likely, "fresh": fresh}


def numbers(ranked: list[reranking.Scored]) -> list[int]:
    return [each["number"] for _, each in ranked]


def test_neighbors_fade_with_each_step_and_sum_to_one() -> None:
    scores = reranking.neighbor_scores(HISTORY, 0.5)
    # 11: 0.25 by the latest item, half of 1 by the one before; 1.25 in all.
    assert scores == pytest.approx({10: 0.5 / 1.25, 11: 0.75 / 1.25})
    assert reranking.neighbor_scores([], 0.5) == {}
    assert reranking.neighbor_scores([HistoryItem("a", 1, 0, {})], 0.5) == {}


def test_both_scores_are_summed_as_logarithms() -> None:
    ranked = reranking.rank([row(1, 2.0), row(2, 1.0)], {2: 0.5}, share=2.0, lift=0.0)
    assert ranked[0] == (pytest.approx(1.0 + 2 * math.log(EPSILON + 0.5)), row(2, 1.0))
    assert ranked[1][0] == pytest.approx(2.0 + 2 * math.log(EPSILON))
    assert numbers(reranking.rank([row(1, 2.0), row(2, 1.0)], {2: 0.5}, share=0.0, lift=0.0)) == [1, 2]


def test_ties_are_ranked_by_number() -> None:
    assert numbers(reranking.rank([row(3, 1.0), row(1, 1.0), row(2, 1.0)], {}, 1.0, 0.0)) == [1, 2, 3]


@pytest.mark.parametrize(
    ("likely", "score"),
    # The others' logits are 0 and 10, their scores 100 and 200.
    [(5.0, 150.0), (2.5, 125.0), (12.0, 202.0), (-3.0, 97.0), (10.0, 200.0)],
)
def test_a_fresh_item_is_placed_among_the_others(likely: float, score: float) -> None:
    others = [(100.0, row(1, 0.0)), (200.0, row(2, 10.0))]
    ((placed, _),) = reranking.place_fresh([row(9, likely, fresh=True)], others, lift=0.0)
    assert placed == pytest.approx(score)


def test_a_lift_raises_fresh_items() -> None:
    others = [(100.0, row(1, 0.0)), (200.0, row(2, 10.0))]
    ((placed, _),) = reranking.place_fresh([row(9, 2.0, fresh=True)], others, lift=3.0)
    assert placed == pytest.approx(150.0)
    assert reranking.place_fresh([row(9, 2.0, fresh=True)], [], lift=3.0) == [(5.0, row(9, 2.0, fresh=True))]
    ranked = reranking.rank([row(1, 0.0), row(2, 10.0), row(9, 5.0, fresh=True)], {}, 1.0, lift=0.0)
    assert numbers(ranked) == [2, 9, 1]


VECTORS = {1: [1.0, 0.0], 2: [2.0, 0.0], 3: [0.0, 1.0], 4: [0.0, 0.0]}


def test_diversity_prefers_what_is_unlike_the_items_before() -> None:
    ranked = [(4.0, row(1, 0)), (3.0, row(2, 0)), (2.0, row(3, 0)), (1.0, row(4, 0))]
    assert numbers(reranking.diversify(ranked, VECTORS, 0.0, 4)) == [1, 2, 3, 4]
    assert numbers(reranking.diversify(ranked, VECTORS, 0.5, 4)) == [1, 3, 4, 2]
    assert numbers(reranking.diversify(ranked, VECTORS, 0.5, 2)) == [1, 3]


@given(st.integers(0, 4), st.floats(0, 1))
def test_a_diverse_list_has_each_item_once(limit: int, diversity: float) -> None:
    ranked = [(float(-number), row(number, 0)) for number in VECTORS]
    chosen = numbers(reranking.diversify(ranked, VECTORS, diversity, limit))
    assert len(chosen) == len(set(chosen)) == limit
    assert chosen[:1] in ([], [1])


def test_the_reason_is_the_strongest_item_of_the_history() -> None:
    assert reranking.strongest_neighbors([10, 11, 12], HISTORY, 0.5) == {10: "a", 11: "b"}
    assert reranking.strongest_neighbors([11], HISTORY, 0.1) == {11: "a"}
