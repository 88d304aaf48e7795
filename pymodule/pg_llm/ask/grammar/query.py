"""A query as what it asks for, and as SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pg_llm.ask.schema import Edge, Ref, Schema


@dataclass(frozen=True, slots=True)
class Expr:
    """`column`, a date's `part`, an aggregate, a `ratio` of two others, or the `whole` of another over all groups.

    For `part`, `said` is the unit; for `agg` it is count, sum, avg, min, max or median. A count without a column counts
    rows; `only` restricts an aggregate to rows.
    """

    kind: str
    ref: Ref | None = None
    said: str = ""
    distinct: bool = False
    parts: tuple[Expr, ...] = ()
    only: tuple[Condition, ...] = ()

    @property
    def is_aggregate(self) -> bool:
        """Whether it speaks of many rows."""
        return self.kind in ("agg", "ratio", "whole")

    @property
    def is_measure(self) -> bool:
        """Whether it is an aggregate, or a count that is to become one."""
        return self.is_aggregate or self.kind == "count"

    def refs(self) -> Iterable[Ref]:
        """The columns that it reads."""
        if self.ref is not None:
            yield self.ref
        for part in self.parts:
            yield from part.refs()
        for condition in self.only:
            yield from condition.refs()


@dataclass(frozen=True, slots=True)
class Condition:
    """`expr` `op` `values`; for `exists` and `not exists` a query within, joined by its tables."""

    expr: Expr | None
    op: str
    values: tuple[str | float, ...] = ()
    tables: tuple[int, ...] = ()
    inner: tuple[Condition, ...] = ()

    def refs(self) -> Iterable[Ref]:
        """The columns that it reads of the outer query; -1 where it needs a table's rows."""
        return self.expr.refs() if self.expr else [(table, -1) for table in self.tables[:1]]


@dataclass(slots=True)
class Query:
    """What is asked; `tables` are joined besides those whose columns are read, the first is what it is about."""

    tables: list[int] = field(default_factory=list)
    select: list[Expr] = field(default_factory=list)
    where: list[Condition] = field(default_factory=list)
    group: list[Expr] = field(default_factory=list)
    having: list[Condition] = field(default_factory=list)
    order: list[tuple[Expr, bool]] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0
    distinct: bool = False
    # The first row for each of these only.
    per: list[Expr] = field(default_factory=list)
    # Numbers that are worked out are rounded to so many decimals.
    digits: int | None = None

    def all_tables(self) -> list[int]:
        """The tables, each once."""
        refs = [ref for expr in (*self.select, *self.group) for ref in expr.refs()]
        refs += [ref for condition in (*self.where, *self.having) for ref in condition.refs()]
        refs += [ref for expr, _ in self.order for ref in expr.refs()]
        return list(dict.fromkeys([*self.tables, *(ref[0] for ref in refs)]))


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


class Writer:
    """Queries over a schema as SQL."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def edges(self, query: Query) -> tuple[list[Edge], float] | None:
        """How the tables of a query are joined, and what that costs; None where they cannot be."""
        tables = query.all_tables()
        tables = tables if query.tables or not query.select or query.select[0].kind not in ("ratio", "rows") else []
        return self._schema.path(tables) if tables else ([], 0.0)

    def sql(self, query: Query) -> str | None:
        """The query as SQL; None where its tables cannot be joined."""
        found = self.edges(query)
        if found is None or not query.select:
            return None
        first = query.select[0]
        if first.kind == "rows" or (first.kind == "ratio" and first.parts[0].kind == "rows"):
            return f"SELECT {', '.join(self._item(expr, {}, query) for expr in query.select)}"
        names, source = self._from(query.all_tables(), found[0], set())
        text = "SELECT " + ("DISTINCT " if query.distinct else "")
        if query.per:
            text += f"DISTINCT ON ({', '.join(self._expr(expr, names) for expr in query.per)}) "
        text += ", ".join(self._item(expr, names, query) for expr in query.select)
        text += f" FROM {source}"
        if query.where:
            text += " WHERE " + " AND ".join(self._condition(each, names) for each in query.where)
        if query.group:
            text += " GROUP BY " + ", ".join(self._expr(expr, names) for expr in query.group)
        if query.having:
            text += " HAVING " + " AND ".join(self._condition(each, names) for each in query.having)
        if query.order:
            text += " ORDER BY " + ", ".join(
                self._expr(expr, names) + (" DESC NULLS LAST" if down else "") for expr, down in query.order
            )
        if query.limit is not None:
            text += f" LIMIT {query.limit}" + (f" OFFSET {query.offset}" if query.offset else "")
        return text

    def _from(self, tables: Sequence[int], edges: Sequence[Edge], used: set[str]) -> tuple[dict[int, str], str]:
        names: dict[int, str] = {}
        order = list(dict.fromkeys([*tables[:1], *(place for edge in edges for place in (edge.one, edge.other))]))
        short = len(order) == 1 and not used
        for place in order:
            its = self._schema.tables[place]
            name = its.sql.rsplit(".", 1)[-1] if not its.sql.endswith('"') else its.sql.split('."')[-1]
            if its.sql.endswith('"') and not name.startswith('"'):
                name = f'"{name}'
            number = 2
            alias = name
            while alias in names.values() or alias in used:
                alias = f'{name[:-1]}_{number}"' if name.endswith('"') else f"{name}_{number}"
                number += 1
            names[place] = alias
        first = order[0]
        text = self._named(first, names[first])
        joined = {first}
        rest = list(edges)
        while rest:
            edge = next(each for each in rest if each.one in joined or each.other in joined)
            rest.remove(edge)
            new = [place for place in (edge.one, edge.other) if place not in joined]
            on = " AND ".join(
                f"{names[edge.one]}.{self._schema.column((edge.one, a)).sql} = "
                f"{names[edge.other]}.{self._schema.column((edge.other, b)).sql}"
                for a, b in edge.columns
            )
            if new:
                text += f" JOIN {self._named(new[0], names[new[0]])} ON {on}"
                joined.add(new[0])
        return ({first: ""} if short else names), text

    def _named(self, place: int, alias: str) -> str:
        sql = self._schema.tables[place].sql
        return sql if alias == sql or sql.endswith(f".{alias}") else f"{sql} AS {alias}"

    def _item(self, expr: Expr, names: dict[int, str], query: Query) -> str:
        text = self._expr(expr, names)
        if query.digits is not None and (expr.kind == "ratio" or expr.said in ("avg", "sum")):
            text = f"round(({text})::numeric, {query.digits})"
        alias = None
        if expr.kind == "part":
            alias = expr.said
        elif (expr.kind == "agg" and len(query.select) > 1) or expr.kind == "ratio":
            its = self._schema.column(expr.ref).name.lower() if expr.ref else ""
            alias = "_".join(filter(None, ("ratio" if expr.kind == "ratio" else expr.said, its)))
            alias = alias if alias.isidentifier() and alias.isascii() else expr.said or "ratio"
            same = [
                each
                for each in query.select
                if each.kind == expr.kind and each.said == expr.said and each.ref == expr.ref
            ]
            alias += f"_{same.index(expr) + 1}" if len(same) > 1 else ""
        return f"{text} AS {alias}" if alias else text

    def _column(self, ref: Ref, names: dict[int, str]) -> str:
        name = names.get(ref[0], "")
        column = self._schema.column(ref).sql
        return f"{name}.{column}" if name else column

    def _expr(self, expr: Expr, names: dict[int, str]) -> str:
        column = self._column(expr.ref, names) if expr.ref else ""
        if expr.kind == "column":
            return column
        if expr.kind == "part":
            if expr.said in ("year", "month number", "hour", "dow"):
                return f"extract({expr.said.split()[0]} FROM {column})::int"
            return f"date_trunc('{expr.said}', {column})::date"
        if expr.kind == "rows":
            assert expr.ref is not None
            return f"(SELECT count(*) FROM {self._schema.tables[expr.ref[0]].sql})"
        if expr.kind == "ratio":
            top, below = (self._expr(part, names) for part in expr.parts)
            scale = "100.0 * " if expr.said == "100" else "1.0 * "
            return f"{scale}{top} / nullif({below}, 0)"
        if expr.kind == "whole":
            return f"sum({self._expr(expr.parts[0], names)}) OVER ()"
        if expr.said == "median":
            text = f"percentile_cont(0.5) WITHIN GROUP (ORDER BY {column})"
        else:
            text = f"{expr.said}({'DISTINCT ' if expr.distinct else ''}{column or '*'})"
        if expr.only:
            text += " FILTER (WHERE " + " AND ".join(self._condition(each, names) for each in expr.only) + ")"
        return text

    def _condition(self, of: Condition, names: dict[int, str]) -> str:
        if of.expr is None:
            return self._inner(of, names)
        left = self._expr(of.expr, names)
        values = [value(each) for each in of.values]
        match of.op:
            case "null":
                return f"{left} IS NULL"
            case "not null":
                return f"{left} IS NOT NULL"
            case "true":
                return left
            case "false":
                return f"NOT {left}"
            case "in" | "not in":
                return f"{left} {of.op.upper()} ({', '.join(values)})"
            case "between":
                return f"{left} BETWEEN {values[0]} AND {values[1]}"
            case "period":
                return f"{left} >= {values[0]} AND {left} < {values[1]}"
            case "since":
                return f"{left} >= current_date - interval {values[0]}"
            case "this":
                return f"date_trunc({values[0]}, {left}) = date_trunc({values[0]}, current_date)"
            case "previous":
                months = "3 month" if of.values[0] == "quarter" else f"1 {of.values[0]}"
                return f"date_trunc({values[0]}, {left}) = date_trunc({values[0]}, current_date) - interval '{months}'"
            case "ilike" | "not ilike":
                return f"{left} {of.op.upper()} {values[0]}"
            case op if op.endswith(" avg"):
                ref = of.expr.ref
                assert ref is not None
                table, column = self._schema.tables[ref[0]].sql, self._schema.column(ref).sql
                return f"{left} {op.removesuffix(' avg')} (SELECT avg({column}) FROM {table})"
            case op:
                return f"{left} {op} {values[0]}"

    def _inner(self, of: Condition, names: dict[int, str]) -> str:
        """EXISTS over a path: its first table is the outer query's, joined by the first edge's columns."""
        found = self._schema.path(of.tables)
        assert found is not None
        outer = of.tables[0]
        touching = [edge for edge in found[0] if outer in (edge.one, edge.other)]
        rest = [edge for edge in found[0] if edge not in touching]
        start = [edge.other if edge.one == outer else edge.one for edge in touching]
        used = {name for name in names.values() if name} | {
            self._schema.tables[place].sql.rsplit(".", 1)[-1] for place in names
        }
        inner, source = self._from([start[0], *of.tables[1:]], rest, used)
        outer_name = names[outer] or self._schema.tables[outer].sql.rsplit(".", 1)[-1]
        conditions = []
        for edge in touching[:1]:
            for a, b in edge.columns:
                mine, its = (a, b) if edge.one == outer else (b, a)
                conditions.append(
                    f"{inner[start[0]] or self._schema.tables[start[0]].sql}.{self._schema.column((start[0], its)).sql}"
                    f" = {outer_name}.{self._schema.column((outer, mine)).sql}"
                )
        conditions += [self._condition(each, inner) for each in of.inner]
        return f"{of.op.upper()} (SELECT 1 FROM {source} WHERE {' AND '.join(conditions)})"


def value(of: str | float) -> str:
    """A value as SQL writes it."""
    if isinstance(of, str):
        return quoted(of)
    return str(int(of)) if of == int(of) else repr(of)
