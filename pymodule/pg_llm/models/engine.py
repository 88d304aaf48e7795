"""Engines: the interface between a task and the library that runs a model."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self, TypeGuard

Span = tuple[int, int]
# One text, or a pair whose second text is repeated in every window of the first.
Text = str | tuple[str, str]
# One turn of a conversation: `role` and `content`.
Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Window:
    """The input of one run of a model: a text, or a window of a long one.

    `cost` is its length in tokens; `spans` gives, for a token that begins a word, the word's range of characters in
    the text. `parts` are ranges of tokens that an engine which pools them is asked about, see `Pooled`.
    """

    tokens: Any
    cost: int
    spans: Sequence[Span | None] = ()
    parts: Sequence[Span] = ()


class Pooled(NamedTuple):
    """The output for a window with parts: its vector, and the unit vector of the mean token state of each part."""

    vector: Any
    parts: Any


class Word(NamedTuple):
    """A word of a parsed text: range, lemma, part of speech (coarse and fine), and dependency relation to its head.

    `head` is the head's number in the same window, the word's own for a root; `relation` is empty for a model without
    a dependency parser.
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
    """How a text is generated: greedily at temperature 0, else reproducibly from the seed.

    `schema` is the JSON Schema that the text follows; `grammar`, of llguidance, is at least as strict, for engines that
    take grammars. `is_sql` tells that the text will be SQL.
    """

    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    schema: Any = None
    grammar: str | None = None
    is_sql: bool = False


class Written(str):
    """A text that a model has written, with the tokens that it read and wrote for it, as its engine counts them."""

    tokens_in: int
    tokens_out: int

    def __new__(cls, text: str, tokens_in: int, tokens_out: int) -> Self:
        """A text with its counts."""
        written = super().__new__(cls, text)
        written.tokens_in, written.tokens_out = tokens_in, tokens_out
        return written


class Engine(Protocol):
    """A loaded model; `details` is stored in the registry.

    A batch has at most `batch_tokens`, padding included, and where the engine has it `batch_windows` windows.
    """

    task: str
    engine: str
    device: str
    bytes: int
    batch_tokens: int
    details: dict[str, Any]

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """The windows of each text, one at least; neighbouring windows share `overlap` tokens."""
        ...

    def forward(self, batch: Sequence[Window]) -> Any:
        """One output per window, in order; its type depends on the model's task.

        An output that is a Window is unfinished work, to be put into a later batch; one that is an Error fails the
        window's text only, where an error that is raised fails every text of the request.
        """
        ...


class ConcurrentEngine(Engine, Protocol):
    """An engine whose work is done in another process or on another machine, many batches at a time.

    `concurrency` is how many; `batch_tokens` bounds each batch.
    """

    concurrency: int

    def submit(self, batch: Sequence[Window]) -> Future[Sequence[Any]]:
        """Start one batch and return at once; the future gives what `forward` would. Cancelling it ends the work."""
        ...


def is_concurrent(engine: Engine) -> TypeGuard[ConcurrentEngine]:
    """Whether batches are submitted to the engine rather than forwarded by it."""
    return hasattr(engine, "submit")


class TokenStates(NamedTuple):
    """The vectors of a window's tokens, shape (tokens, dimensions), whose mean at length 1 is the window's embedding.

    `spans` are their places in the text, None for a token that stands for none of its characters.
    """

    vectors: Any
    spans: Sequence[Span | None]


class EmbeddingEngine(Engine, Protocol):
    """Texts to unit vectors: `forward` gives float32 of shape (len(batch), dimensions)."""

    prompts: dict[str, str]


def pools_parts(engine: Engine) -> bool:
    """Whether the engine gives a `Pooled` for a window with parts."""
    return bool(getattr(engine, "pools_parts", False))


class GenerationEngine(Engine, Protocol):
    """Conversations to texts: `forward` gives str, or None for a text that its grammar leaves incomplete."""

    def prompt(self, messages: Sequence[Message], sampling: Sampling) -> Window:
        """The input for generating the next turn of a conversation."""
        ...

    def truncate(self, text: str) -> str:
        """As much of a text as fits into a prompt."""
        ...


class ChoiceEngine(GenerationEngine, Protocol):
    """Conversations to probabilities of answers that are given: `forward` gives their logarithms, an array."""

    def question(self, messages: Sequence[Message], answers: Sequence[str]) -> Window:
        """The input for choosing among answers to a conversation; the output has shape (len(answers),).

        The logarithms need no normalisation. An engine that shows no probabilities gives 0 to the answer that it chose
        and about -7 to each other.
        """
        ...


class LikelihoodEngine(ChoiceEngine, Protocol):
    """Texts to likelihoods: `forward` gives the log-likelihoods of the continuations, an array."""

    def likelihood(self, before: str, continuations: Sequence[str]) -> Window:
        """The input for scoring continuations of a text that is no conversation."""
        ...


def gives_likelihoods(engine: Engine) -> TypeGuard[LikelihoodEngine]:
    """Whether the engine scores any continuation of any text, rather than only answers to questions."""
    return hasattr(engine, "likelihood")


class ParsingEngine(Engine, Protocol):
    """An engine that can also split texts into words."""

    def parse(self, texts: Sequence[str], start: int = 0) -> list[list[Window]]:
        """Windows of each text for which `forward` gives the list of their words; positions count from `start`."""
        ...
