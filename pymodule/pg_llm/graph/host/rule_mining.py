"""The task `graph_rules`: Horn rules over paths of one and two relations are mined by products of sparse matrices.

Rules have support and confidence as in AMIE (Galárraga and others 2013). An input is a JSON list of [subject,
predicate, object], all numbers from 0; the result is a JSON object of `rules` and `passed_over`, the number of pairs of
predicates with too many paths to count.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from pg_llm.tasks import WorkItem

# Paths of one body, and of all bodies together: they take hundreds of megabytes, and seconds.
_MAX_PATHS = 10_000_000
_MAX_TOTAL_PATHS = 400_000_000


def prepare(model: None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One piece of work per graph."""
    return [WorkItem((), functools.partial(_mine, text, options)) for text in inputs]


def _mine(text: str, options: dict[str, Any], outputs: Sequence[Any]) -> str:
    rows = np.asarray(json.loads(text), dtype=np.int64).reshape(-1, 3)
    return json.dumps(_Miner(rows, options["min_support"], options["min_confidence"]).mine())


class _Miner:
    """Step 2p follows predicate p from subject to object, step 2p + 1 backwards; loops are ignored."""

    def __init__(self, rows: Any, min_support: int, min_confidence: float) -> None:
        rows = rows[rows[:, 0] != rows[:, 2]]
        self._min_support = min_support
        self._min_confidence = min_confidence
        self._entities = int(rows[:, [0, 2]].max()) + 1 if len(rows) else 0
        self._predicates = int(rows[:, 1].max()) + 1 if len(rows) else 0
        self._steps = [
            step for predicate in range(self._predicates) for step in self._adjacency_matrices(rows, predicate)
        ]
        pairs, pair_of_row = np.unique(rows[:, 0] * self._entities + rows[:, 2], return_inverse=True)
        self._pairs = pairs
        self._predicates_of_pair = _matrix(pair_of_row.ravel(), rows[:, 1], (len(pairs), self._predicates))
        self._has_predicate = _matrix(rows[:, 0], rows[:, 1], (self._entities, self._predicates))
        self._has_predicate.data[:] = 1

    def mine(self) -> dict[str, Any]:
        """Rules as [body, head, support, pairs of the body, pairs of the body whose x has an object under the head]."""
        rules = []
        for step in range(len(self._steps)):
            rules += self._rules_of([step], self._steps[step])
        bodies, passed_over = self._bodies()
        for first, second in bodies:
            rules += self._rules_of([first, second], self._steps[first] @ self._steps[second])
        return {"rules": rules, "passed_over": passed_over}

    def _adjacency_matrices(self, rows: Any, predicate: int) -> Iterator[Any]:
        """Those of a predicate, forwards and backwards."""
        edges = rows[rows[:, 1] == predicate]
        shape = (self._entities, self._entities)
        yield _matrix(edges[:, 0], edges[:, 2], shape)
        yield _matrix(edges[:, 2], edges[:, 0], shape)

    def _bodies(self) -> tuple[list[tuple[int, int]], int]:
        """Pairs of steps with enough paths, those with few first, and the number of pairs with too many."""
        if not self._steps:
            return [], 0
        into = sparse.csr_matrix(np.stack([np.asarray(step.sum(axis=0)).ravel() for step in self._steps]))
        out_of = sparse.csr_matrix(np.stack([np.asarray(step.sum(axis=1)).ravel() for step in self._steps]))
        paths = (into @ out_of.T).tocoo()
        enough = paths.data >= self._min_support
        order = np.argsort(paths.data[enough], kind="stable")
        counts = paths.data[enough][order]
        fits = (counts <= _MAX_PATHS) & (np.cumsum(counts) <= _MAX_TOTAL_PATHS)
        first, second = paths.row[enough][order], paths.col[enough][order]
        return list(zip(first[fits].tolist(), second[fits].tolist(), strict=True)), int((~fits).sum())

    def _rules_of(self, body: list[int], paths: Any) -> list[list[Any]]:
        """The rules with this body, whose paths a matrix counts by start and end."""
        paths = paths.tocoo()
        acyclic = paths.row != paths.col
        start, end = paths.row[acyclic].astype(np.int64), paths.col[acyclic]
        if len(start) < self._min_support:
            return []
        keys = start * self._entities + end
        position = np.searchsorted(self._pairs, keys)
        position[position == len(self._pairs)] = 0
        related = position[self._pairs[position] == keys]
        support = np.asarray(self._predicates_of_pair[related].sum(axis=0)).ravel()
        pca_pairs = self._has_predicate.T @ np.bincount(start, minlength=self._entities)
        heads = np.flatnonzero((support >= self._min_support) & (support >= self._min_confidence * len(start)))
        return [
            [body, int(head), int(support[head]), len(start), int(pca_pairs[head])]
            for head in heads
            if body != [2 * head]
        ]


def _matrix(rows: Any, columns: Any, shape: tuple[int, int]) -> Any:
    return sparse.csr_matrix((np.ones(len(rows), dtype=np.int64), (rows, columns)), shape=shape)
