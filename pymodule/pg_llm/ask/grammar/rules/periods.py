"""Periods as conditions on the date that they are about."""

from __future__ import annotations

import datetime

from pg_llm.ask.grammar.clause import Clause, Misfit
from pg_llm.ask.grammar.logical_form import Bucket, Column, Condition, Literal
from pg_llm.ask.linking.times import Period
from pg_llm.ask.schema import Ref

_LONGEST_GAP = 2
# Words in the name of a date that says when rows came to be.
_CREATION = {"create", "created", "creation"}
_DATE_WORDS = {"date", "time", "day", "at", "on", "timestamp", "datetime"}


def period(clause: Clause, index: int) -> bool:
    """In 2025, since March, last month."""
    node = clause.at(index, "period")
    if node is None or node.anchor is None or node.anchor.period is None:
        return False
    said = node.anchor.period
    beside = next((place for place in (index - 1, index + 1) if clause.may_date(place)), index)
    first, last = sorted((beside, index))
    if beside == index or len(clause.gap(first)) > _LONGEST_GAP:
        ref, first, last = date_column(clause, index), index, index
    else:
        ref = clause.nodes[beside].ref
    if said.relative and said.begin and said.end:
        clause.assumptions.append(f"{node.text} is {said.begin} to {said.end - datetime.timedelta(days=1)}")
    if any(
        other.condition and other.condition.op == "period" and other.condition.term == Column(ref)
        for other in clause.nodes
    ):
        raise Misfit("two periods of one date")
    return clause.put_condition(first, last, _condition(clause, ref, said))


def _condition(clause: Clause, ref: Ref, said: Period) -> Condition:
    """A period as a condition on a date, or of whole years on a column that holds years."""
    column, begin, end = Column(ref), said.begin, said.end
    bounds: list[Literal | None] = [begin, end]
    if clause.schema.column(ref).kind == "number":
        if any(day is not None and (day.month, day.day) != (1, 1) for day in (begin, end)):
            raise Misfit("a part of a year where only years are kept")
        bounds = [day and float(day.year) for day in (begin, end)]
        if begin and end and end.year == begin.year + 1:
            return Condition("in", column, (float(begin.year),))
    values = tuple(bound for bound in bounds if bound)
    return Condition("period" if len(values) > 1 else ">=" if begin else "<", column, values)


def date_column(clause: Clause, index: int) -> Ref:
    """The date of what is named nearest before a time, else behind it; that of groups where there are some."""
    buckets = [term for node in clause.nodes for term in node.terms if isinstance(term, Bucket)]
    if buckets:
        return buckets[0].ref
    places = [*reversed(range(index)), *range(index + 1, len(clause.nodes))]
    # Groups come last, orders per customer in 2025 are orders of that year; what others are ranked by is no group.
    ranked = any(node.kind in ("sup", "first", "order") for node in clause.nodes)
    groups = [place for place in places if clause.nodes[place].kind == "key"]
    groups = [place for place in groups if not ranked or clause.nodes[place].meaning != ("by",)]
    for place in sorted(places, key=lambda place: place in groups):
        for table in clause.nodes[place].tables():
            found = _date_of(clause, table)
            if found is not None:
                return found
    raise Misfit("no date that the time may be of")


def _date_of(clause: Clause, table: int) -> Ref | None:
    """The date column of a table that says when its rows happened; never a birthday."""
    own = _DATE_WORDS | set(clause.schema.tables[table].words)
    ranked: list[tuple[int, Ref]] = []
    for n, column in enumerate(clause.schema.tables[table].columns):
        of_year = column.kind == "number" and column.words[-1:] == ("year",)
        rest = set(column.words) - own - ({"year"} if of_year else set())
        if (column.kind == "date" or of_year) and not rest & {"birth", "born", "birthday"}:
            ranked.append((0 if not rest else 1 if rest & _CREATION else 2, (table, n)))
    ranked.sort()
    if not ranked:
        return None
    if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
        raise Misfit("several dates that may be meant")
    if len(ranked) > 1 and ranked[0][0] == 2:
        clause.plausibility *= 0.8
    return ranked[0][1]
