"""Plain recommenders on the same sequences: each gives a score for every item after each history."""

from __future__ import annotations

import copy
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Histories = Sequence[Sequence[int]]
_IMPLICIT = Path("build", "bench", "implicit")
# SASRec as published has binary cross-entropy with one item drawn for each; it stops when it guesses no better.
_PATIENCE = 10
_SECONDS = 170


def popularity(histories: Histories, items: int, seed: int) -> Any:
    """How often each item occurs."""
    return np.tile(_counted(histories, items), (len(histories), 1))


def neighbours(decay: float) -> Callable[[Histories, int, int], Any]:
    """Cosine of items over users, 200 neighbours each, shrunk by 10; older items count less by `decay` a step."""

    def scores(histories: Histories, items: int, seed: int) -> Any:
        seen = np.zeros((len(histories), items), np.float32)
        for row, history in enumerate(histories):
            seen[row, history] = 1
        together = seen.T @ seen
        length = np.sqrt(np.diag(together))
        alike = together / (length[:, None] * length[None] + 10)
        np.fill_diagonal(alike, 0)
        # Of each item that may be recommended, its nearest.
        least = np.partition(alike, -200, axis=0)[-200][None]
        alike[alike < least] = 0
        return np.stack([(decay ** np.arange(len(each))[::-1]) @ alike[list(each)] for each in histories])

    return scores


def als(histories: Histories, items: int, seed: int) -> Any:
    """Alternating least squares (Hu 2008) of the package implicit."""
    if not _IMPLICIT.exists():
        command = [sys.executable, "-m", "pip", "-q", "install", "--target", str(_IMPLICIT), "--no-deps"]
        subprocess.run([*command, "implicit==0.7.3", "tqdm"], check=True)
    sys.path.append(str(_IMPLICIT))
    from implicit.als import AlternatingLeastSquares
    from scipy import sparse

    rows = np.repeat(np.arange(len(histories)), [len(each) for each in histories])
    matrix = sparse.csr_matrix((np.ones(len(rows)), (rows, np.concatenate(histories))), shape=(len(histories), items))
    model = AlternatingLeastSquares(factors=64, regularization=0.1, iterations=15, random_state=seed, use_gpu=False)
    model.fit(matrix, show_progress=False)
    return np.asarray(model.user_factors) @ np.asarray(model.item_factors).T


def sasrec(histories: Histories, items: int, seed: int) -> Any:
    """SASRec (Kang and McAuley 2018), 64 dimensions, 2 layers, the last event of each history to know when to stop."""
    import torch
    from pg_llm.recommend.host.transformer import Network, pad, windows
    from torch.nn import functional

    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    shape = {"dimensions": 64, "layers": 2, "heads": 1, "max_length": 50, "dropout": 0.2}
    network = Network(items, torch.zeros(items, 1), shape)
    known = torch.ones(items)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    seen = [np.asarray(each[:-1]) for each in histories]
    targets = [each[-1] for each in histories]
    best, state, waited, started = -1.0, copy.deepcopy(network.state_dict()), 0, time.monotonic()
    while waited < _PATIENCE and time.monotonic() - started < _SECONDS:
        for _ in range(2):
            network.train()
            pieces = [seen[number][begin:end] for number, begin, end in windows(seen, 50, random)]
            order = random.permutation(len(pieces))
            for start in range(0, len(order), 128):
                chosen = [pieces[place] for place in order[start : start + 128]]
                ids, present = pad([each[:-1] for each in chosen], "cpu")
                vectors = network.items(known)
                after = network.body.every_position(functional.embedding(ids, vectors), present)[present > 0]
                right = torch.from_numpy(np.concatenate([each[1:] for each in chosen]))
                wrong = torch.randint(items, right.shape)
                logits = torch.cat([(after * vectors[right]).sum(-1), (after * vectors[wrong]).sum(-1)])
                truth = torch.cat([torch.ones(len(right)), torch.zeros(len(wrong))])
                loss = functional.binary_cross_entropy_with_logits(logits, truth)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        score = ndcg(ranks(network.scores(seen, known), seen, targets))
        waited += 1
        if score > best:
            best, state, waited = score, copy.deepcopy(network.state_dict()), 0
    network.load_state_dict(state)
    return network.scores([np.asarray(each) for each in histories], known)


def ranks(scores: Any, histories: Histories, targets: Sequence[int]) -> Any:
    """The place of each target among the items that are not in its history, from 0; of equals the first is first."""
    found = np.zeros(len(targets), dtype=int)
    for row, (history, target) in enumerate(zip(histories, targets, strict=True)):
        before = scores[row] > scores[row, target]
        before[:target] |= scores[row, :target] == scores[row, target]
        before[list(history)] = False
        found[row] = before.sum()
    return found


def hits(places: Any, k: int = 10) -> float:
    """Share of the lists of k that hold the target."""
    return float(np.mean(places < k))


def ndcg(places: Any, k: int = 10) -> float:
    """Normalised discounted cumulative gain at k, with one right item."""
    return float(np.mean(np.where(places < k, 1 / np.log2(places + 2.0), 0)))


def _counted(histories: Histories, items: int) -> Any:
    return np.bincount(np.concatenate([np.asarray(each) for each in histories]), minlength=items).astype(np.float32)
