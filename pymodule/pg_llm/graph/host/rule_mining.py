"""Horn rules that hold in a graph, over paths of one and two relations.

An input is a JSON list of [subject, predicate, object], all numbers from 0; the result is a JSON object of `rules` and
`passed_over`, pairs of predicates whose paths are too many to be counted.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from pg_llm.tasks import WorkItem

# Paths of one body that are held at a time, and of all bodies together: seconds and hundreds of megabytes.
_MOST_PATHS = 10_000_000
_MOST_IN_ALL = 400_000_000


def prepare(model: None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """The rules of each graph."""
    return [WorkItem((), functools.partial(_mined, text, options)) for text in inputs]


def _mined(text: str, options: dict[str, Any], outputs: Sequence[Any]) -> str:
    rows = np.asarray(json.loads(text), dtype=np.int64).reshape(-1, 3)
    return json.dumps(_Miner(rows, options["min_support"], options["min_confidence"]).mine())


class _Miner:
    """Step 2p is predicate p from subject to object, 2p + 1 back; who is related to itself does not count."""

    def __init__(self, rows: Any, min_support: int, min_confidence: float) -> None:
        rows = rows[rows[:, 0] != rows[:, 2]]
        self._support = min_support
        self._confidence = min_confidence
        self._entities = int(rows[:, [0, 2]].max()) + 1 if len(rows) else 0
        self._predicates = int(rows[:, 1].max()) + 1 if len(rows) else 0
        self._steps = [step for predicate in range(self._predicates) for step in self._both(rows, predicate)]
        pairs, at = np.unique(rows[:, 0] * self._entities + rows[:, 2], return_inverse=True)
        self._pairs = pairs
        self._heads = _matrix(at.ravel(), rows[:, 1], (len(pairs), self._predicates))
        self._starts = _matrix(rows[:, 0], rows[:, 1], (self._entities, self._predicates))
        self._starts.data[:] = 1

    def mine(self) -> dict[str, Any]:
        """Rules as [body, head, support, pairs of the body, pairs of it whose x has some such relation]."""
        rules = []
        for step in range(len(self._steps)):
            rules += self._of([step], self._steps[step])
        bodies, passed_over = self._bodies()
        for first, second in bodies:
            rules += self._of([first, second], self._steps[first] @ self._steps[second])
        return {"rules": rules, "passed_over": passed_over}

    def _both(self, rows: Any, predicate: int) -> Iterator[Any]:
        own = rows[rows[:, 1] == predicate]
        shape = (self._entities, self._entities)
        yield _matrix(own[:, 0], own[:, 2], shape)
        yield _matrix(own[:, 2], own[:, 0], shape)

    def _bodies(self) -> tuple[list[tuple[int, int]], int]:
        """Pairs of steps that some entity joins, those with few paths first."""
        if not self._steps:
            return [], 0
        ends = sparse.csr_matrix(np.stack([np.asarray(step.sum(axis=0)).ravel() for step in self._steps]))
        begins = sparse.csr_matrix(np.stack([np.asarray(step.sum(axis=1)).ravel() for step in self._steps]))
        paths = (ends @ begins.T).tocoo()
        enough = paths.data >= self._support
        order = np.argsort(paths.data[enough], kind="stable")
        counts = paths.data[enough][order]
        fits = (counts <= _MOST_PATHS) & (np.cumsum(counts) <= _MOST_IN_ALL)
        first, second = paths.row[enough][order], paths.col[enough][order]
        return list(zip(first[fits].tolist(), second[fits].tolist(), strict=True)), int((~fits).sum())

    def _of(self, body: list[int], paths: Any) -> list[list[Any]]:
        """The rules whose body has these pairs."""
        paths = paths.tocoo()
        apart = paths.row != paths.col
        start, end = paths.row[apart].astype(np.int64), paths.col[apart]
        if len(start) < self._support:
            return []
        keys = start * self._entities + end
        at = np.searchsorted(self._pairs, keys)
        at[at == len(self._pairs)] = 0
        there = at[self._pairs[at] == keys]
        support = np.asarray(self._heads[there].sum(axis=0)).ravel()
        begun = self._starts.T @ np.bincount(start, minlength=self._entities)
        held = np.flatnonzero((support >= self._support) & (support >= self._confidence * len(start)))
        return [
            [body, int(head), int(support[head]), len(start), int(begun[head])] for head in held if body != [2 * head]
        ]


def _matrix(rows: Any, columns: Any, shape: tuple[int, int]) -> Any:
    return sparse.csr_matrix((np.ones(len(rows), dtype=np.int64), (rows, columns)), shape=shape)
