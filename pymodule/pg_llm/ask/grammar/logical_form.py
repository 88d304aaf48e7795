"""The logical form of a question; every part knows the words of the question that it comes of."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from pg_llm.ask.schema import Ref

Words: TypeAlias = frozenset[int]
NO_WORDS: Words = frozenset()
Literal: TypeAlias = "str | float | datetime.date"


@dataclass(frozen=True, slots=True)
class Column:
    """A column."""

    ref: Ref
    words: Words = field(default=NO_WORDS, compare=False)

    @property
    def table(self) -> int:
        """The index of its table."""
        return self.ref[0]


@dataclass(frozen=True, slots=True)
class Bucket:
    """The year, quarter, month, week or day of a date."""

    ref: Ref
    unit: str
    words: Words = field(default=NO_WORDS, compare=False)

    @property
    def table(self) -> int:
        """The index of its table."""
        return self.ref[0]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A count of a table's rows, a function of a column of theirs (or of related rows), or a metric's own SQL."""

    function: str
    table: int
    argument: Column | None = None
    distinct: bool = False
    metric: str = ""
    # The columns that a metric reads.
    refs: tuple[Ref, ...] = ()
    words: Words = field(default=NO_WORDS, compare=False)


@dataclass(frozen=True, slots=True)
class Related:
    """An aggregate over the rows that are related to a row of the main table, restricted by conditions."""

    aggregate: Aggregate
    conditions: tuple[Condition, ...] = ()
    words: Words = field(default=NO_WORDS, compare=False)


@dataclass(frozen=True, slots=True)
class Share:
    """The share of rows, or of a sum of theirs, that fulfil conditions; `scale` is 1 or 100."""

    aggregate: Aggregate
    conditions: tuple[Condition, ...]
    scale: int
    words: Words = field(default=NO_WORDS, compare=False)


Term: TypeAlias = "Column | Bucket | Aggregate | Related | Share"


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of a term with values or another column of its row.

    `exists` looks for rows of `tables` that are related and fulfil `inner`.
    """

    op: str
    term: Term | None = None
    values: tuple[Literal, ...] = ()
    negated: bool = False
    tables: tuple[int, ...] = ()
    inner: tuple[Condition, ...] = ()
    words: Words = field(default=NO_WORDS, compare=False)

    def reads(self) -> Iterator[int]:
        """The tables that it reads of its own."""
        if isinstance(self.term, Column | Bucket):
            yield self.term.table
        yield from self.tables


@dataclass(slots=True)
class Form:
    """What a question asks for: terms to show, conditions, groups and an order, over the rows of a main table.

    `mentioned` are all tables that the question names, and `named` the words for them.
    """

    main: int
    select: list[Term] = field(default_factory=list)
    where: list[Condition] = field(default_factory=list)
    having: list[Condition] = field(default_factory=list)
    group: list[Term] = field(default_factory=list)
    order: tuple[Term, bool] | None = None
    limit: int | None = None
    ties: bool = False
    distinct: bool = False
    mentioned: frozenset[int] = frozenset()
    # The form whose only value divides that of this one.
    divisor: Form | None = None
    named: Words = NO_WORDS
    assumptions: list[str] = field(default_factory=list)
    # How plausible the reading is apart from its names, from 0 to 1.
    plausibility: float = 1.0

    def words(self) -> Words:
        """The words of the question that some part of the form comes of."""
        found = self.named | (self.divisor.words() if self.divisor else NO_WORDS)
        for part in (*self.select, *self.group, *([self.order[0]] if self.order else ())):
            found |= _words_of(part)
        return found.union(*map(words_of_condition, (*self.where, *self.having)))


def _words_of(term: Term | None) -> Words:
    if term is None:
        return NO_WORDS
    found = term.words
    match term:
        case Aggregate(argument=argument):
            found |= _words_of(argument)
        case Related(aggregate=aggregate, conditions=conditions) | Share(aggregate=aggregate, conditions=conditions):
            found |= _words_of(aggregate).union(*map(words_of_condition, conditions))
        case _:
            pass
    return found


def words_of_condition(condition: Condition) -> Words:
    """The words that a condition comes of, with its term and inner conditions."""
    return (condition.words | _words_of(condition.term)).union(*map(words_of_condition, condition.inner))
