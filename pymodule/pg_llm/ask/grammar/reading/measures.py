"""Measures: how many flights, the average price, the total of the counts."""

from __future__ import annotations

from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parts import Measure

_OVERALL = {"overall", "combined"}


def read(cursor: Cursor) -> None:
    """Counts and aggregates with what they are taken of."""
    found = cursor.found
    for place, mention in cursor.of_kind("count", "agg"):
        cursor.take(place)
        cursor.first_measure = min(cursor.first_measure, mention.start)
        inner = cursor.after(place, ("count", "agg"), 1, ())
        if inner is not None and cursor.chinese and (of := cursor.before(place, ("element",), 1)) is not None:
            # The freight, in all how much.
            cursor.take(inner, of)
            found.measures.append(Measure(mention.said if mention.kind == "agg" else "count", cursor.mentions[of]))
            continue
        if inner is not None and mention.kind == "agg":
            _nested(cursor, mention.said, inner)
            continue
        of = _operand(cursor, place)
        if of is None:
            described = cursor.described(place)
            its = cursor.at(described)
            if its is not None and its.kind == "element" and its.names_table:
                of = described
            elif its is not None and (its.kind == "element" or mention.kind == "agg"):
                # F grades, the value of completed payments: what the value is of is read later as well.
                found.measures.append(cursor.measure(place, described))
                continue
        if of is None:
            _alone(cursor, cursor.measure(place, None), cursor.text(mention).lower())
            continue
        if place + 1 <= of - 1 and cursor.mentions[of - 1].kind == "distinct":
            found.distinct = True
        cursor.take(of)
        noun = cursor.noun(of)
        if noun != of:
            found.context.append(cursor.mentions[of])
            cursor.take(noun)
        found.measures.append(cursor.measure(place, noun))
        if not cursor.chinese:
            said = found.measures[-1].said
            found.measures += [Measure(said, cursor.mentions[more]) for more in cursor.joined(noun, ("their",))]


def _operand(cursor: Cursor, place: int) -> int | None:
    """What is counted or measured: what follows in the clause, in Chinese what stands before."""
    of = cursor.after(place, ("element",), 4, ("distinct",))
    if of is None and cursor.chinese:
        of = cursor.before(place, ("element",), 2)
    if of is not None and {"?", ".", ";", "who", "where", "that"} & set(cursor.between(place, of)):
        return None
    return of


def _alone(cursor: Cursor, measure: Measure, said: str) -> None:
    """A measure of which it is not said what it is of."""
    found = cursor.found
    if measure.said == "count" and found.superlatives:
        # And how many: that by which the first was found.
        found.superlatives[0].shown = True
    elif any(each.measure is not None and each.measure.said == measure.said for each in found.superlatives):
        # Along with that average.
        found.superlatives[0].shown = True
    elif measure.said == "count" and (counted := _counted(cursor)) is not None:
        found.measures.append(counted)
    elif said not in _OVERALL or not (found.measures or found.superlatives or found.comparisons):
        # The most sales overall: nothing is added up.
        found.measures.append(measure)


def _counted(cursor: Cursor) -> Measure | None:
    """And how many: what was compared with a number before, as in more than one book."""
    compared = (each for each in cursor.found.comparisons if each.operand is not None and not each.time)
    return next((Measure("count", each.operand) for each in compared), None)


def _nested(cursor: Cursor, said: str, inner: int) -> None:
    """The average number of flights, the total and average price."""
    of = cursor.after(inner, ("element",), 3, ("distinct",))
    cursor.take(inner, *([of] if of is not None else []))
    measure = cursor.measure(inner, of)
    if measure.said != "count":
        cursor.found.measures += [Measure(said, measure.operand), measure]
    elif said == "sum":
        cursor.found.measures.append(measure)
    else:
        cursor.found.measures.append(Measure(said, of=measure))
