"""Ratios and shares: what stands above, what below."""

from __future__ import annotations

from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parts import Measure, Share
from pg_llm.ask.mention import Mention

_AUXILIARIES = ("be", "have", "do", "can", "will")
_RELATIVE = ("who", "that", "which", "whose")
# What begins another part of the question.
_ENDS = ("group", "order", "super", "cmp", "not")
# What ends the topic that a share is taken in.
_WITHIN = {"里", "中", "内", "里面", "当中", "之中", "其中", "\uff0c", ","}


def read(cursor: Cursor) -> None:
    """The ratio of flights to airports, the percentage of flights."""
    for place, mention in cursor.of_kind("ratio", "share"):
        cursor.take(place)
        if mention.kind == "share" and mention.said == "1" and cursor.chinese and _two_sides(cursor, place):
            return
        if mention.kind == "share":
            if cursor.found.share is None or cursor.found.share.whole is None:
                cursor.found.ratio = ([], [], mention.said)
                cursor.found.share = _share(cursor, place)
            continue
        if cursor.chinese and place and not any(each.kind == "element" for each in cursor.mentions[place + 1 :]):
            _chinese(cursor, place)
            return
        cursor.found.ratio = (*_sides(cursor, place), "")


def _two_sides(cursor: Cursor, place: int) -> bool:
    """Whether two things are compared: the ratio of cats and dogs."""
    elements = [n for n in range(place) if cursor.mentions[n].kind == "element"]
    values = [n for n in range(place) if cursor.mentions[n].kind == "value"]
    if any(mention.kind == "takes" for mention in cursor.mentions):
        return False
    if len(values) == 2 and cursor.mentions[values[1]].start - cursor.mentions[values[0]].end <= 2:
        # Men and women: how many of these to one of those.
        cursor.found.ratio = ([cursor.mentions[values[0]]], [cursor.mentions[values[1]]], "")
        cursor.take(*values)
        return True
    if len(elements) < 2:
        return False
    if not {"和", "与"} & set(cursor.between(elements[-2], elements[-1])):
        return False
    _chinese(cursor, place)
    return True


def _part(cursor: Cursor, place: int) -> range:
    """The tokens that say what has the share: those before 占, without the topic that they stand in."""
    takes = next((n for n, mention in cursor.of_kind("takes")), None)
    end = cursor.mentions[place if takes is None else takes].start
    if takes is not None:
        cursor.take(takes)
    inside = [n for n in range(end) if cursor.word(n) in _WITHIN]
    start = inside[-1] + 1 if inside else 0
    spoken = any(start <= mention.start < end for mention in cursor.mentions if mention.kind in ("element", "value"))
    return range(start if spoken else 0, end)


def _share(cursor: Cursor, place: int) -> Share:
    """Of all enrolled students, of the total amount: the noun behind the preposition is the whole."""
    mention = cursor.mentions[place]
    if cursor.chinese:
        return Share(None, 0, 0, _part(cursor, place))
    whole = cursor.after(place, ("element",), 4, ("distinct", "agg", "count", "value"))
    if whole is None or "of" not in cursor.stems(mention.end - 1, cursor.mentions[whole].start):
        return Share(None, mention.start, mention.end)
    noun = cursor.compound(whole)
    between = [n for n in range(place + 1, whole) if cursor.mentions[n].kind in ("agg", "count")]
    said = next((cursor.mentions[n].said for n in between if cursor.mentions[n].kind == "agg"), "count")
    cursor.take(*between, *range(whole, noun + 1))
    its = cursor.mentions[noun]
    return Share(Measure(said, its), mention.start, _verb(cursor, its.end))


def _verb(cursor: Cursor, start: int) -> int:
    """Where the verb of the main clause stands; that of those who have paid is another's."""
    relative = False
    for place in range(start, len(cursor.tokens)):
        stem = cursor.tokens[place].stem
        if stem in _AUXILIARIES and not relative:
            return place
        relative = stem in _RELATIVE or (relative and stem not in _AUXILIARIES)
    return start


def _chinese(cursor: Cursor, place: int) -> None:
    """Both sides stand before the word."""
    elements = [n for n in range(place) if cursor.mentions[n].kind == "element"]
    if len(elements) >= 2:
        cursor.found.ratio = ([cursor.mentions[elements[-2]]], [cursor.mentions[elements[-1]]], "")
        cursor.take(*elements[-2:])


def _sides(cursor: Cursor, place: int) -> tuple[list[Mention], list[Mention]]:
    sides: tuple[list[Mention], list[Mention]] = ([], [])
    side = 0
    start = cursor.mentions[place].end
    for other in range(place + 1, len(cursor.mentions)):
        its = cursor.mentions[other]
        passed = cursor.stems(start, its.start)
        if side == 0 and sides[0] and {"to", "and", "versus"} & set(passed):
            side = 1
        if (
            its.kind == "group"
            and cursor.word(its.start) == "by"
            and cursor.after(other, ("value",), 1, ()) is not None
        ):
            # Payments by card are no groups.
            cursor.take(other)
            start = its.end
            continue
        if its.kind in _ENDS or len(passed) > 4 or {"?", "."} & set(passed):
            break
        if side == 1 and sides[1] and {"for", "in", "of", "within"} & set(passed) and its.kind != "value":
            break
        if its.kind in ("element", "value"):
            sides[side].append(its)
            cursor.take(other)
        elif its.kind in ("count", "agg"):
            cursor.take(other)
        start = its.end
    return sides
