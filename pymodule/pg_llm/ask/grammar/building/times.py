"""Conditions on times: the date column, and the days that a time spans."""

from __future__ import annotations

import re

from pg_llm.ask.grammar import dates
from pg_llm.ask.grammar.building.draft import SECONDARY_DATES, Draft, Impossible
from pg_llm.ask.grammar.query import Condition, Expr
from pg_llm.ask.grammar.reading.parsed_question import Comparison
from pg_llm.ask.mention import Mention


def time_condition(draft: Draft, comparison: Comparison) -> Condition:
    """A condition on a date column: after March 2020, in the last 30 days. Raises Impossible."""
    column = time_column(draft, comparison.operand, comparison.time_kind)
    assert column.ref is not None
    if draft.schema.column(column.ref).kind == "number":
        values = [float(value) for value in comparison.values if re.fullmatch(r"\d+", str(value))]
        if len(values) != len(comparison.values):
            raise Impossible("years only are known")
        edge = values[-1] if comparison.op in (">", "<=") else values[0]
        return Condition(column, comparison.op, tuple(values) if comparison.op in ("in", "between") else (edge,))
    first = str(comparison.values[0])
    if comparison.op in ("since", "this", "previous"):
        return Condition(column, comparison.op, (first,))
    if comparison.time_kind == "month":
        return Condition(Expr("part", column.ref, "month number"), "=", (float(first),))
    try:
        begin, end = (
            day.isoformat() for day in (dates.day_range(first)[0], dates.day_range(str(comparison.values[-1]))[1])
        )
    except ValueError:
        raise Impossible(f"there is no day {first}") from None
    match comparison.op:
        case "=" | "between":
            return Condition(column, "period", (begin, end))
        case "in":
            if not all(str(value).isdigit() for value in comparison.values):
                raise Impossible("several months or days at once")
            return Condition(Expr("part", column.ref, "year"), "in", tuple(float(value) for value in comparison.values))
        case ">":
            return Condition(column, ">=", (end,))
        case ">=":
            return Condition(column, ">=", (begin,))
        case "<":
            return Condition(column, "<", (begin,))
        case "<=":
            return Condition(column, "<", (end,))
    raise Impossible("times are compared otherwise")


def time_column(draft: Draft, operand: Mention | None, time: str) -> Expr:
    """The date column that is named, else the best of the mentioned tables, else of the others. Raises Impossible."""
    if operand is not None:
        ref = draft.ref(operand)
        if ref[1] < 0:
            draft.query.tables.append(ref[0])
        elif (column := draft.schema.column(ref)).kind in ("date", "number") or "year" in column.words:
            if column.kind == "date":
                # Hired since 2015: the time confirms the date column.
                draft.confirm(operand, ref)
            return Expr("column", ref)
    in_play = draft.tables_in_play()
    for extra, tables in enumerate((in_play, [t for t in range(len(draft.schema.tables)) if t not in in_play])):
        candidates = [
            (
                (0 if column.kind == "date" else 1)
                + (0.5 if SECONDARY_DATES & set(column.words) else 0)
                + 0.1 * n
                + 0.01 * index,
                (table, index),
            )
            for n, table in enumerate(tables)
            for index, column in enumerate(draft.schema.tables[table].columns)
            if column.kind == "date" or (column.kind == "number" and "year" in column.words and time == "year")
        ]
        if candidates:
            draft.cost += 0.2 * extra + (0.04 if len(candidates) > 1 else 0)
            if extra and draft.schema.join_tree([draft.main_table, min(candidates)[1][0]]) is None:
                continue
            return Expr("column", min(candidates)[1])
    raise Impossible("there is no column of dates to look at")
