"""The seam between a task and whatever computes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Span = tuple[int, int]
# One text, or a pair of which the second stands beside every window of the first.
Text = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Encoded:
    """What a model reads at once: a text, or a window of a long one.

    `cost` is its length in tokens; `spans` has, for a token that begins a word, the word's place in
    the text, in characters.
    """

    tokens: Any
    cost: int
    spans: Sequence[Span | None] = ()


class Engine(Protocol):
    """A loaded model; `details` is what the registry keeps about it."""

    task: str
    engine: str
    device: str
    bytes: int
    batch_tokens: int
    details: dict[str, Any]

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Encoded]]:
        """The windows of each text, one at least; neighbouring ones share `overlap` tokens."""
        ...

    def forward(self, batch: Sequence[Encoded]) -> Any:
        """One output per window, in order; what it is depends on the model's task."""
        ...


class EmbeddingEngine(Engine, Protocol):
    """Texts to unit vectors: `forward` gives float32 of shape (len(batch), dimensions)."""

    prompts: dict[str, str]
