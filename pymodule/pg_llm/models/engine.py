"""The seam between a task and whatever computes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

Span = tuple[int, int]
# One text, or a pair of which the second stands beside every window of the first.
Text = str | tuple[str, str]
# One turn of a conversation: `role` and `content`.
Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Window:
    """What a model reads at once: a text, or a window of a long one.

    `cost` is its length in tokens; `spans` has, for a token that begins a word, the word's place in
    the text, in characters.
    """

    tokens: Any
    cost: int
    spans: Sequence[Span | None] = ()


class Word(NamedTuple):
    """A word of a parsed text: its place, base form, part of speech (coarse, fine), and what it is to its head.

    `head` is the head's number in the same window, the word's own for a root; where a model knows no heads, `relation`
    is empty.
    """

    start: int
    end: int
    lemma: str
    pos: str
    tag: str
    relation: str
    head: int


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a text is written: at temperature 0 always the most probable token; the same seed writes the same text.

    `schema` is the JSON Schema that the text follows; `grammar`, of llguidance, says the same or more for engines that
    decode themselves.
    """

    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    schema: Any = None
    grammar: str | None = None


class Engine(Protocol):
    """A loaded model; `details` is what the registry keeps about it."""

    task: str
    engine: str
    device: str
    bytes: int
    batch_tokens: int
    details: dict[str, Any]

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """The windows of each text, one at least; neighbouring ones share `overlap` tokens."""
        ...

    def forward(self, batch: Sequence[Window]) -> Any:
        """One output per window, in order; what it is depends on the model's task.

        An output that is an Window is not finished: it wants to be in a later batch, and others may go before.
        """
        ...


class EmbeddingEngine(Engine, Protocol):
    """Texts to unit vectors: `forward` gives float32 of shape (len(batch), dimensions)."""

    prompts: dict[str, str]


class GenerationEngine(Engine, Protocol):
    """Conversations to texts: `forward` gives str, or None for a text that is not complete."""

    def prompt(self, messages: Sequence[Message], sampling: Sampling) -> Window:
        """A conversation whose next turn is to be written."""
        ...

    def truncate(self, text: str) -> str:
        """As much of a text as goes into a prompt."""
        ...


class ParsingEngine(Engine, Protocol):
    """Texts to their words, beside what else the engine does."""

    def parse(self, texts: Sequence[str], start: int = 0) -> list[list[Window]]:
        """Windows of each text for which `forward` gives the list of their words; places count from `start`."""
        ...
