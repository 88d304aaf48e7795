"""Periods as conditions on the date that they are about."""

from __future__ import annotations

import datetime

from pg_llm.ask import words
from pg_llm.ask.grammar.clause import Clause, Misfit, Node
from pg_llm.ask.grammar.logical_form import NO_WORDS, Bucket, Column, Condition
from pg_llm.ask.linking import times
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
    by_year = clause.schema.column(ref).kind == "number"
    return clause.put_condition(first, last, _years(ref, said) if by_year else _days(ref, said))


def compared(clause: Clause, index: int) -> bool:
    """Two periods side by side, which rows are grouped by: compare 2024 and 2025."""
    node, versus = clause.at(index, "period"), clause.at(index + 1, "versus")
    last = index + (2 if versus else 1)
    if node is None or clause.at(last, "period") is None or not clause.asks("versus") or clause.asks("growth"):
        return False
    spans = [_span(one) for one in (node, clause.nodes[last])]
    units = {times.unit_of(begin, end) for begin, end in spans}
    unit = units.pop()
    if units or unit is None or spans[0] == spans[1]:
        raise Misfit("periods that cannot be compared")
    ref = date_column(clause, index)
    by_year = clause.schema.column(ref).kind == "number"
    if by_year and unit != "year":
        raise Misfit("a part of a year where only years are kept")
    values = tuple(float(begin.year) if unit == "year" else begin for begin, _ in sorted(spans))
    bucket = Bucket(ref, unit)
    made = clause.put(index, last, Node("key", 0, 0, NO_WORDS, ref, meaning=("each",), terms=[bucket]))
    made.words = made.words.union(*(one.words for one in clause.take("versus")))
    made.own_words()
    place = clause.nodes.index(made)
    clause.nodes.insert(
        place, Node("condition", made.start, made.start, NO_WORDS, ref, condition=Condition("in", bucket, values))
    )
    return True


def growth(clause: Clause, index: int) -> bool:
    """By how much percent a number grew from one period to another."""
    node = clause.at(index, "growth")
    if node is None:
        return False
    places = [place for place, one in enumerate(clause.nodes) if one.kind == "period"]
    spans = sorted(_span(clause.nodes[place]) for place in places)
    if len(spans) == 1 and times.unit_of(*spans[0]) is None:
        # From 2024 to 2025.
        ((begin, end),) = spans
        first, last = times.add_months(begin, 12), times.add_months(end, -12)
        spans = [(begin, first), (last, end)] if begin.month == end.month == 1 and first <= last else []
    if len(spans) != 2 or times.unit_of(*spans[0]) is None or times.unit_of(*spans[0]) != times.unit_of(*spans[1]):
        raise Misfit("a growth without its two periods")
    ref = date_column(clause, places[0])
    if clause.schema.column(ref).kind == "number":
        raise Misfit("a growth where only years are kept")
    old, new = (Condition("period", Column(ref), span) for span in spans)
    node.condition, node.inner = new, old
    node.words = node.words.union(*(one.words for one in clause.take("period", "versus")))
    node.kind = "grown"
    return True


def _span(node: Node) -> tuple[datetime.date, datetime.date]:
    said = node.anchor.period if node.anchor else None
    if said is None or said.begin is None or said.end is None:
        raise Misfit("an open period is compared")
    return said.begin, said.end


def event(clause: Clause, index: int) -> bool:
    """A date that a verb names, of rows to which that happened: orders that were shipped."""
    node = clause.at(index, "column")
    if node is None or not clause.is_date(node) or node.end > node.start + 1 or clause.asks("when"):
        return False
    if node.meaning == ("not",):
        return clause.put_condition(index, index, Condition("null", Column(node.ref)), node.ref)
    text = clause.tokens[node.start].text.lower()
    said = [token.text.lower() for token in clause.tokens[: node.start]]
    if not words.is_verb_form(text) and not (text == clause.tokens[node.start].stem and "did" in said):
        return False
    return clause.put_condition(index, index, Condition("null", Column(node.ref), negated=True), node.ref)


def _days(ref: Ref, said: Period) -> Condition:
    if said.begin and said.end:
        return Condition("period", Column(ref), (said.begin, said.end))
    if said.begin:
        return Condition(">=", Column(ref), (said.begin,))
    assert said.end is not None
    return Condition("<", Column(ref), (said.end,))


def _years(ref: Ref, said: Period) -> Condition:
    """A period of whole years, for a column that holds years."""
    if any(day is not None and (day.month, day.day) != (1, 1) for day in (said.begin, said.end)):
        raise Misfit("a part of a year where only years are kept")
    if said.begin and said.end:
        first, last = float(said.begin.year), float(said.end.year - 1)
        one = Condition("in", Column(ref), (first,))
        return one if first == last else Condition("between", Column(ref), (first, last))
    if said.begin:
        return Condition(">=", Column(ref), (float(said.begin.year),))
    assert said.end is not None
    return Condition("<", Column(ref), (float(said.end.year),))


def date_column(clause: Clause, index: int) -> Ref:
    """The date of what is named nearest before a time, else behind it; that of groups where there are some."""
    buckets = [term for node in clause.nodes for term in node.terms if isinstance(term, Bucket)]
    if buckets:
        return buckets[0].ref
    places = [*reversed(range(index)), *range(index + 1, len(clause.nodes))]
    # Groups come last: orders per customer in 2025 are orders of that year.
    for place in sorted(places, key=lambda place: clause.nodes[place].kind == "key"):
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
