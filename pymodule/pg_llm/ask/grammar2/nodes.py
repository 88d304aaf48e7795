"""The nodes that rules rewrite: anchors of one cover, and what was composed of them so far."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from pg_llm.ask.grammar2.anchors import Anchor
from pg_llm.ask.grammar2.form import NO_WORDS, Column, Condition, Literal, Term, Words
from pg_llm.ask.grammar2.tokens import Token
from pg_llm.ask.schema import Ref, Schema
from pg_llm.ask.schema_elements import SchemaColumn


class Misfit(Exception):
    """The anchors of a cover do not compose."""


@dataclass(slots=True)
class Node:
    """A span of the question and what it is: an anchor's kind, or measure, bound, condition, key, order or top."""

    kind: str
    start: int
    end: int
    words: Words
    ref: Ref = (-1, -1)
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
    def table(self) -> int:
        """The index of the table that it names or that its term reads."""
        term = self.terms[0] if self.terms else None
        return getattr(term, "table", self.ref[0]) if term is not None else self.ref[0]


def nodes_of(anchors: Sequence[Anchor]) -> list[Node]:
    """A node for each anchor that has content."""
    return [
        Node(anchor.kind, anchor.start, anchor.end, anchor.words, anchor.ref or (-1, -1), anchor.text, anchor.meaning,
             anchor.number, anchor=anchor)
        for anchor in anchors
        if anchor.kind not in ("glue", "support")
    ]  # fmt: skip


class Sequence_:
    """The nodes of a question in order, with the words between them."""

    def __init__(self, nodes: list[Node], tokens: Sequence[Token], schema: Schema) -> None:
        self.nodes, self.tokens, self.schema = nodes, tokens, schema
        # Words of nodes that were found to mean nothing here.
        self.dropped: Words = NO_WORDS
        self.chinese = any(token.chinese for token in tokens)

    def column(self, node: Node) -> SchemaColumn:
        """The column that a node names."""
        return self.schema.column(node.ref)

    def gap(self, index: int) -> list[str]:
        """The words between a node and the next one, or the end."""
        stop = self.nodes[index + 1].start if index + 1 < len(self.nodes) else len(self.tokens)
        return [token.text.lower() for token in self.tokens[self.nodes[index].end : stop]]

    def before(self, index: int) -> list[str]:
        """The words between a node and the one before, or the beginning."""
        start = self.nodes[index - 1].end if index else 0
        return [token.text.lower() for token in self.tokens[start : self.nodes[index].start]]

    def at(self, index: int, *kinds: str) -> Node | None:
        """The node at this place if it is of one of these kinds."""
        node = self.nodes[index] if 0 <= index < len(self.nodes) else None
        return node if node is not None and node.kind in kinds else None

    def replace(self, first: int, last: int, node: Node) -> None:
        """Put one node in the place of several; it has all their words."""
        part = self.nodes[first : last + 1]
        node.words = node.words.union(*(old.words for old in part))
        node.start, node.end = part[0].start, part[-1].end
        self.nodes[first : last + 1] = [node]

    def remove(self, *indexes: int) -> list[Node]:
        """Take nodes out."""
        taken = [self.nodes[index] for index in indexes]
        self.nodes = [node for node in self.nodes if not any(node is old for old in taken)]
        return taken

    def drop(self, index: int) -> None:
        """Take a node out that means nothing here."""
        self.dropped |= self.nodes[index].words
        self.remove(index)

    def find(self, *kinds: str, start: int = 0) -> int | None:
        """The place of the first node of one of these kinds from a place on."""
        return next((n for n in range(start, len(self.nodes)) if self.nodes[n].kind in kinds), None)

    def each(self, rule: Callable[[int], bool]) -> None:
        """Apply a rule at every place, again where it rewrote something."""
        index = 0
        while index < len(self.nodes):
            if not rule(index):
                index += 1

    def is_numeric(self, node: Node) -> bool:
        """True for a column of numbers that can be compared and summed."""
        return node.kind == "column" and self.column(node).kind == "number" and not self.column(node).is_key

    def is_date(self, node: Node) -> bool:
        """True for a column of days or times."""
        return node.kind == "column" and self.column(node).kind == "date"


def column_term(node: Node) -> Column:
    """The column of a node as a term with the node's words."""
    return Column(node.ref, node.words)


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
    columns = schema.tables[table].columns
    for name in names:
        found = [
            (table, n)
            for n, column in enumerate(columns)
            if column.kind in ("number", "date") and not column.is_key
            and (name in column.words or any(name in phrase for phrase in column.phrases if not name.isascii()) or (not name.isascii() and name in column.name))
        ]  # fmt: skip
        if found:
            return found
    return []


__all__ = ["NO_WORDS", "Misfit", "Node", "Sequence_", "attribute_columns", "column_term", "nodes_of", "shown_columns", "with_words"]
