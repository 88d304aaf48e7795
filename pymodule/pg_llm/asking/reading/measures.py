"""Measures: how many flights, the average price, the total of the counts."""

from __future__ import annotations

from pg_llm.asking.mention import Mention
from pg_llm.asking.reading.cursor import Cursor
from pg_llm.asking.reading.parts import Measure


def read(cursor: Cursor) -> None:
    """Counts and aggregates with what they are taken of."""
    found = cursor.found
    for place, mention in cursor.of_kind("count", "agg"):
        cursor.take(place)
        cursor.first_measure = min(cursor.first_measure, mention.start)
        inner = cursor.after(place, ("count", "agg"), 1, ())
        if inner is not None and mention.kind == "agg":
            _nested(cursor, mention.said, inner)
            continue
        said = cursor.measure(place, None).said
        of = cursor.after(place, ("element",), 4, ("distinct",))
        if of is None and (of := cursor.described(place)) is not None and not _is_table(cursor.mentions[of]):
            # F grades: what the value is of as well, which is read later.
            found.measures.append(Measure(said, cursor.mentions[of]))
            continue
        if of is None and cursor.chinese:
            of = cursor.before(place, ("element",), 2)
        if of is not None and {"?", ".", ";", "who", "where", "that"} & set(cursor.between(place, of)):
            of = None
        if of is None and said == "count" and found.superlatives:
            # And how many: that by which the first was found.
            found.superlatives[0].shown = True
            continue
        if of is None and said == "count" and (counted := _counted(cursor)) is not None:
            found.measures.append(counted)
            continue
        if of is None and said == "sum" and (found.measures or found.superlatives or found.comparisons):
            # The most sales overall.
            continue
        if of is None:
            found.measures.append(Measure(said))
            continue
        if place + 1 <= of - 1 and cursor.mentions[of - 1].kind == "distinct":
            found.distinct = True
        cursor.take(of)
        noun = cursor.noun(of)
        if noun != of:
            found.context.append(cursor.mentions[of])
            cursor.take(noun)
            of = noun
        found.measures.append(Measure(said, cursor.mentions[of]))
        if not cursor.chinese:
            found.measures += [Measure(said, cursor.mentions[more]) for more in cursor.joined(of, ("their",))]


def _counted(cursor: Cursor) -> Measure | None:
    """And how many: what was compared with a number before, as in more than one book."""
    compared = (each for each in cursor.found.comparisons if each.operand is not None and not each.time)
    return next((Measure("count", each.operand) for each in compared), None)


def _is_table(mention: Mention) -> bool:
    return mention.refs[0][0][1] < 0


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
