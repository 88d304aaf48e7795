from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pg_llm.recommend.host import evaluation, metrics
from pg_llm.recommend.host.evaluation import Blend, Evaluation, Events
from pg_llm.recommend.options import EPSILON
from safetensors.numpy import load_file

ITEMS = 12
# One has had the last item before, one has seen nearly all, and to most one item leads to the next.
USERS = [[0, 1, 2, 3], [4, 5, 4, 4], [6, 0, 7], [*range(9), 9], [4, 1, 2, 3], [5, 6, 7, 8], [0, 6, 7, 8]]


class Scorer:
    """Logits of a likely kind, in place of a transformer's."""

    def scores(self, sequences: Any, known: Any) -> Any:
        assert known.tolist() == [True] * 9 + [False] * 3
        return np.random.default_rng(3).normal(size=(len(sequences), ITEMS)).astype(np.float32)


@pytest.fixture
def judged() -> Any:
    texts = np.zeros((ITEMS, 4), dtype=np.float32)
    # Without events and with a text: fresh; the one before has neither.
    texts[11] = 0.5
    whole = [np.asarray(each) for each in USERS]
    ones = [np.ones(len(each), dtype=np.float32) for each in whole]
    seen = Events([each[:-1] for each in whole], [each[:-1] for each in ones], texts)
    return Evaluation(Scorer(), seen, Events(whole, ones, texts), range(len(whole)))


def place(user: int, scores: Any) -> int:
    """By going through all items."""
    *history, target = USERS[user]
    return sum(
        (scores[item] > scores[target] or (scores[item] == scores[target] and item < target)) and item not in history
        for item in range(ITEMS)
    )


def test_places_and_lists(judged: Any) -> None:
    random = np.random.default_rng(5)
    for _ in range(50):
        scores = random.integers(0, 4, ITEMS).astype(np.float32)
        for user, (*history, _) in enumerate(USERS):
            assert judged._rank(user, scores) == place(user, scores)
            order = sorted(range(ITEMS), key=lambda item: (item in history, -scores[item], item))
            left = ITEMS - len(set(history))
            assert judged._list(user, scores).tolist()[:left] == order[:left]


@pytest.mark.parametrize("most", [1, 5, 39, 40])
def test_the_best_of_equals_are_the_first(most: int) -> None:
    random = np.random.default_rng(most)
    for kinds in (1, 3, 1000):
        scores = random.integers(0, kinds, 40).astype(np.float32)
        scores[::7] = -np.inf
        assert evaluation._top(scores, most).tolist() == np.argsort(-scores, kind="stable")[:most].tolist()
    assert evaluation._largest(np.float32([2, 5, 3]), 2).tolist() == [5, 3]
    assert evaluation._largest(np.float32([2, 5]), 3).tolist() == [5, 2, -np.inf]


def test_what_is_kept_is_how_users_were_ranked(judged: Any, tmp_path: Path) -> None:
    judged.save(Blend(0.0, 0.8, 1.0, 0.25), tmp_path)
    kept = load_file(tmp_path / "validation.safetensors")
    assert {values.dtype for values in kept.values()} == {np.dtype(np.int32)}
    for way in ("recommender", "popularity", "neighbours"):
        assert kept[f"{way}_ranks"].shape == (len(USERS),)
        assert kept[f"{way}_lists"].shape == (len(USERS), ITEMS)
    assert kept["popularity_ranks"].tolist() == [place(user, kept["popular"]) for user in range(len(USERS))]
    # A fresh item moves none of the others.
    alone = [
        place(user, np.where(np.arange(ITEMS) == 11, -np.inf, likely)) for user, likely in enumerate(judged._logits)
    ]
    assert all(0 <= own - least <= 1 for own, least in zip(kept["recommender_ranks"], alone, strict=True))


def test_the_blend_that_ranks_best_is_found(judged: Any) -> None:
    best, score = None, -1.0
    for backward in evaluation._BACKWARD:
        for decay in evaluation._DECAYS:
            said = list(judged._neighbor_scores(decay, backward))
            for share in evaluation._SHARES:
                scores = [own + share * np.log(EPSILON + each) for own, each in zip(judged._logits, said, strict=True)]
                places = np.asarray([place(user, each) for user, each in enumerate(scores)])
                found = float(np.mean(metrics.ndcg(places, 10)))
                if found > score:
                    best, score = Blend(share, decay, backward, judged._lift()), found
    assert judged.tune() == best
    assert best is not None
    assert best.share > 0


def test_lifted_fresh_items_get_their_part_of_the_first_places(judged: Any) -> None:
    lift, first = judged._lift(), 0
    for user, likely in enumerate(judged._logits):
        others = np.sort(likely[judged._other_items(user)])[::-1]
        if len(others) >= 5:
            first += likely[11] + lift >= others[4] - 1e-6
    # One of twelve items has five twelfths of a chance in each of six lists; who has seen nearly all has none so long.
    assert 2 <= first <= 3
