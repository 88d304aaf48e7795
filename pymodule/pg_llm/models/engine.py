"""The seam between a task and whatever computes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Encoded:
    """One tokenised text; cost is its length in tokens."""

    tokens: Any
    cost: int


class EmbeddingEngine(Protocol):
    """A loaded embedding model."""

    engine: str
    device: str
    bytes: int
    dimensions: int
    batch_tokens: int
    prompts: dict[str, str]

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Tokenise, cutting at the model's longest input."""
        ...

    def forward(self, batch: Sequence[Encoded]) -> Any:
        """Unit vectors, float32, shape (len(batch), dimensions)."""
        ...
