"""Ranking metrics of recommended lists against the one held-out item of each user: HR, NDCG, MRR, coverage, novelty."""

from __future__ import annotations

from typing import Any

import numpy as np


def ndcg(ranks: Any, k: int) -> Any:
    """NDCG at k for each rank, from 0, of the one relevant item."""
    return np.where(ranks < k, 1 / np.log2(ranks + 2.0), 0)


def by_method(validation: dict[str, Any], k: int) -> dict[str, dict[str, float]]:
    """The metrics of lists of length k, for each method of recommending.

    `validation` has each item's number of events as `popular`, and for each method METHOD_ranks (users,) and
    METHOD_lists (users, items). Coverage is the share of all items that occur in some list, novelty the mean of -log2
    of an item's share of events.
    """
    popular = validation["popular"]
    share = np.maximum(popular, 1) / max(1, int(popular.sum()))
    metrics: dict[str, dict[str, float]] = {}
    for name in sorted(validation):
        if not name.endswith("_ranks") or not len(validation[name]):
            continue
        method = name.removesuffix("_ranks")
        ranks, lists = validation[name], validation[f"{method}_lists"][:, :k]
        metrics[method] = {
            "hr": float(np.mean(ranks < k)),
            "ndcg": float(np.mean(ndcg(ranks, k))),
            "mrr": float(np.mean(np.where(ranks < k, 1 / (1.0 + ranks), 0))),
            "coverage": len(np.unique(lists)) / len(popular),
            "novelty": float(np.mean(-np.log2(share[lists]))),
            "users": float(len(ranks)),
        }
    return metrics
