"""A query in the making: the parts of the question, what each mention is taken to mean, and what is built of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pg_llm.ask.grammar import lexicon
from pg_llm.ask.grammar.query import Condition, Expr, Query
from pg_llm.ask.grammar.reading.parts import Order, Reading, Superlative
from pg_llm.ask.mention import Mention
from pg_llm.ask.schema import Column, Edge, Ref, Schema

# Of each mention (by its start) what it is taken to mean.
Choice = Mapping[int, Ref]
# Dates that are seldom meant where it is not said which.
SELDOM = {"update", "end", "birth", "due", "modify"}
# What a verb speaks against a query that it has nothing to do with.
DONE = 0.12


def doubt(mention: Mention, ref: Ref) -> float:
    """What speaks against taking a mention to mean this."""
    return 0.8 * (1.0 - dict(mention.refs)[ref])


class Impossible(Exception):
    """The parts do not fit together this way."""


class Draft:
    """What the steps share; `cost` is what speaks against the query, from 0."""

    # The table that the question is about.
    main: int

    def __init__(self, schema: Schema, reading: Reading, choice: Choice) -> None:
        self.schema = schema
        self.reading = reading
        self.choice = choice
        self.query = Query()
        self.cost = 0.0
        # What groups are shown by, and what they are told apart by.
        self.shown: list[Expr] = []
        self.grouped: list[Expr] = []
        # The verbs of which it matters what they mean.
        self._minded: set[tuple[str, Ref]] = set()
        self._confirmed: set[tuple[str, Ref]] = set()
        # How its tables are joined, once that is settled.
        self.edges: Sequence[Edge] = ()
        # Where in the question conditions on values are said.
        self.said_at: dict[Condition, int] = {}
        # Tables of which each row is a group.
        self.entities: list[int] = []
        # Tables that a condition looks into, whose rows are not joined.
        self.inner_tables: set[int] = set()
        # The first rows are found by what is measured; by what they are found is shown.
        self.by_measure = False
        self.shows_order = False

    def ref(self, mention: Mention) -> Ref:
        """What a mention is taken to mean. Raises Impossible."""
        if mention.start not in self.choice:
            raise Impossible(f"nothing is known as {mention.said}")
        found = self.choice[mention.start]
        if mention.role == "done":
            self.mind(mention, found)
        return found

    def mind(self, mention: Mention, ref: Ref) -> None:
        """A verb is doubted like other words where it matters what it means."""
        said = (mention.said.lower(), ref)
        if said not in self._minded:
            self._minded.add(said)
            self.cost += doubt(mention, ref) - DONE

    def confirm(self, mention: Mention, ref: Ref) -> None:
        """No doubt is left that a column is meant, where what else is said of it fits."""
        said = (mention.said.lower(), ref)
        if self.choice.get(mention.start) == ref and said not in self._confirmed and mention.role != "done":
            self._confirmed.add(said)
            self.cost -= doubt(mention, ref)

    def show(self, table: int) -> list[Expr]:
        """What a row is shown by. Raises Impossible."""
        places = self.schema.shown(table) or self.schema.identity(table)
        if not places:
            if len(self.schema.tables[table].columns) > 6:
                raise Impossible("a table has nothing to call its rows by")
            places = list(range(len(self.schema.tables[table].columns)))
        return [Expr("column", (table, place)) for place in places]

    def entity(self, table: int) -> list[Expr]:
        """What a row is shown by, and what it is told apart by."""
        return list(dict.fromkeys([*self.show(table), *self.key(table)]))

    def key(self, table: int) -> list[Expr]:
        """What rows are told apart by."""
        return [Expr("column", (table, place)) for place in self.schema.identity(table)]

    def in_play(self) -> list[int]:
        """The tables that the question speaks of, as far as the query is made."""
        tables = [*self.query.tables, self.main, *self.query.all_tables()]
        tables += [expr.ref[0] for expr in (*self.shown, *self.grouped) if expr.ref]
        for mentions in (self.reading.targets, self.reading.context, self.reading.owners):
            tables += [self.choice[mention.start][0] for mention in mentions if mention.start in self.choice]
        for measure in self.reading.measures:
            its = measure.of or measure
            tables += [self.ref(its.operand)[0]] if its.operand is not None else []
        return list(dict.fromkeys(tables))

    def only_number(self, table: int, otherwise: str, cost: float) -> Ref:
        """The one column that can be meant where some number is. Raises Impossible with what it is otherwise."""
        its = self.schema.tables[table]
        found = [(table, n) for n, column in enumerate(its.columns) if column.is_measure and n not in its.key]
        if len(found) != 1:
            raise Impossible(otherwise)
        self.cost += cost
        return found[0]

    def has_many(self, table: int) -> bool:
        """Whether a row of the main table may have several rows of another."""
        found = self.schema.path([self.main, table])
        return found is None or self.schema.fans_out(found[0], self.main)

    def down(self, of: Superlative | Order, ref: Ref) -> bool:
        """Whether from the largest: the oldest has the highest age, but the earliest birth."""
        if of.attribute != "age":
            return of.down
        return of.down == any(says(self.schema.column(ref), age) for age in lexicon.AGES)

    def without(self, table: int, *which: Condition) -> None:
        """Keep rows that no row of another table belongs to, or none for which this holds. Raises Impossible."""
        self.query.where.append(replace(self.there([table], which), op="not exists"))

    def there(self, tables: Sequence[int], which: Sequence[Condition]) -> Condition:
        """That rows of other tables belong to those of the main table. Raises Impossible."""
        found = self.schema.path([self.main, *tables])
        if found is None:
            raise Impossible("nothing leads there")
        if sum(self.main in (edge.one, edge.other) for edge in found[0]) != 1:
            raise Impossible("two ways lead there")
        self.inner_tables |= set(tables)
        return Condition(None, "exists", tables=(self.main, *dict.fromkeys(tables)), inner=tuple(which))

    def attribute(self, names: Sequence[str], tables: Sequence[int]) -> Ref | None:
        """The column that an adjective speaks of."""
        for name in names:
            for wanted in lexicon.ATTRIBUTES.get(name, ()):
                for ref, column in self._columns(tables):
                    if (
                        column.kind in ("number", "date")
                        and not column.is_key
                        and not (name == "date" and SELDOM & set(column.words))
                        and says(column, wanted)
                    ):
                        return ref
            dates = [ref for ref, column in self._columns(tables) if column.kind == "date"]
            if name == "date" and dates:
                return dates[0]
            if name == "age":
                dates = [ref for ref in dates if ref[0] == tables[0]]
                if len(dates) == 1:
                    return dates[0]
        return None

    def _columns(self, tables: Sequence[int]) -> Iterator[tuple[Ref, Column]]:
        for table in tables:
            columns = enumerate(self.schema.tables[table].columns)
            for place, column in sorted(columns, key=lambda pair: bool(SELDOM & set(pair[1].words))):
                yield (table, place), column


def says(column: Column, wanted: str) -> bool:
    """Whether a column's name and what is said of it have these words; Chinese ones are parts of longer words."""
    its = {*column.words, *(word.lower() for phrase in column.phrases for word in re.findall(r"[^\W_]+", phrase))}
    return set(wanted.split()) <= its if wanted.isascii() else any(wanted in word for word in its)
