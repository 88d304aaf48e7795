"""What words of a question stand for: a mention of a column, a table, a value, a number, or a word that asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pg_llm.ask.grammar.tokens import Token
from pg_llm.ask.schema import Ref

# From phrases to columns (or, with -1, tables) that are near in meaning, each with its nearness (meaning.Scale).
Similar = Callable[[Sequence[str]], Sequence[Sequence[tuple[Ref, float]]]]


@dataclass(frozen=True, slots=True)
class ValueMatch:
    """A value of a column that the question names from `start` to `end`, wholly or by a part of it, how surely."""

    ref: Ref
    value: str
    start: int
    end: int
    whole: bool
    sure: float = 1.0


@dataclass(slots=True)
class Mention:
    """Tokens from `start` to `end`: an element (with candidates), a value, a number, a date or a marker."""

    kind: str
    start: int
    end: int
    said: str = ""
    # Tables have -1 for a column; the best first.
    refs: list[tuple[Ref, float]] = field(default_factory=list)
    values: list[ValueMatch] = field(default_factory=list)
    number: float = 0.0
    role: str = ""

    @property
    def score(self) -> float:
        """That of the best candidate."""
        return self.refs[0][1] if self.refs else 1.0

    @property
    def names_table(self) -> bool:
        """Whether the best candidate is a table."""
        return bool(self.refs) and self.refs[0][0][1] < 0

    @property
    def names_column(self) -> bool:
        """Whether the best candidate is a column."""
        return bool(self.refs) and self.refs[0][0][1] >= 0

    def whole(self, ref: Ref) -> str | None:
        """The value of a column that is named wholly."""
        return next((value.value for value in self.values if value.ref == ref and value.whole), None)


@dataclass(frozen=True, slots=True)
class Linked:
    """A question with its mentions in order, and the words that nothing stands for."""

    question: str
    tokens: list[Token]
    mentions: list[Mention]
    unknown: list[str]
    chinese: bool
    # Those of the unknown words that say what somebody does, not what there is.
    verbs: frozenset[str] = frozenset()
