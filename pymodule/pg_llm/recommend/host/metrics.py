"""How good ranked lists are, against the one item that each was to hold."""

from __future__ import annotations

from typing import Any

import numpy as np


def gain(ranks: Any, k: int) -> Any:
    """NDCG at k for each rank, from 0, of the one item that counts."""
    return np.where(ranks < k, 1 / np.log2(ranks + 2.0), 0)


def metrics(kept: dict[str, Any], k: int) -> dict[str, dict[str, float]]:
    """HR, NDCG, MRR, coverage and novelty of lists of k, for each way of making them.

    `kept` has each item's events as `popular`, and for each way WAY_ranks (users,) and WAY_lists (users, items).
    Coverage is the share of all items that stand in some list, novelty the mean of -log2 of an item's share of events.
    """
    popular = kept["popular"]
    share = np.maximum(popular, 1) / max(1, int(popular.sum()))
    found: dict[str, dict[str, float]] = {}
    for name in sorted(kept):
        if not name.endswith("_ranks") or not len(kept[name]):
            continue
        way = name.removesuffix("_ranks")
        ranks, lists = kept[name], kept[f"{way}_lists"][:, :k]
        found[way] = {
            "hr": float(np.mean(ranks < k)),
            "ndcg": float(np.mean(gain(ranks, k))),
            "mrr": float(np.mean(np.where(ranks < k, 1 / (1.0 + ranks), 0))),
            "coverage": len(np.unique(lists)) / len(popular),
            "novelty": float(np.mean(-np.log2(share[lists]))),
            "users": float(len(ranks)),
        }
    return found
