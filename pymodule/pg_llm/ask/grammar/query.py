"""A small relational query representation, and its translation to SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pg_llm.ask.schema import Edge, Ref, Schema


@dataclass(frozen=True, slots=True)
class Expr:
    """A `column`, an extracted date `part`, an aggregate (`agg`), a `ratio`, or the window total (`whole`) of another.

    `function` is the unit of a `part`, the function of an `agg` (count, sum, avg, min, max, median) or the scale of a
    `ratio`. `count` is a count whose join is not planned yet; without a column it counts rows. `filters` become FILTER.
    """

    kind: str
    ref: Ref | None = None
    function: str = ""
    distinct: bool = False
    operands: tuple[Expr, ...] = ()
    filters: tuple[Condition, ...] = ()

    @property
    def is_aggregate(self) -> bool:
        """True if it aggregates rows."""
        return self.kind in ("agg", "ratio", "whole")

    @property
    def is_measure(self) -> bool:
        """True if it is an aggregate or will become one."""
        return self.is_aggregate or self.kind == "count"

    def refs(self) -> Iterable[Ref]:
        """The columns that it reads."""
        if self.ref is not None:
            yield self.ref
        for part in self.operands:
            yield from part.refs()
        for condition in self.filters:
            yield from condition.refs()


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of `expr` with values; for `exists` and `not exists` a subquery over `tables` with conditions."""

    expr: Expr | None
    op: str
    values: tuple[str | float, ...] = ()
    tables: tuple[int, ...] = ()
    inner: tuple[Condition, ...] = ()

    def refs(self) -> Iterable[Ref]:
        """The columns of the outer query that it reads; column -1 stands for rows of a table."""
        return self.expr.refs() if self.expr else [(table, -1) for table in self.tables[:1]]


@dataclass(slots=True)
class Query:
    """A query; `tables` are joined in addition to those whose columns are read, and the first is the main one."""

    tables: list[int] = field(default_factory=list)
    select: list[Expr] = field(default_factory=list)
    where: list[Condition] = field(default_factory=list)
    group: list[Expr] = field(default_factory=list)
    having: list[Condition] = field(default_factory=list)
    order: list[tuple[Expr, bool]] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0
    distinct: bool = False
    # The expressions of DISTINCT ON.
    distinct_on: list[Expr] = field(default_factory=list)
    # Computed numbers are rounded to so many decimals.
    decimals: int | None = None

    def all_tables(self) -> list[int]:
        """All tables that the query reads."""
        refs = [ref for expr in (*self.select, *self.group) for ref in expr.refs()]
        refs += [ref for condition in (*self.where, *self.having) for ref in condition.refs()]
        refs += [ref for expr, _ in self.order for ref in expr.refs()]
        return list(dict.fromkeys([*self.tables, *(ref[0] for ref in refs)]))


def quote_text(text: str) -> str:
    """The text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


class SqlWriter:
    """Translates queries over a schema to SQL."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def join_edges(self, query: Query) -> tuple[list[Edge], float] | None:
        """The edges that join the tables of a query, and their cost; None if the tables are not connected."""
        tables = query.all_tables()
        tables = tables if query.tables or not query.select or query.select[0].kind not in ("ratio", "rows") else []
        return self._schema.join_tree(tables) if tables else ([], 0.0)

    def sql(self, query: Query) -> str | None:
        """The SQL text; None if the tables are not connected."""
        joins = self.join_edges(query)
        if joins is None or not query.select:
            return None
        first = query.select[0]
        if first.kind == "rows" or (first.kind == "ratio" and first.operands[0].kind == "rows"):
            return f"SELECT {', '.join(self._select_item(expr, {}, query) for expr in query.select)}"
        names, source = self._from_clause(query.all_tables(), joins[0], set())
        text = "SELECT " + ("DISTINCT " if query.distinct else "")
        if query.distinct_on:
            text += f"DISTINCT ON ({', '.join(self._expr(expr, names) for expr in query.distinct_on)}) "
        text += ", ".join(self._select_item(expr, names, query) for expr in query.select)
        text += f" FROM {source}"
        if query.where:
            text += " WHERE " + " AND ".join(self._condition(condition, names) for condition in query.where)
        if query.group:
            text += " GROUP BY " + ", ".join(self._expr(expr, names) for expr in query.group)
        if query.having:
            text += " HAVING " + " AND ".join(self._condition(condition, names) for condition in query.having)
        if query.order:
            text += " ORDER BY " + ", ".join(
                self._expr(expr, names) + (" DESC NULLS LAST" if down else "") for expr, down in query.order
            )
        if query.limit is not None:
            text += f" LIMIT {query.limit}" + (f" OFFSET {query.offset}" if query.offset else "")
        return text

    def _from_clause(
        self, tables: Sequence[int], edges: Sequence[Edge], used_names: set[str]
    ) -> tuple[dict[int, str], str]:
        names: dict[int, str] = {}
        order = list(dict.fromkeys([*tables[:1], *(index for edge in edges for index in (edge.source, edge.target))]))
        short = len(order) == 1 and not used_names
        for index in order:
            table = self._schema.tables[index]
            name = table.sql.rsplit(".", 1)[-1] if not table.sql.endswith('"') else table.sql.split('."')[-1]
            if table.sql.endswith('"') and not name.startswith('"'):
                name = f'"{name}'
            number = 2
            alias = name
            while alias in names.values() or alias in used_names:
                alias = f'{name[:-1]}_{number}"' if name.endswith('"') else f"{name}_{number}"
                number += 1
            names[index] = alias
        first = order[0]
        text = self._aliased_table(first, names[first])
        joined = {first}
        rest = list(edges)
        while rest:
            edge = next(candidate for candidate in rest if candidate.source in joined or candidate.target in joined)
            rest.remove(edge)
            new = [index for index in (edge.source, edge.target) if index not in joined]
            on = " AND ".join(
                f"{names[edge.source]}.{self._schema.column((edge.source, a)).sql} = "
                f"{names[edge.target]}.{self._schema.column((edge.target, b)).sql}"
                for a, b in edge.columns
            )
            if new:
                text += f" JOIN {self._aliased_table(new[0], names[new[0]])} ON {on}"
                joined.add(new[0])
        return ({first: ""} if short else names), text

    def _aliased_table(self, index: int, alias: str) -> str:
        sql = self._schema.tables[index].sql
        return sql if alias == sql or sql.endswith(f".{alias}") else f"{sql} AS {alias}"

    def _select_item(self, expr: Expr, names: dict[int, str], query: Query) -> str:
        text = self._expr(expr, names)
        if query.decimals is not None and (expr.kind == "ratio" or expr.function in ("avg", "sum")):
            text = f"round(({text})::numeric, {query.decimals})"
        alias = None
        if expr.kind == "part":
            alias = expr.function
        elif (expr.kind == "agg" and len(query.select) > 1) or expr.kind == "ratio":
            column = self._schema.column(expr.ref).name.lower() if expr.ref else ""
            alias = "_".join(filter(None, ("ratio" if expr.kind == "ratio" else expr.function, column)))
            alias = alias if alias.isidentifier() and alias.isascii() else expr.function or "ratio"
            same = [
                selected
                for selected in query.select
                if selected.kind == expr.kind and selected.function == expr.function and selected.ref == expr.ref
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
            if expr.function in ("year", "month number", "hour", "dow"):
                return f"extract({expr.function.split()[0]} FROM {column})::int"
            return f"date_trunc('{expr.function}', {column})::date"
        if expr.kind == "rows":
            assert expr.ref is not None
            return f"(SELECT count(*) FROM {self._schema.tables[expr.ref[0]].sql})"
        if expr.kind == "ratio":
            top, below = (self._expr(part, names) for part in expr.operands)
            scale = "100.0 * " if expr.function == "100" else "1.0 * "
            return f"{scale}{top} / nullif({below}, 0)"
        if expr.kind == "whole":
            return f"sum({self._expr(expr.operands[0], names)}) OVER ()"
        if expr.function == "median":
            text = f"percentile_cont(0.5) WITHIN GROUP (ORDER BY {column})"
        else:
            text = f"{expr.function}({'DISTINCT ' if expr.distinct else ''}{column or '*'})"
        if expr.filters:
            text += (
                " FILTER (WHERE " + " AND ".join(self._condition(condition, names) for condition in expr.filters) + ")"
            )
        return text

    def _condition(self, condition: Condition, names: dict[int, str]) -> str:
        if condition.expr is None:
            return self._exists(condition, names)
        left = self._expr(condition.expr, names)
        values = [value_literal(value) for value in condition.values]
        match condition.op:
            case "null":
                return f"{left} IS NULL"
            case "not null":
                return f"{left} IS NOT NULL"
            case "true":
                return left
            case "false":
                return f"NOT {left}"
            case "in" | "not in":
                return f"{left} {condition.op.upper()} ({', '.join(values)})"
            case "between":
                return f"{left} BETWEEN {values[0]} AND {values[1]}"
            case "period":
                return f"{left} >= {values[0]} AND {left} < {values[1]}"
            case "since":
                return f"{left} >= current_date - interval {values[0]}"
            case "this":
                return f"date_trunc({values[0]}, {left}) = date_trunc({values[0]}, current_date)"
            case "previous":
                months = "3 month" if condition.values[0] == "quarter" else f"1 {condition.values[0]}"
                return f"date_trunc({values[0]}, {left}) = date_trunc({values[0]}, current_date) - interval '{months}'"
            case "ilike" | "not ilike":
                return f"{left} {condition.op.upper()} {values[0]}"
            case op if op.endswith(" avg"):
                ref = condition.expr.ref
                assert ref is not None
                table, column = self._schema.tables[ref[0]].sql, self._schema.column(ref).sql
                return f"{left} {op.removesuffix(' avg')} (SELECT avg({column}) FROM {table})"
            case op:
                return f"{left} {op} {values[0]}"

    def _exists(self, condition: Condition, names: dict[int, str]) -> str:
        """EXISTS: the first table is that of the outer query, and the first edge correlates the subquery."""
        tree = self._schema.join_tree(condition.tables)
        assert tree is not None
        outer = condition.tables[0]
        touching = [edge for edge in tree[0] if outer in (edge.source, edge.target)]
        rest = [edge for edge in tree[0] if edge not in touching]
        start = [edge.target if edge.source == outer else edge.source for edge in touching]
        used = {name for name in names.values() if name} | {
            self._schema.tables[index].sql.rsplit(".", 1)[-1] for index in names
        }
        inner, source = self._from_clause([start[0], *condition.tables[1:]], rest, used)
        outer_name = names[outer] or self._schema.tables[outer].sql.rsplit(".", 1)[-1]
        conditions = []
        for edge in touching[:1]:
            for a, b in edge.columns:
                mine, their = (a, b) if edge.source == outer else (b, a)
                inner_name = inner[start[0]] or self._schema.tables[start[0]].sql
                conditions.append(
                    f"{inner_name}.{self._schema.column((start[0], their)).sql}"
                    f" = {outer_name}.{self._schema.column((outer, mine)).sql}"
                )
        conditions += [self._condition(inner_condition, inner) for inner_condition in condition.inner]
        return f"{condition.op.upper()} (SELECT 1 FROM {source} WHERE {' AND '.join(conditions)})"


def value_literal(value: str | float) -> str:
    """The value as an SQL literal."""
    if isinstance(value, str):
        return quote_text(value)
    return str(int(value)) if value == int(value) else repr(value)
