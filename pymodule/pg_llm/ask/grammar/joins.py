"""Joins of a query: the cheapest tree over its tables, what it costs, and which conditions it may reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pg_llm.ask.grammar.logical_form import Column, Condition, Form, words_of_condition
from pg_llm.ask.schema import Edge, Schema

# Conditions on a date.
_TIMES = {"period", ">=", "<"}


class Unwritable(Exception):
    """The form has no SQL that would mean it: tables are not connected, or a join would repeat what is summed."""


class Joins:
    """The joins of one query; those to tables that the question does not mention are charged."""

    def __init__(self, schema: Schema, mentioned: set[int]) -> None:
        self.schema = schema
        self.charged = 0.0
        self._free = mentioned | {n for n, table in enumerate(schema.tables) if table.is_link}

    def charge(self, edges: Sequence[Edge]) -> None:
        """Add the cost of joins to tables that the question does not name."""
        self.charged += sum(edge.cost for edge in edges if not {edge.source, edge.target} <= self._free)

    def tree(self, tables: Sequence[int]) -> list[Edge]:
        """The joins of these tables, leading away from the first. Raises Unwritable."""
        tree = self.schema.join_tree(list(dict.fromkeys(tables)))
        if tree is None:
            raise Unwritable("the tables are not connected")
        if self.schema.has_parallel_edge(tree[0]):
            raise Unwritable("two keys connect the tables, and the question does not say which is meant")
        return tree[0]

    def split(self, form: Form, tables: Sequence[int]) -> tuple[list[Condition], list[Condition]]:
        """The conditions that a join may reach without repeating rows, and those of related rows for EXISTS."""
        plain: list[Condition] = []
        related: list[Condition] = []
        none: list[Condition] = []
        for condition in form.where:
            reads = list(condition.reads())
            if (condition.op == "exists" and condition.negated) or set(reads) <= set(tables):
                plain.append(condition)
            elif self.schema.fans_out(self.tree([form.main, *reads]), form.main):
                row = of_some_row(condition) if condition.op != "exists" else condition
                (none if row.negated else related).append(row if row.negated else condition)
            elif condition.op != "exists":
                plain.append(condition)
        if none and related:
            raise Unwritable("a negation beside a condition that may be about the same rows")
        self._check_times(form, [*related, *none])
        return [*plain, *none], list(self.grouped(form.main, related))

    def _check_times(self, form: Form, related: Sequence[Condition]) -> None:
        """Raise Unwritable for a time behind a condition on related rows that have a date, or rows on the way to them.

        Customers who bought a lamp in 2025 did so then, whenever they signed up.
        """
        said = [
            min(words_of_condition(one))
            for one in form.where
            if one.op in _TIMES and isinstance(one.term, Column) and self.schema.column(one.term.ref).kind == "date"
        ]
        for condition in related if said else ():
            edges = self.tree([form.main, *condition.reads(), *(t for one in condition.inner for t in one.reads())])
            tables = {end for edge in edges for end in (edge.source, edge.target)} - {form.main}
            dated = any(column.kind == "date" for table in tables for column in self.schema.tables[table].columns)
            if dated and max(said) > min(words_of_condition(condition), default=max(said)):
                raise Unwritable("a time that may be that of other rows")

    def grouped(self, main: int, related: Sequence[Condition]) -> Iterator[Condition]:
        """Conditions on rows that lie on one way from the main table are about one row; the nearest table leads."""
        rest = sorted(
            related, key=lambda condition: (len(self.tree([main, *condition.reads()])), condition.op != "exists")
        )
        while rest:
            first = rest[0]
            lead = next(first.reads())
            group = [
                one
                for one in rest
                if any(lead in (edge.source, edge.target) for edge in self.tree([main, *one.reads()]))
            ]
            rest = [one for one in rest if one not in group]
            tables = dict.fromkeys([lead, *(table for one in group if one.op == "exists" for table in one.tables)])
            inner = [part for one in group for part in (one.inner if one.op == "exists" else (one,))]
            yield Condition("exists", tables=tuple(tables), inner=tuple(inner))


def of_some_row(condition: Condition) -> Condition:
    """Some related row fulfils the condition; of a negated value none has it: never in Paris."""
    none = condition.negated and condition.op != "null"
    inner = replace(condition, negated=False) if none else condition
    return Condition("exists", negated=none, inner=(inner,))
