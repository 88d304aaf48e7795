"""The parsed question: which mentions are targets, measures, filters, groups and sort keys."""

from __future__ import annotations

from dataclasses import dataclass, field

from pg_llm.ask.mention import LinkedQuestion, Mention


@dataclass(slots=True)
class Measure:
    """A count or an aggregate of an operand, or of all rows; `inner` is a nested measure, `monetary` prefers money."""

    function: str
    operand: Mention | None = None
    inner: Measure | None = None
    # The measure word counts persons.
    counts_persons: bool = False
    # Events are counted: how many times.
    counts_events: bool = False
    monetary: bool = False


@dataclass(slots=True)
class Superlative:
    """The first `limit` rows by a measure, an operand or an attribute; `unnumbered` if the limit is only implied."""

    descending: bool
    limit: int
    attribute: str = ""
    operand: Mention | None = None
    measure: Measure | None = None
    # The noun that the superlative modifies, which need not be a target.
    noun: Mention | None = None
    unnumbered: bool = True
    word: str = ""
    shows_measure: bool = False
    # How many rows are skipped: one before the second.
    offset: int = 0

    @property
    def has_no_key(self) -> bool:
        """True if nothing says what the rows are ordered by."""
        return not self.attribute and self.operand is None and self.measure is None


@dataclass(slots=True)
class Order:
    """ORDER BY an operand, a measure or an attribute (`*`: any number), else by what is selected."""

    descending: bool
    operand: Mention | None = None
    measure: Measure | None = None
    attribute: str = ""


@dataclass(slots=True)
class Comparison:
    """A comparison; `time_kind` is set for times, `measure` for conditions on groups."""

    op: str
    values: list[str | float]
    operand: Mention | None = None
    attribute: str = ""
    measure: Measure | None = None
    time_kind: str = ""
    average: bool = False
    # The token at which it begins.
    start: int = -1


@dataclass(slots=True)
class Share:
    """A share; conditions before the token `verb`, or before `begin`, restrict the whole as well as the part.

    In Chinese the conditions on the whole stand outside the tokens of the `part`.
    """

    whole: Measure | None
    begin: int
    verb: int
    part: range | None = None

    def restricts_whole(self, token: int) -> bool:
        """True if a condition at this token restricts the whole."""
        return token < self.begin or token < self.verb if self.part is None else token not in self.part


@dataclass(slots=True)
class ValueFilter:
    """A filter on values of one column; `label` is the mention beside them that names the column or table."""

    mentions: list[Mention]
    label: Mention | None
    negated: bool
    both: bool = False
    op: str = ""


@dataclass(slots=True)
class ParsedQuestion:
    """The parts of a question, as lists of mentions or of the classes above."""

    linked: LinkedQuestion
    targets: list[Mention] = field(default_factory=list)
    owners: list[Mention] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    groups: list[Mention] = field(default_factory=list)
    time_units: list[str] = field(default_factory=list)
    superlatives: list[Superlative] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    value_filters: list[ValueFilter] = field(default_factory=list)
    required: list[Mention] = field(default_factory=list)
    negated: list[Mention] = field(default_factory=list)
    context: list[Mention] = field(default_factory=list)
    order: list[Order] = field(default_factory=list)
    ratio: tuple[list[Mention], list[Mention], str] | None = None
    share: Share | None = None
    # Round computed numbers to so many decimals.
    decimals: int | None = None
    # An event that never happened to the rows of the main table.
    never_happened: bool = False
    # `who` without a noun.
    asks_person: bool = False
    # `and who` in addition to other targets.
    asks_person_too: bool = False
    # `when`.
    asks_time: bool = False
    distinct: bool = False
    unread: list[str] = field(default_factory=list)
