"""Comparisons: WHERE on numbers and times, HAVING on counts."""

from __future__ import annotations

from pg_llm.ask.grammar.building import measures, times
from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.grammar.query import Condition, Expr
from pg_llm.ask.grammar.reading.parsed_question import Comparison
from pg_llm.ask.schema import Ref


def add(draft: Draft, of: Comparison) -> None:
    """Add a comparison: more than 300 pages, at least 3 books, after 2020. Raises Impossible."""
    if of.time_kind:
        draft.query.where.append(times.time_condition(draft, of))
        return
    if of.measure is not None:
        if (
            draft.parsed.linked.chinese
            and of.measure.operand is None
            and not of.measure.counts_events
            and not draft.group_keys
        ):
            raise Impossible("what is counted is not said")
        _add_having(draft, measures.measure_expr(draft, of.measure), of)
        return
    operand = draft.ref(of.operand) if of.operand is not None else _implied_column(draft, of)
    if of.average:
        if operand[1] < 0 or draft.schema.column(operand).kind != "number":
            raise Impossible("only numbers have an average")
        draft.query.where.append(Condition(Expr("column", operand), f"{of.op} avg"))
        return
    if operand[1] < 0:
        if not (draft.parsed.targets or draft.parsed.asks_person or draft.group_keys or draft.parsed.measures):
            raise Impossible("which have that many is not said")
        draft.query.tables.append(operand[0])
        _add_having(draft, Expr("count", (operand[0], -1)), of)
        return
    column = draft.schema.column(operand)
    if column.kind == "number":
        draft.query.where.append(Condition(Expr("column", operand), of.op, tuple(of.values)))
    elif column.kind == "text" or column.is_key:
        _add_having(draft, Expr("agg", operand, "count", distinct=True), of)
        draft.cost += 0.1
    elif column.kind == "date" and all(1900 <= float(each) <= 2100 for each in of.values):
        draft.query.where.append(Condition(Expr("part", operand, "year"), of.op, tuple(of.values)))
    else:
        raise Impossible(f"{column.name} cannot be compared with a number")


def _implied_column(draft: Draft, of: Comparison) -> Ref:
    """The column that the adjective refers to, or the table's only numeric column."""
    tables = draft.tables_in_play()
    found = draft.attribute_column([of.attribute], tables) if of.attribute else None
    if found is None:
        found = draft.only_numeric_column(tables[0], f"what is compared with {', '.join(map(str, of.values))}", 0.3)
    if of.attribute == "age" and "age" not in draft.schema.column(found).words:
        raise Impossible("an age has to be worked out")
    return found


def _add_having(draft: Draft, by: Expr, of: Comparison) -> None:
    draft.query.having.append(Condition(by, of.op, tuple(of.values)))
