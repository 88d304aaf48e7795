from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from pg_llm.ask import (
    similarity_scale,
)
from pg_llm.ask.similarity_scale import Embed
from pg_llm.vectors import inner_product


def _embedding(of: dict[str, int], noise: float) -> Embed:
    """Vectors of length 1: words of one meaning share a direction, all share another, and each has its own."""

    def embed(words: Sequence[str]) -> list[list[float]]:
        found = []
        for word in words:
            vector = [0.0] * 400
            vector[0], vector[1 + of[word]], vector[100 + list(of).index(word)] = 2.0, 1.0, noise
            length = math.hypot(*vector)
            found.append([x / length for x in vector])
        return found

    return embed


def test_models_are_measured_before_their_similarities_count() -> None:
    pairs = (*similarity_scale._BOTH, *similarity_scale._ENGLISH, *similarity_scale._CHINESE)
    same: dict[str, int] = {}
    for number, (one, other) in enumerate(pairs):
        same.setdefault(one, same.get(other, number))
        same.setdefault(other, same[one])
    near = _embedding(same, 0.3)
    scale = similarity_scale.SimilarityScale(near)
    known = (("wage", "salary", 0.73), ("工资", "薪水", 0.73), ("狗", "dog", 0.9), ("dog", "狗", 0.9))
    for one, other, stands in known:
        assert scale.nearness(one, other, inner_product(*near([one, other]))) == pytest.approx(stands, abs=0.02)
    for one, other in (("wage", "dog"), ("工资", "狗"), ("狗", "window"), ("window", "狗")):
        assert scale.nearness(one, other, inner_product(*near([one, other]))) == pytest.approx(0.27, abs=0.02)
    # A model of English alone: all Chinese words are one, or each is far from every English one.
    english = {word: number if word.isascii() else 99 for word, number in same.items()}
    scale = similarity_scale.SimilarityScale(_embedding(english, 0.3))
    assert scale.nearness("wage", "salary", 0.9) > 0.5
    assert scale.nearness("工资", "薪水", 1.0) == scale.nearness("狗", "dog", 0.9) == 0
