"""Mentions (schema linking): which tokens of a question name a column, a table, a value, a number or an operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pg_llm.ask.grammar.tokenizer import Token
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


@dataclass(slots=True)
class Mention:
    """A span of tokens and what it names: an element (table or column), a value, a number, a time or a marker.

    `normalized` depends on the kind: the words of an element, the text of a value, a time in ISO 8601, and for a marker
    its operator, function or direction.
    """

    kind: str
    start: int
    end: int
    normalized: str = ""
    # Candidate columns, or tables, whose column is -1; best first.
    refs: list[tuple[Ref, float]] = field(default_factory=list)
    value_matches: list[ValueMatch] = field(default_factory=list)
    number: float = 0.0
    role: str = ""

    @property
    def score(self) -> float:
        """The score of the best candidate."""
        return self.refs[0][1] if self.refs else 1.0

    @property
    def names_table(self) -> bool:
        """True if the best candidate is a table."""
        return bool(self.refs) and self.refs[0][0][1] < 0

    @property
    def names_column(self) -> bool:
        """True if the best candidate is a column."""
        return bool(self.refs) and self.refs[0][0][1] >= 0

    def whole_value(self, ref: Ref) -> str | None:
        """The value of this column that the mention names entirely, if there is one."""
        return next((value.value for value in self.value_matches if value.ref == ref and value.whole), None)


@dataclass(frozen=True, slots=True)
class LinkedQuestion:
    """A question with its mentions in order, and the words that nothing was found for."""

    question: str
    tokens: list[Token]
    mentions: list[Mention]
    unlinked: list[str]
    chinese: bool
    # The unlinked words that are verbs.
    verbs: frozenset[str] = frozenset()
    # Whole values of the rows whose words were taken for fillers.
    passed: Sequence[ValueMatch] = ()
