"""Leave-one-out evaluation of a recommender: how it ranks users' held-out last events, and the best blend of scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors.numpy import save_file

from pg_llm.recommend.host import metrics, neighbors
from pg_llm.recommend.options import EPSILON, RECENT

# Neighbors per item that are stored.
MAX_NEIGHBORS = 100
# The grid on which a blend is tuned; ties go to the first, so to users that go on rather than back.
_SHARES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
_DECAYS = (0.9, 0.8, 0.7, 0.6)
_BACKWARD = (0.3, 1.0)
# Length of the lists that are stored for later metrics.
_LIST_LENGTH = 100
# Among the first places of a list, fresh items get their share of all items, this one at most.
_FIRST_PLACES, _MAX_FRESH_SHARE = 50, 0.1


@dataclass(frozen=True, slots=True)
class Events:
    """For each user the items in their order, and each event's weight; `texts` has a unit vector or zeros per item."""

    sequences: Sequence[Any]
    weights: Sequence[Any]
    texts: Any

    @property
    def items(self) -> int:
        """The number of items, with or without events."""
        return len(self.texts)

    def known(self) -> Any:
        """For each item whether it has events."""
        known = np.zeros(self.items, dtype=bool)
        known[np.concatenate(self.sequences)] = True
        return known

    def fresh(self) -> Any:
        """For each item whether it has no events, but a text."""
        return ~self.known() & np.any(self.texts, axis=1)


@dataclass(frozen=True, slots=True)
class Blend:
    """How the neighbors' scores are added to the transformer's logits.

    `share`: their weight; `decay`: how they fade per step back in the history; `backward`: the weight of preceding
    items beside following ones; `lift`: added to the logits of fresh items, which have no neighbors.
    """

    share: float
    decay: float
    backward: float
    lift: float = 0.0


class Scorer(Protocol):
    """A network that gives every item a logit after each sequence."""

    def scores(self, sequences: Sequence[Any], known: Any) -> Any:
        """The logits, float32 (sequences, items); `known` tells which items have events."""
        ...


class Evaluation:
    """Ranks of the evaluated users' last events by a network and by the neighbors of the events before.

    It goes user by user: the scores of all items for all users would not fit into memory.
    """

    def __init__(self, network: Scorer, seen: Events, events: Events, evaluated: Sequence[int]) -> None:
        self._seen = seen
        self._fresh = np.flatnonzero(seen.fresh())
        self._matrices: dict[float, Any] = {}
        self._histories = [np.asarray(seen.sequences[number]) for number in evaluated]
        self._targets = np.asarray([events.sequences[number][-1] for number in evaluated], dtype=np.int64)
        self._logits = np.zeros((0, seen.items), np.float32)
        if evaluated:
            self._logits = network.scores(self._histories, seen.known())
        self._popular = np.bincount(np.concatenate(seen.sequences), minlength=seen.items).astype(np.float32)

    def transformer_ranks(self) -> Any:
        """The rank of each last event, from 0, among the items new to the user, by the transformer alone."""
        return np.asarray([self._rank(user, logits) for user, logits in enumerate(self._logits)])

    def tune(self) -> Blend:
        """The blend with the best NDCG at 10, by grid search."""
        best, best_score = Blend(1.0, 0.8, 1.0), -1.0
        for backward in _BACKWARD if len(self._targets) else ():
            for decay in _DECAYS:
                ranks = np.asarray(
                    [
                        [self._rank(user, self._blend(user, logarithms, share)) for share in _SHARES]
                        for user, logarithms in enumerate(map(_log, self._neighbor_scores(decay, backward)))
                    ]
                )
                for share, ranks_of_share in zip(_SHARES, ranks.T, strict=True):
                    score = float(np.mean(metrics.ndcg(ranks_of_share, 10)))
                    if score > best_score:
                        best, best_score = Blend(share, decay, backward), score
        return replace(best, lift=self._lift())

    def _lift(self) -> float:
        """The lift that gives fresh items their share of the first places, on average over the users."""
        fresh = self._fresh
        places = min(_FIRST_PLACES, (self._seen.items - len(fresh)) // 2)
        if not (len(fresh) and places and len(self._targets)):
            return 0.0
        depth = min(places, len(fresh))
        differences = []
        for user, logits in enumerate(self._logits):
            best_fresh = _largest(logits[fresh], depth)
            # The n-th best fresh item is among the first places if lifted above the n-th last of the others there.
            last_others = _largest(logits[self._other_items(user)], places)[places - depth :][::-1]
            differences.append(last_others - best_fresh)
        # Users who have seen nearly all items have infinite differences.
        needed = np.concatenate(differences)
        needed = needed[np.isfinite(needed)]
        share = min(_MAX_FRESH_SHARE, len(fresh) / self._seen.items) * places / depth
        return float(np.quantile(needed, min(1.0, share))) if len(needed) else 0.0

    def save(self, blend: Blend, made: Path) -> None:
        """Write the ranks and lists of this recommender and of two baselines, for later metrics."""
        validation: dict[str, Any] = {"popular": self._popular, "targets": self._targets}
        results: dict[str, list[Any]] = {}
        scores_by_user = self._neighbor_scores(blend.decay, blend.backward) if len(self._targets) else ()
        for user, neighbor_scores in enumerate(scores_by_user):
            blended = self._blend(user, _log(neighbor_scores), blend.share)
            methods = {
                "recommender": self._place_fresh(user, blended, blend.lift),
                "popularity": self._popular,
                "neighbours": neighbor_scores,
            }
            for method, scores in methods.items():
                results.setdefault(f"{method}_ranks", []).append(self._rank(user, scores))
                results.setdefault(f"{method}_lists", []).append(self._list(user, scores))
        validation |= {name: np.asarray(values) for name, values in results.items()}
        arrays = {name: values.astype(np.int32) for name, values in validation.items()}
        save_file(arrays, made / "validation.safetensors")

    def _neighbor_scores(self, decay: float, backward: float) -> Iterator[Any]:
        """The neighbors' scores of all items, for each user."""
        seen = self._seen
        if backward not in self._matrices:
            self._matrices[backward] = neighbors.weights(
                seen.sequences, seen.weights, seen.items, MAX_NEIGHBORS, backward
            )
        return neighbors.scores(self._matrices[backward], self._histories, decay, RECENT)

    def _blend(self, user: int, logarithms: Any, share: float) -> Any:
        logits = self._logits[user]
        return logits + share * logarithms if share else logits

    def _other_items(self, user: int) -> Any:
        """For each item whether it is neither fresh nor in the user's history."""
        others = np.ones(self._seen.items, dtype=bool)
        others[self._fresh] = False
        others[self._histories[user]] = False
        return others

    def _place_fresh(self, user: int, scores: Any, lift: float) -> Any:
        """The scores with those of fresh items interpolated, as `recommend.reranking.place_fresh` does."""
        others = self._other_items(user)
        if not (len(self._fresh) and others.any()):
            return scores
        placed = scores.copy()
        logits, own_scores = np.sort(self._logits[user, others]), np.sort(scores[others])
        lifted = self._logits[user, self._fresh] + lift
        beyond = np.maximum(lifted - logits[-1], 0) + np.minimum(lifted - logits[0], 0)
        placed[self._fresh] = np.interp(lifted, logits, own_scores) + beyond
        return placed

    def _rank(self, user: int, scores: Any) -> int:
        """The rank of the user's last event among the items new to them. Ties are ranked by item order."""
        target = self._targets[user]
        history = np.unique(self._histories[user])
        least = scores[target]
        before = np.count_nonzero(scores[:target] >= least) + np.count_nonzero(scores[target:] > least)
        seen = scores[history]
        return int(before - np.count_nonzero(seen > least) - np.count_nonzero(seen[history < target] == least))

    def _list(self, user: int, scores: Any) -> Any:
        unseen = scores.copy()
        unseen[self._histories[user]] = -np.inf
        return _top(unseen, min(_LIST_LENGTH, len(unseen)))


def _log(scores: Any) -> Any:
    return np.log(EPSILON + scores)


def _top(scores: Any, most: int) -> Any:
    """The positions of the largest, best first. Ties are ranked by position."""
    least = np.partition(scores, len(scores) - most)[len(scores) - most]
    above = np.flatnonzero(scores > least)
    equal = np.flatnonzero(scores == least)[: most - len(above)]
    return np.concatenate([above[np.argsort(-scores[above], kind="stable")], equal])


def _largest(values: Any, most: int) -> Any:
    """The largest values in descending order, padded with -infinity."""
    padded = np.full(most, -np.inf, dtype=values.dtype)
    best = -np.sort(-values)[:most]
    padded[: len(best)] = best
    return padded
