"""Schema linking: what each span of a question may name: a table, column, value, metric, number, time or operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pg_llm.ask.linking.times import Period
from pg_llm.ask.linking.tokenizer import Token
from pg_llm.ask.schema import Ref

# Phrases to columns (or tables, whose column is -1) of similar meaning, each with its similarity (SimilarityScale).
NameMatcher = Callable[[Sequence[str]], Sequence[Sequence[tuple[Ref, float]]]]


@dataclass(frozen=True, slots=True)
class ValueMatch:
    """A value of a column that the question names between two characters, entirely (`whole`) or by a part of it."""

    ref: Ref
    value: str
    start: int
    end: int
    whole: bool
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Anchor:
    """One reading of a span of tokens: `kind` is table, column, value, metric, number, period, glue or an operator's.

    `ref` is a column, or a table, whose column is -1. `meaning` depends on the kind.
    """

    kind: str
    start: int
    end: int
    score: float = 1.0
    ref: Ref | None = None
    text: str = ""
    values: tuple[str, ...] = ()
    whole: bool = True
    number: float = 0.0
    period: Period | None = None
    meaning: tuple[str, ...] = ()

    @property
    def words(self) -> frozenset[int]:
        """The indexes of its tokens."""
        return frozenset(range(self.start, self.end))

    @property
    def is_empty(self) -> bool:
        """True for words without content."""
        return self.kind in ("glue", "support")


@dataclass(slots=True)
class Mention:
    """A span of tokens and what it most likely names: an element (table or column), a value, a number or a period.

    `normalized` are the words of an element, the text of a value, the first and the last day of a period.
    """

    kind: str
    start: int
    end: int
    normalized: str = ""
    # Candidate columns, or tables, whose column is -1; best first.
    refs: list[tuple[Ref, float]] = field(default_factory=list)
    value_matches: list[ValueMatch] = field(default_factory=list)
    number: float = 0.0

    @property
    def score(self) -> float:
        """The score of the best candidate."""
        return self.refs[0][1] if self.refs else 1.0


@dataclass(frozen=True, slots=True)
class LinkedQuestion:
    """A question with all anchors, the mentions of its likeliest segmentation, and the words that remain."""

    question: str
    tokens: Sequence[Token]
    anchors: Sequence[Anchor]
    mentions: Sequence[Mention]
    unlinked: Sequence[str]
    chinese: bool
