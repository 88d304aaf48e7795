"""Times: in 2021, after March 2020, from 2015 to 2018, in the last 30 days."""

from __future__ import annotations

from pg_llm.ask.grammar import lexicon
from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parts import Comparison
from pg_llm.ask.mention import Mention

_TIMES = ("year", "period", "date", "month")


def read(cursor: Cursor) -> None:
    """Times that are counted back from now, then those with a name."""
    for place, mention in cursor.of_kind("when"):
        cursor.take(place)
        op, unit = mention.said.split(".")
        cursor.found.comparisons.append(Comparison(op, [unit], time=unit))
    for place, mention in cursor.of_kind("time", "super"):
        if mention.kind == "time" or (cursor.chinese and mention.said == "desc.date"):
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
        if marker and (marker.kind in ("cmp", "between") or cursor.text(marker).lower() == "by"):
            used.append(before)
        cursor.take(*used)
        near = cursor.before(min(used), gap=2)
        if near is not None and near > 0 and cursor.mentions[near - 1].kind == "group":
            near = None
        its = cursor.at(near)
        if near is not None and its is not None and _only_says_which(cursor, near, min(used)):
            cursor.take(near)
        if cursor.chinese and near is None:
            its = cursor.at(_happens(cursor, max(used)))
        cursor.found.comparisons.append(Comparison(op, list(values), its, time=mention.kind, start=mention.start))


def _happens(cursor: Cursor, place: int) -> int | None:
    """What happened then, said right behind the time: 2020年出生."""
    following = cursor.after(place, ("element",), 1, ())
    if following is None or cursor.mentions[following].role != "verb":
        return None
    cursor.take(following)
    return following


def _only_says_which(cursor: Cursor, near: int, first: int) -> bool:
    """Admitted in May, the cars of model year 2020: what stands before the time is not asked for."""
    mention = cursor.mentions[near]
    touches = mention.end == cursor.mentions[first].start and mention.names_column
    return mention.role == "verb" or (touches and not cursor.leads(near))


def _last(cursor: Cursor, place: int, mention: Mention) -> None:
    number, end = 0.0, mention.end
    following = cursor.mentions[place + 1] if place + 1 < len(cursor.mentions) else None
    if following is not None and following.kind == "number" and following.start == end:
        number, end = following.number, following.end
    if cursor.word(end) == "个":
        end += 1
    word = cursor.tokens[end].stem if end < len(cursor.tokens) else ""
    if word not in lexicon.UNITS or (mention.kind == "super" and not number):
        if mention.said == "previous" and word != "name":
            # The last order: no time, but which one; a last name is neither.
            mention.kind, mention.said = "super", "desc.date"
        return
    cursor.take(*(n for n, its in enumerate(cursor.mentions) if mention.start <= its.start <= end))
    unit = lexicon.UNITS[word]
    if mention.said in ("this", "previous") and not number:
        # Last year is the one before this one, the last 2 years are counted from today.
        cursor.found.comparisons.append(Comparison(mention.said, [unit], time=unit))
        return
    number = number or 1.0
    said = f"{3 * number:g} month" if unit == "quarter" else f"{number:g} {unit}"
    cursor.found.comparisons.append(Comparison("since", [said], time=unit))


def _compared(cursor: Cursor, place: int, marker: Mention | None) -> tuple[str, list[str], list[int]]:
    """How columns are compared with the time, with which times, and the places of the mentions that say so."""
    mention = cursor.mentions[place]
    until = cursor.after(place, _TIMES, 1, ())
    if until is not None and cursor.word(mention.end) in ("and", "or", ",", "和", "或"):
        return "in", [mention.said, cursor.mentions[until].said], [place, until]
    values = mention.said.split("/")
    if marker and marker.kind == "cmp":
        return marker.said.removesuffix(".time"), values, [place]
    if marker and cursor.text(marker).lower() == "by":
        return "<=", values, [place]
    after = place + 1
    behind = cursor.mentions[after] if after < len(cursor.mentions) else None
    bounds = behind is not None and (behind.kind == "above" or (cursor.chinese and behind.kind == "cmp"))
    if behind is not None and bounds and behind.start <= mention.end + 1:
        # 2020 or later, 2020年以后
        return behind.said.removesuffix(".time"), values, [place, after]
    return "=" if len(values) == 1 else "between", values, [place]
