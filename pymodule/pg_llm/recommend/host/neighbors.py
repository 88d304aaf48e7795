"""Item-based collaborative filtering on sequences: an item's neighbors are those that follow and precede it.

Two items of a user count for each other the more, the closer they are in the sequence.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy import sparse

# Steps of a sequence over which a pair's weight falls to 1/e, and the largest distance that counts.
_DECAY_STEPS = 10.0
_MAX_DISTANCE = 30
# Shrinks weights that rest on few events; the exponent by which an item's own frequency counts against it.
_SHRINKAGE = 10.0
_FREQUENCY_EXPONENT = 0.3


def weights(sequences: Sequence[Any], event_weights: Sequence[Any], items: int, most: int, backward: float) -> Any:
    """The weight of each item (column) as a neighbor of each other (row): sparse float32, (items, items), `most` a row.

    Items that follow count fully, those that precede `backward` times as much.
    """
    flat = np.concatenate([np.asarray(sequence) for sequence in sequences])
    flat_weights = np.concatenate([np.asarray(sequence, dtype=np.float32) for sequence in event_weights])
    owner = np.repeat(np.arange(len(sequences)), [len(sequence) for sequence in sequences])
    parts = []
    for distance in range(1, min(_MAX_DISTANCE, max(len(sequence) for sequence in sequences) - 1) + 1):
        first, second = flat[:-distance], flat[distance:]
        paired = (owner[:-distance] == owner[distance:]) & (first != second)
        decay = np.float32(np.exp(-distance / _DECAY_STEPS))
        value = np.sqrt(flat_weights[:-distance][paired] * flat_weights[distance:][paired]) * decay
        pairs = sparse.coo_matrix((value, (first[paired], second[paired])), shape=(items, items)).tocsr()
        parts += [pairs, backward * pairs.T.tocsr()]
    cooccurrence = _sum(parts, items)
    frequency = np.bincount(flat, weights=flat_weights, minlength=items).astype(np.float32)
    cooccurrence.data *= np.repeat(1 / (frequency + _SHRINKAGE), np.diff(cooccurrence.indptr))
    cooccurrence.data *= (1 / np.maximum(frequency, 1) ** _FREQUENCY_EXPONENT)[cooccurrence.indices]
    return keep_strongest(cooccurrence, most)


def _sum(parts: Sequence[Any], items: int) -> Any:
    """The sum of square CSR matrices; added one by one, each intermediate sum would be as large as the last."""
    stacked = sparse.hstack(parts, format="csr")
    summed = sparse.csr_matrix((stacked.data, stacked.indices % items, stacked.indptr), shape=(items, items))
    # A round trip sorts the columns stably, so that equal ones are summed in the order of the parts.
    summed = summed.tocsc().tocsr()
    summed.sum_duplicates()
    return summed


def keep_strongest(matrix: Any, most: int) -> Any:
    """The `most` largest values of each row."""
    matrix = matrix.astype(np.float32)
    for row in np.flatnonzero(np.diff(matrix.indptr) > most):
        values = matrix.data[matrix.indptr[row] : matrix.indptr[row + 1]]
        values[np.argpartition(-values, most)[most:]] = 0
    matrix.eliminate_zeros()
    return matrix


def scores(matrix: Any, sequences: Sequence[Any], decay: float, longest: int) -> Iterator[Any]:
    """The score of every item after each sequence, by the neighbors of its last items: float32 of sum 1, (items,)."""
    recent = [np.asarray(sequence[-longest:]) for sequence in sequences]
    rows = np.repeat(np.arange(len(recent)), [len(sequence) for sequence in recent])
    value = np.concatenate([decay ** np.arange(len(sequence))[::-1] for sequence in recent])
    shape = (len(recent), matrix.shape[0])
    histories = sparse.coo_matrix((value, (rows, np.concatenate(recent))), shape=shape).tocsr()
    product = histories @ matrix
    for start, end in itertools.pairwise(product.indptr):
        dense = np.zeros(matrix.shape[1], dtype=np.float32)
        dense[product.indices[start:end]] = product.data[start:end]
        yield dense / np.maximum(dense.sum(), 1e-12)
