"""Comparisons: WHERE on numbers and times, HAVING on counts."""

from __future__ import annotations

from pg_llm.ask.grammar.building import measures, times
from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.grammar.query import Condition, Expr
from pg_llm.ask.grammar.reading.parsed_question import Comparison
from pg_llm.ask.schema import Ref


def add(draft: Draft, comparison: Comparison) -> None:
    """Add a comparison: more than 300 pages, at least 3 books, after 2020. Raises Impossible."""
    if comparison.time_kind:
        draft.query.where.append(times.time_condition(draft, comparison))
        return
    if comparison.measure is not None:
        if (
            draft.parsed.linked.chinese
            and comparison.measure.operand is None
            and not comparison.measure.counts_events
            and not draft.group_keys
        ):
            raise Impossible("what is counted is not said")
        _add_having(draft, measures.measure_expr(draft, comparison.measure), comparison)
        return
    operand = draft.ref(comparison.operand) if comparison.operand is not None else _implied_column(draft, comparison)
    if comparison.average:
        if operand[1] < 0 or draft.schema.column(operand).kind != "number":
            raise Impossible("only numbers have an average")
        draft.query.where.append(Condition(Expr("column", operand), f"{comparison.op} avg"))
        return
    if operand[1] < 0:
        if not (draft.parsed.targets or draft.parsed.asks_person or draft.group_keys or draft.parsed.measures):
            raise Impossible("which have that many is not said")
        draft.query.tables.append(operand[0])
        _add_having(draft, Expr("count", (operand[0], -1)), comparison)
        return
    column = draft.schema.column(operand)
    if column.kind == "number":
        draft.query.where.append(Condition(Expr("column", operand), comparison.op, tuple(comparison.values)))
    elif column.kind == "text" or column.is_key:
        _add_having(draft, Expr("agg", operand, "count", distinct=True), comparison)
        draft.cost += 0.1
    elif column.kind == "date" and all(1900 <= float(value) <= 2100 for value in comparison.values):
        draft.query.where.append(Condition(Expr("part", operand, "year"), comparison.op, tuple(comparison.values)))
    else:
        raise Impossible(f"{column.name} cannot be compared with a number")


def _implied_column(draft: Draft, comparison: Comparison) -> Ref:
    """The column that the adjective refers to, or the table's only numeric column."""
    tables = draft.tables_in_play()
    column = draft.attribute_column([comparison.attribute], tables) if comparison.attribute else None
    if column is None:
        column = draft.only_numeric_column(
            tables[0], f"what is compared with {', '.join(map(str, comparison.values))}", 0.3
        )
    if comparison.attribute == "age" and "age" not in draft.schema.column(column).words:
        raise Impossible("an age has to be worked out")
    return column


def _add_having(draft: Draft, expr: Expr, comparison: Comparison) -> None:
    draft.query.having.append(Condition(expr, comparison.op, tuple(comparison.values)))
