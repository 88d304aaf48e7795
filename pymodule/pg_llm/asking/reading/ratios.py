"""Ratios and shares: what stands above, what below."""

from __future__ import annotations

from pg_llm.asking.mention import Mention
from pg_llm.asking.reading.cursor import Cursor

# What begins another part of the question.
_ENDS = ("group", "order", "super", "cmp", "not")


def read(cursor: Cursor) -> None:
    """The ratio of flights to airports, the percentage of flights."""
    for place, mention in cursor.of_kind("ratio", "share"):
        cursor.take(place)
        if mention.kind == "share":
            cursor.found.share = True
            cursor.found.ratio = ([], [], mention.said)
            continue
        if cursor.chinese and place and not any(each.kind == "element" for each in cursor.mentions[place + 1 :]):
            _chinese(cursor, place)
            return
        cursor.found.ratio = (*_sides(cursor, place), "")


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
