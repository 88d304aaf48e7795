"""Times: in 2021, after March 2020, from 2015 to 2018, in the last 30 days."""

from __future__ import annotations

from pg_llm.asking import lexicon
from pg_llm.asking.mention import Mention
from pg_llm.asking.reading.cursor import Cursor
from pg_llm.asking.reading.parts import Comparison

_TIMES = ("year", "period", "date", "month")


def read(cursor: Cursor) -> None:
    """Times that are counted back from now, then those with a name."""
    for place, mention in cursor.of_kind("time"):
        _last(cursor, place, mention)
    for place, mention in cursor.of_kind(*_TIMES):
        before = place - 1
        marker = (
            cursor.mentions[before]
            if before >= 0 and before not in cursor.done and cursor.mentions[before].end >= mention.start - 2
            else None
        )
        if marker and marker.kind == "cmp" and mention.kind == "year" and marker.said in (">", "<", ">=", "<=", "<>"):
            # More than 2000 is a number, after 2000 a year.
            continue
        op, values, used = _compared(cursor, place, marker)
        if marker and marker.kind in ("cmp", "between"):
            used.append(before)
        cursor.take(*used)
        near = cursor.before(min(used), gap=2)
        if near is not None and near > 0 and cursor.mentions[near - 1].kind == "group":
            near = None
        cursor.found.comparisons.append(Comparison(op, list(values), cursor.at(near), time=mention.kind))


def _last(cursor: Cursor, place: int, mention: Mention) -> None:
    number, end = 1.0, mention.end
    following = cursor.mentions[place + 1] if place + 1 < len(cursor.mentions) else None
    if following is not None and following.kind == "number" and following.start == end:
        number, end = following.number, following.end
    word = cursor.tokens[end].stem if end < len(cursor.tokens) else ""
    if word not in lexicon.UNITS:
        if mention.said == "previous":
            # The last order: no time, but which one.
            mention.kind, mention.said = "super", "desc.date"
        return
    cursor.take(*(n for n, its in enumerate(cursor.mentions) if mention.start <= its.start <= end))
    unit = lexicon.UNITS[word]
    if mention.said == "this":
        cursor.found.comparisons.append(Comparison("this", [unit], time=unit))
        return
    said = f"{3 * number:g} month" if unit == "quarter" else f"{number:g} {unit}"
    cursor.found.comparisons.append(Comparison("since", [said], time=unit))


def _compared(cursor: Cursor, place: int, marker: Mention | None) -> tuple[str, list[str], list[int]]:
    """How columns are compared with the time, with which times, and the places of the mentions that say so."""
    mention = cursor.mentions[place]
    until = cursor.after(place, _TIMES, 2, ("and", "cmp"))
    if until is not None:
        values, used = [mention.said, cursor.mentions[until].said], [place, *range(place, until + 1)]
        spans = marker is not None and (marker.kind == "between" or marker.said == ">=.time")
        if spans or cursor.word(mention.start - 1) in ("between", "from"):
            return "between", values, used
        if cursor.word(mention.end) in ("and", "or", "和"):
            return "in", values, used
    if marker and marker.kind == "cmp":
        return marker.said.removesuffix(".time"), [mention.said], [place]
    after = place + 1
    if (
        cursor.chinese
        and after < len(cursor.mentions)
        and cursor.mentions[after].kind == "cmp"
        and cursor.mentions[after].start <= mention.end + 1
    ):
        return cursor.mentions[after].said.removesuffix(".time"), [mention.said], [place, after]
    return "=", [mention.said], [place]
