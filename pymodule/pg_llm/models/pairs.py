"""A linear relation classifier on embeddings and hashed words of entity pairs (feature hashing, Weinberger 2009).

A text has two lines: one for the embedding model, and one whose words and bigrams are features.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from pg_llm.models.engine import Engine, Text, Window
from pg_llm.models.head import HeadModel
from pg_llm.models.spec import ModelSpec

# Columns that words and bigrams are hashed to, after the dimensions of the embedding.
WORDS = 8192


class PairModel(HeadModel):
    """As HeadModel, with word features beside the embedding."""

    def __init__(self, folder: Path, base: ModelSpec, get: Callable[[ModelSpec], Engine]) -> None:
        super().__init__(folder, base, get)
        self.details["words"] = True

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """One window for each text."""
        lines = [str(text).partition("\n") for text in texts]
        windows = super().encode([embedded for embedded, _, _ in lines], overlap)
        return [[Window((first[0], words), first[0].cost)] for first, (_, _, words) in zip(windows, lines, strict=True)]

    def forward(self, batch: Sequence[Window]) -> Any:
        """One row of logits per window."""
        logits = super().forward([item.tokens[0] for item in batch])
        for row, item in enumerate(batch):
            columns, value = hash_words(item.tokens[1])
            logits[row] += value * self._words[:, columns].sum(axis=1)
        return logits

    def _layer(self, weights: Any) -> Any:
        self._words = np.ascontiguousarray(weights[:, -WORDS:])
        return np.ascontiguousarray(weights[:, :-WORDS])


def hash_words(words: str) -> tuple[list[int], float]:
    """The columns of the words and bigrams, and the value of each column that gives the vector length 1."""
    single = words.split()
    features = [*single, *(f"{one} {other}" for one, other in pairwise(single))]
    columns = sorted({zlib.crc32(word.encode("utf-8", "replace")) % WORDS for word in features})
    return columns, len(columns) ** -0.5 if columns else 0.0
