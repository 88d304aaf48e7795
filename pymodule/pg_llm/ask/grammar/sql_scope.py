"""One level of a query: its tables under their names, and terms and conditions over them as SQL."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from pg_llm.ask.grammar.joins import Joins, Unwritable, of_some_row
from pg_llm.ask.grammar.logical_form import Aggregate, Bucket, Column, Condition, Literal, Related, Share, Term
from pg_llm.ask.schema import Edge


class Scope:
    """One level of a query: the names of its tables, within those of the levels around it."""

    def __init__(self, joins: Joins, outer: dict[int, str], main: int, fanned: bool = False) -> None:
        self._joins, self._schema = joins, joins.schema
        self._outer, self._main, self._fanned = outer, main, fanned
        self._names: dict[int, str] = {}
        self._single = False

    def source(self, first: int, edges: Sequence[Edge]) -> str:
        """The FROM clause over these edges, which lead away from the first table."""
        self._single = not edges and not self._outer
        text = self._named(first)
        for edge in edges:
            new = edge.target if edge.source in self._names else edge.source
            text += f" JOIN {self._named(new)} ON {self._on(edge, self._names)}"
        return text

    def term(self, term: Term) -> str:
        """A term as an expression."""
        match term:
            case Column(ref=ref):
                return self._column(ref)
            case Bucket(ref=ref, unit=unit):
                column = self._column(ref)
                if self._schema.column(ref).kind == "number":
                    return column
                return (
                    f"extract(year FROM {column})::int" if unit == "year" else f"date_trunc('{unit}', {column})::date"
                )
            case Aggregate():
                return self._aggregate(term)
            case Related():
                return self._related(term)
            case Share():
                return self._share(term)

    def selected(self, term: Term, several: bool) -> str:
        """A term in the SELECT list, with a name where it would have none."""
        text = self.term(term)
        match term:
            case Bucket(unit=unit):
                return f"{text} AS {unit}" if text.endswith((")::date", ")::int")) else text
            case Share():
                return f"{text} AS {'percent' if term.scale == 100 else 'share'}"
            case Related(aggregate=aggregate):
                return f"{text} AS {self._alias(aggregate)}"
            case Aggregate() if several and not term.metric:
                return f"{text} AS {self._alias(term)}"
            case _:
                return text

    def _alias(self, aggregate: Aggregate) -> str:
        """A name for a column of an aggregate: sum_amount."""
        argument = aggregate.argument
        column = self._schema.column(argument.ref).name.lower() if isinstance(argument, Column) else ""
        alias = "_".join(filter(None, (aggregate.function, column)))
        return alias if alias.isidentifier() and alias.isascii() else aggregate.function

    def condition(self, condition: Condition) -> str:
        """A condition as a Boolean expression."""
        if condition.op == "exists":
            return self.exists(condition)
        assert condition.term is not None
        left = self.term(condition.term)
        values = list(map(literal, condition.values))
        negation = "NOT " if condition.negated else ""
        match condition.op:
            case "null":
                return f"{left} IS {'NOT ' if condition.negated else ''}NULL"
            case "true":
                return f"{negation}{left}"
            case "in":
                if len(values) == 1:
                    return f"{left} {'<>' if condition.negated else '='} {values[0]}"
                return f"{left} {negation}IN ({', '.join(values)})"
            case "like":
                return f"{left} {negation}ILIKE {values[0]}"
            case "between":
                return f"{left} {negation}BETWEEN {values[0]} AND {values[1]}"
            case "period":
                text = f"{left} >= {values[0]} AND {left} < {values[1]}"
                return f"NOT ({text})" if condition.negated else text
            case op:
                return f"NOT ({left} {op} {values[0]})" if condition.negated else f"{left} {op} {values[0]}"

    def exists(self, condition: Condition) -> str:
        """EXISTS, or NOT EXISTS, over the rows related to the main table's that fulfil the inner conditions."""
        tables = list(condition.tables) or [table for inner in condition.inner for table in inner.reads()][:1]
        if condition.op != "exists":
            tables, condition = list(condition.reads()), of_some_row(condition)
        _, source, texts = self._subquery(tables, condition.inner)
        return f"{'NOT ' if condition.negated else ''}EXISTS (SELECT FROM {source} WHERE {' AND '.join(texts)})"

    def _subquery(self, tables: Sequence[int], inner: Sequence[Condition]) -> tuple[Scope, str, list[str]]:
        """A scope over the rows of the first table related to the main one, its source and all its conditions.

        What an inner condition reads is joined from there, or looked for by EXISTS where the join would repeat rows.
        """
        lead = tables[0]
        tree = self._joins.tree
        edges = tree([self._main, lead])
        touching = [edge for edge in edges if self._main in (edge.source, edge.target)]
        if len(touching) != 1:
            raise Unwritable("rows of a table are not related to themselves")
        rest = [edge for edge in edges if edge not in touching]
        nested: list[Condition] = []
        reached = {lead, *(end for edge in rest for end in (edge.source, edge.target))}
        for condition in [*inner, *(Condition("exists", tables=(table,)) for table in tables[1:])]:
            reads = list(condition.reads())
            if set(reads) <= reached and condition.op != "exists":
                continue
            path = tree([lead, *reads])
            if any(self._main in (edge.source, edge.target) for edge in path):
                raise Unwritable("a condition lies beyond the rows that it is about")
            if self._schema.fans_out(path, lead) or (condition.op == "exists" and condition.negated):
                nested.append(condition)
            else:
                rest += [edge for edge in path if edge not in rest]
                reached |= {end for edge in path for end in (edge.source, edge.target)}
        self._joins.charge([*touching, *rest])
        scope = Scope(self._joins, {**self._outer, **self._names}, lead, self._schema.fans_out(rest, lead))
        source = scope.source(touching[0].other_end(self._main), rest)
        texts = [self._on(touching[0], {**scope._names, self._main: self._names[self._main]})]
        texts += [scope.condition(one) for one in inner if one.op != "exists" and one not in nested]
        texts += [scope.exists(one) for one in nested if one.op == "exists" and one.negated]
        grouped = self._joins.grouped(lead, [one for one in nested if one.op != "exists" or not one.negated])
        texts += [scope.exists(one) for one in grouped]
        return scope, source, texts

    def _aggregate(self, term: Aggregate) -> str:
        if term.metric:
            if self._fanned or term.table != self._main:
                raise Unwritable("a join repeats the rows of the metric")
            if any(self._names.get(ref[0]) != self._name(ref[0]) for ref in term.refs):
                raise Unwritable("the metric's tables have other names here")
            return term.metric
        if term.argument is None:
            if term.table == self._main and not self._fanned:
                return "count(*)"
            return f"count(DISTINCT {self._key(term.table)})"
        argument = self.term(term.argument)
        if term.function == "count":
            return f"count({'DISTINCT ' if term.distinct else ''}{argument})"
        if self._fanned and term.function not in ("min", "max"):
            raise Unwritable("a join repeats the rows that are summed")
        if term.function == "median":
            return f"percentile_cont(0.5) WITHIN GROUP (ORDER BY {argument})"
        return f"{term.function}({argument})"

    def _related(self, term: Related) -> str:
        scope, source, texts = self._subquery([term.aggregate.table], term.conditions)
        return f"(SELECT {scope.term(term.aggregate)} FROM {source} WHERE {' AND '.join(texts)})"

    def _share(self, term: Share) -> str:
        whole = self.term(term.aggregate)
        part = f"{whole} FILTER (WHERE {' AND '.join(map(self._filter, term.conditions))})"
        return f"{term.scale}.0 * {part} / nullif({whole}, 0)"

    def _filter(self, condition: Condition) -> str:
        reads = set(condition.reads()) - self._names.keys()
        return self.exists(condition) if reads else self.condition(condition)

    def _key(self, table: int) -> str:
        key = self._schema.identity_columns(table)
        if len(key) != 1:
            raise Unwritable("rows without a key of one column cannot be counted in this join")
        return self._column((table, key[0]))

    def _column(self, ref: tuple[int, int]) -> str:
        column = self._schema.column(ref).sql
        name = self._names.get(ref[0]) or self._outer.get(ref[0])
        if name is None:
            raise Unwritable("a table is not joined")
        return column if self._single else f"{name}.{column}"

    def _on(self, edge: Edge, names: dict[int, str]) -> str:
        return " AND ".join(
            f"{names[edge.source]}.{self._schema.column((edge.source, a)).sql}"
            f" = {names[edge.target]}.{self._schema.column((edge.target, b)).sql}"
            for a, b in edge.columns
        )

    def _name(self, table: int) -> str:
        """The last part of the table's name as SQL writes it."""
        sql = self._schema.tables[table].sql
        return '"' + sql.split('"')[-2] + '"' if sql.endswith('"') else sql.rsplit(".", 1)[-1]

    def _named(self, table: int) -> str:
        sql, name = self._schema.tables[table].sql, self._name(table)
        used = {*self._outer.values(), *self._names.values()}
        alias, number = name, 2
        while alias in used:
            alias = f'{name[:-1]}_{number}"' if name.endswith('"') else f"{name}_{number}"
            number += 1
        self._names[table] = alias
        return sql if alias == name else f"{sql} AS {alias}"


def literal(value: Literal) -> str:
    """A value as an SQL literal."""
    if isinstance(value, datetime.date):
        return f"'{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(int(value)) if value == int(value) else repr(value)
