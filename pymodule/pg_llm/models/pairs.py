"""A linear layer on embeddings and words of pairs of entities, as `pg_llm.training.host.pairs` makes it.

A text has two lines: what the embedding model reads, and words that count as they are.
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

# Numbers that words and pairs of words are spread over, after the dimensions of the embedding.
WORDS = 8192


class PairModel(HeadModel):
    """Logits of shape (len(batch), labels)."""

    def __init__(self, folder: Path, base: ModelSpec, get: Callable[[ModelSpec], Engine]) -> None:
        super().__init__(folder, base, get)
        self.details["words"] = True

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """One window for each text."""
        lines = [str(text).partition("\n") for text in texts]
        windows = super().encode([read for read, _, _ in lines], overlap)
        return [[Window((found[0], words), found[0].cost)] for found, (_, _, words) in zip(windows, lines, strict=True)]

    def forward(self, batch: Sequence[Window]) -> Any:
        """One row of logits per window."""
        logits = super().forward([item.tokens[0] for item in batch])
        for row, item in enumerate(batch):
            columns, value = numbers(item.tokens[1])
            logits[row] += value * self._words[:, columns].sum(axis=1)
        return logits

    def _layer(self, weights: Any) -> Any:
        self._words = np.ascontiguousarray(weights[:, -WORDS:])
        return np.ascontiguousarray(weights[:, :-WORDS])


def numbers(words: str) -> tuple[list[int], float]:
    """Where words and pairs of neighbouring words count, and how much each, so that every text has the length 1."""
    single = words.split()
    all_ones = [*single, *(f"{one} {other}" for one, other in pairwise(single))]
    found = sorted({zlib.crc32(word.encode("utf-8", "replace")) % WORDS for word in all_ones})
    return found, len(found) ** -0.5 if found else 0.0
