"""The parts of a question."""

from __future__ import annotations

from dataclasses import dataclass, field

from pg_llm.ask.mention import Linked, Mention


@dataclass(slots=True)
class Measure:
    """A count (`count`) or an aggregate of an operand; without one, of the rows; of what they are `worth`."""

    said: str
    operand: Mention | None = None
    of: Measure | None = None
    # It is people that are counted.
    persons: bool = False
    # How many times something happened.
    times: bool = False
    worth: bool = False


@dataclass(slots=True)
class Superlative:
    """The first `n` by a measure, an operand or an attribute, from the largest if `down`."""

    down: bool
    n: int
    attribute: str = ""
    operand: Mention | None = None
    measure: Measure | None = None
    # What is the first, where that is said and need not be what is asked for.
    noun: Mention | None = None
    plain: bool = True
    word: str = ""
    shown: bool = False
    # How many come before: one before the second.
    skipped: int = 0

    @property
    def bare(self) -> bool:
        """Whether it does not say by what."""
        return not self.attribute and self.operand is None and self.measure is None


@dataclass(slots=True)
class Order:
    """All rows by an operand, a measure or an attribute (`*`: some number), else by what is shown; `down` or up."""

    down: bool
    operand: Mention | None = None
    measure: Measure | None = None
    attribute: str = ""


@dataclass(slots=True)
class Comparison:
    """`operand` `op` `values`; `time` where these are times, `measure` where groups are compared."""

    op: str
    values: list[str | float]
    operand: Mention | None = None
    attribute: str = ""
    measure: Measure | None = None
    time: str = ""
    average: bool = False
    # The token at which it begins.
    start: int = -1


@dataclass(slots=True)
class Share:
    """What the whole is; what is said of it before the token `verb`, or before `begin`, restricts the whole as well.

    In Chinese what restricts the whole stands outside the tokens of the `part`.
    """

    whole: Measure | None
    begin: int
    verb: int
    part: range | None = None

    def says_whole(self, token: int) -> bool:
        """Whether what is said at a token restricts the whole."""
        return token < self.begin or token < self.verb if self.part is None else token not in self.part


@dataclass(slots=True)
class Named:
    """Values that a column has, or has not; `label` is a mention beside them that says of what."""

    mentions: list[Mention]
    label: Mention | None
    negated: bool
    both: bool = False
    op: str = ""


@dataclass(slots=True)
class Reading:
    """The parts of a question."""

    linked: Linked
    targets: list[Mention] = field(default_factory=list)
    owners: list[Mention] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    groups: list[Mention] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    superlatives: list[Superlative] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    named: list[Named] = field(default_factory=list)
    known: list[Mention] = field(default_factory=list)
    denied: list[Mention] = field(default_factory=list)
    context: list[Mention] = field(default_factory=list)
    order: list[Order] = field(default_factory=list)
    ratio: tuple[list[Mention], list[Mention], str] | None = None
    share: Share | None = None
    # To how many decimals numbers are rounded.
    digits: int | None = None
    # Nothing ever happened to what the question is about.
    never: bool = False
    # Persons are asked for, and none are named.
    who: bool = False
    # They are asked for besides: and who made it.
    who_too: bool = False
    # A time is asked for.
    when: bool = False
    distinct: bool = False
    unread: list[str] = field(default_factory=list)
