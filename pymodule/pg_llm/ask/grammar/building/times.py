"""Times: the column that they are compared with, and the days that they span."""

from __future__ import annotations

import re

from pg_llm.ask.grammar import dates
from pg_llm.ask.grammar.building.draft import SELDOM, Draft, Impossible
from pg_llm.ask.grammar.query import Condition, Expr
from pg_llm.ask.grammar.reading.parts import Comparison
from pg_llm.ask.mention import Mention


def condition(draft: Draft, of: Comparison) -> Condition:
    """After March 2020, in the last 30 days. Raises Impossible."""
    left = column(draft, of.operand, of.time)
    assert left.ref is not None
    if draft.schema.column(left.ref).kind == "number":
        values = [float(value) for value in of.values if re.fullmatch(r"\d+", str(value))]
        if len(values) != len(of.values):
            raise Impossible("years only are known")
        edge = values[-1] if of.op in (">", "<=") else values[0]
        return Condition(left, of.op, tuple(values) if of.op in ("in", "between") else (edge,))
    first = str(of.values[0])
    if of.op in ("since", "this", "previous"):
        return Condition(left, of.op, (first,))
    if of.time == "month":
        return Condition(Expr("part", left.ref, "month number"), "=", (float(first),))
    try:
        begin, end = (day.isoformat() for day in (dates.days(first)[0], dates.days(str(of.values[-1]))[1]))
    except ValueError:
        raise Impossible(f"there is no day {first}") from None
    match of.op:
        case "=" | "between":
            return Condition(left, "period", (begin, end))
        case "in":
            if not all(str(value).isdigit() for value in of.values):
                raise Impossible("several months or days at once")
            return Condition(Expr("part", left.ref, "year"), "in", tuple(float(value) for value in of.values))
        case ">":
            return Condition(left, ">=", (end,))
        case ">=":
            return Condition(left, ">=", (begin,))
        case "<":
            return Condition(left, "<", (begin,))
        case "<=":
            return Condition(left, "<", (end,))
    raise Impossible("times are compared otherwise")


def column(draft: Draft, operand: Mention | None, time: str) -> Expr:
    """The column of times that is said, else the likeliest of the tables in play, else of others. Raises Impossible."""
    if operand is not None:
        ref = draft.ref(operand)
        if ref[1] < 0:
            draft.query.tables.append(ref[0])
        elif (its := draft.schema.column(ref)).kind in ("date", "number") or "year" in its.words:
            if its.kind == "date":
                # Hired since 2015: of what else than the date of that.
                draft.confirm(operand, ref)
            return Expr("column", ref)
    played = draft.in_play()
    for extra, tables in enumerate((played, [t for t in range(len(draft.schema.tables)) if t not in played])):
        found = [
            (
                (0 if its.kind == "date" else 1) + (0.5 if SELDOM & set(its.words) else 0) + 0.1 * n + 0.01 * place,
                (table, place),
            )
            for n, table in enumerate(tables)
            for place, its in enumerate(draft.schema.tables[table].columns)
            if its.kind == "date" or (its.kind == "number" and "year" in its.words and time == "year")
        ]
        if found:
            draft.cost += 0.2 * extra + (0.04 if len(found) > 1 else 0)
            if extra and draft.schema.path([draft.main, min(found)[1][0]]) is None:
                continue
            return Expr("column", min(found)[1])
    raise Impossible("there is no column of dates to look at")
