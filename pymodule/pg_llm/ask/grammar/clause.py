"""The nodes of a clause, which rules rewrite from the anchors of one cover to what they mean together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from pg_llm.ask.grammar.logical_form import (
    NO_WORDS,
    Aggregate,
    Bucket,
    Column,
    Condition,
    Literal,
    Related,
    Term,
    Words,
)
from pg_llm.ask.linking.tokenizer import Token
from pg_llm.ask.mention import Anchor
from pg_llm.ask.schema import Ref, Schema
from pg_llm.ask.schema_elements import SchemaColumn

NO_REF: Ref = (-1, -1)
LISTING = {"and", ",", "or", "和", "、", "\uff0c"}


class Misfit(Exception):
    """The anchors of a cover do not compose."""


@dataclass(slots=True)
class Node:
    """A span of the question: an anchor's kind, or measure, bound, condition, key, order or first."""

    kind: str
    start: int
    end: int
    words: Words
    ref: Ref = NO_REF
    text: str = ""
    meaning: tuple[str, ...] = ()
    number: float = 0.0
    terms: list[Term] = field(default_factory=list)
    condition: Condition | None = None
    values: tuple[Literal, ...] = ()
    descending: bool = False
    limit: int | None = None
    anchor: Anchor | None = None

    @property
    def term(self) -> Term | None:
        """Its first term."""
        return self.terms[0] if self.terms else None

    @property
    def aggregate(self) -> Aggregate | None:
        """The aggregate that it orders or compares by."""
        term = self.condition.term if self.condition else self.term
        term = term.aggregate if isinstance(term, Related) else term
        return term if isinstance(term, Aggregate) else None

    def tables(self) -> list[int]:
        """The tables that it is about."""
        if self.kind in ("table", "column"):
            return [self.ref[0]]
        found = list(self.condition.tables) if self.condition else []
        for term in [*self.terms, self.condition.term if self.condition else None]:
            match term:
                case Aggregate(table=table):
                    found.append(table)
                case Column(ref=ref) | Bucket(ref=ref) if self.condition is None:
                    found.append(ref[0])
                case _:
                    pass
        return found

    def own_words(self) -> None:
        """Give the node's words to its first term and to its condition."""
        if self.terms:
            self.terms = [with_words(self.terms[0], self.words), *self.terms[1:]]
        if self.condition is not None:
            self.condition = replace(self.condition, words=self.words)


class Clause:
    """The nodes of a clause in order, and what reading them takes for granted."""

    def __init__(self, nodes: list[Node], tokens: Sequence[Token], schema: Schema) -> None:
        self.nodes, self.tokens, self.schema = nodes, tokens, schema
        self.chinese = any(token.chinese for token in tokens)
        # Words of nodes that were found to mean nothing here.
        self.dropped: Words = NO_WORDS
        self.assumptions: list[str] = []
        self.plausibility = 1.0

    def column(self, node: Node) -> SchemaColumn:
        """The column that a node names."""
        return self.schema.column(node.ref)

    def gap(self, index: int) -> list[str]:
        """The words between a node and the next one, or the end."""
        stop = self.nodes[index + 1].start if index + 1 < len(self.nodes) else len(self.tokens)
        return [token.text.lower() for token in self.tokens[self.nodes[index].end : stop]]

    def at(self, index: int, *kinds: str) -> Node | None:
        """The node at this place if it is of one of these kinds."""
        node = self.nodes[index] if 0 <= index < len(self.nodes) else None
        return node if node is not None and node.kind in kinds else None

    def put(self, first: int, last: int, node: Node) -> Node:
        """Put one node in the place of several; it has all their words, and so have its term and condition."""
        part = self.nodes[first : last + 1]
        node.words = node.words.union(*(old.words for old in part))
        node.start, node.end = part[0].start, part[-1].end
        node.own_words()
        self.nodes[first : last + 1] = [node]
        return node

    def put_condition(self, first: int, last: int, condition: Condition, ref: Ref = NO_REF) -> bool:
        """Put a condition in the place of nodes; always true."""
        self.put(first, last, Node("condition", 0, 0, NO_WORDS, ref, condition=condition))
        return True

    def remove(self, *indexes: int) -> list[Node]:
        """Take nodes out."""
        taken = [self.nodes[index] for index in indexes]
        self.nodes = [node for node in self.nodes if not any(node is old for old in taken)]
        return taken

    def take(self, *kinds: str) -> list[Node]:
        """Take all nodes of these kinds out."""
        return self.remove(*(n for n, node in enumerate(self.nodes) if node.kind in kinds))

    def drop(self, index: int) -> bool:
        """Take a node out that means nothing here; always true."""
        self.dropped |= self.nodes[index].words
        self.remove(index)
        return True

    def each(self, rule: Callable[[Clause, int], bool]) -> None:
        """Apply a rule at every place, again where it rewrote something."""
        index = 0
        while index < len(self.nodes):
            if not rule(self, index):
                index += 1

    def operand(self, index: int, *kinds: str) -> int | None:
        """What an operator is about: the next node of a kind behind it, past conditions; in Chinese else before it."""
        passed = ("condition", "distinct", "period")
        ways = [range(index + 1, len(self.nodes))]
        if self.chinese or index == len(self.nodes) - 1:
            ways.append(range(index - 1, -1, -1))
        for way in ways:
            for place in way:
                if self.nodes[place].kind in kinds:
                    return place
                if self.nodes[place].kind not in passed:
                    break
        return None

    def is_numeric(self, node: Node) -> bool:
        """True for a column of numbers that can be compared and summed."""
        return node.kind == "column" and self.column(node).kind == "number" and not self.column(node).is_key

    def is_date(self, node: Node) -> bool:
        """True for a column of days or times."""
        return node.kind == "column" and self.column(node).kind == "date"

    def may_date(self, place: int) -> bool:
        """True for a column of days, times or years."""
        node = self.at(place, "column")
        if node is None:
            return False
        return self.is_date(node) or (self.column(node).kind == "number" and self.column(node).words[-1:] == ("year",))


def nodes_of(anchors: Sequence[Anchor]) -> list[Node]:
    """A node for each anchor that has content."""
    return [
        Node(one.kind, one.start, one.end, one.words, one.ref or NO_REF, one.text, one.meaning, one.number, anchor=one)
        for one in anchors
        if not one.is_empty
    ]


def with_words(term: Term, words: Words) -> Term:
    """The term with further words."""
    return replace(term, words=term.words | words)


def shown_columns(schema: Schema, table: int) -> list[Term]:
    """The columns that show a row of a table: those that name it, or its key where none does. Raises Misfit."""
    names = [
        column
        for column in schema.display_columns(table)
        if schema.names_row((table, column)) or not schema.column((table, column)).name.isascii()
    ]
    shown = names or schema.identity_columns(table)
    if not shown:
        raise Misfit("rows that nothing identifies")
    return [Column((table, column)) for column in shown]


def attribute_columns(schema: Schema, table: int, names: Collection[str]) -> list[Ref]:
    """The columns of a table that one of these words names, those of the first word that names any."""
    columns = [
        (n, column)
        for n, column in enumerate(schema.tables[table].columns)
        if column.kind in ("number", "date") and not column.is_key
    ]
    for name in names:
        found = [
            (table, n)
            for n, column in columns
            if (
                name in column.words if name.isascii() else any(name in text for text in (column.name, *column.phrases))
            )
        ]
        if found:
            return found
    return []
