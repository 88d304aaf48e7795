"""Items that follow and precede each other: which items speak for which.

Two items of a user count for each other the more, the closer they stand in the sequence.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy import sparse

# Steps of a sequence over which a pair's weight falls to a third, and the furthest that counts.
_REACH = 10.0
_FURTHEST = 30
# Pulls what rests on few events towards nothing; how far an item's own frequency counts against it.
_SHRINK = 10.0
_FREQUENCY = 0.3


def weights(sequences: Sequence[Any], events: Sequence[Any], items: int, most: int, backward: float) -> Any:
    """How much each item speaks for others: sparse float32 of shape (items, items), `most` in a row.

    It speaks for what came after it, and `backward` times as much for what came before.
    """
    flat = np.concatenate([np.asarray(each) for each in sequences])
    worth = np.concatenate([np.asarray(each, dtype=np.float32) for each in events])
    owner = np.repeat(np.arange(len(sequences)), [len(each) for each in sequences])
    parts = []
    for step in range(1, min(_FURTHEST, max(len(each) for each in sequences) - 1) + 1):
        first, second = flat[:-step], flat[step:]
        apart = (owner[:-step] == owner[step:]) & (first != second)
        value = np.sqrt(worth[:-step][apart] * worth[step:][apart]) * np.float32(np.exp(-step / _REACH))
        pairs = sparse.coo_matrix((value, (first[apart], second[apart])), shape=(items, items)).tocsr()
        parts += [pairs, backward * pairs.T.tocsr()]
    found = _summed(parts, items)
    frequency = np.bincount(flat, weights=worth, minlength=items).astype(np.float32)
    found.data *= np.repeat(1 / (frequency + _SHRINK), np.diff(found.indptr))
    found.data *= (1 / np.maximum(frequency, 1) ** _FREQUENCY)[found.indices]
    return strongest(found, most)


def _summed(parts: Sequence[Any], items: int) -> Any:
    """The sum of square matrices in compressed rows; one by one, each sum would be as large as the last."""
    beside = sparse.hstack(parts, format="csr")
    found = sparse.csr_matrix((beside.data, beside.indices % items, beside.indptr), shape=(items, items))
    # There and back the columns are sorted, and what stands in one place stays in the order of the parts.
    found = found.tocsc().tocsr()
    found.sum_duplicates()
    return found


def strongest(found: Any, most: int) -> Any:
    """The `most` largest values of each row."""
    found = found.astype(np.float32)
    for row in np.flatnonzero(np.diff(found.indptr) > most):
        values = found.data[found.indptr[row] : found.indptr[row + 1]]
        values[np.argpartition(-values, most)[most:]] = 0
    found.eliminate_zeros()
    return found


def scores(found: Any, sequences: Sequence[Any], decay: float, longest: int) -> Iterator[Any]:
    """What the last items of each sequence say of every item, in sum one: float32 of shape (items,) for each."""
    recent = [np.asarray(each[-longest:]) for each in sequences]
    rows = np.repeat(np.arange(len(recent)), [len(each) for each in recent])
    value = np.concatenate([decay ** np.arange(len(each))[::-1] for each in recent])
    history = sparse.coo_matrix((value, (rows, np.concatenate(recent))), shape=(len(recent), found.shape[0])).tocsr()
    together = history @ found
    for start, end in itertools.pairwise(together.indptr):
        said = np.zeros(found.shape[1], dtype=np.float32)
        said[together.indices[start:end]] = together.data[start:end]
        yield said / np.maximum(said.sum(), 1e-12)
