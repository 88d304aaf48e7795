"""Order: sorted by name, by the number of flights in descending order."""

from __future__ import annotations

from pg_llm.asking.reading.cursor import Cursor
from pg_llm.asking.reading.parts import Measure


def read(cursor: Cursor) -> None:
    """By what rows are ordered, and whether from the largest."""
    order = cursor.found.order
    down = None
    for place, mention in cursor.of_kind("direction"):
        cursor.take(place)
        down = mention.said == "desc"
    for place, mention in cursor.of_kind("order"):
        cursor.take(place)
        if mention.said in ("word", "of"):
            by = cursor.after(place, ("group",), 1, ())
            of = cursor.after(by, ("element",), 1, ()) if by is not None else None
            if by is not None and of is not None:
                cursor.take(by, of)
            order.append((cursor.at(of), bool(down)))
            continue
        if cursor.chinese:
            near = cursor.before(place, ("element", "count"), 3)
            if near is not None:
                _chinese(cursor, near, bool(down))
            continue
        following = cursor.after(place, ("element", "count", "agg"), 3, ("distinct",))
        if following is None:
            order.append((None, bool(down)))
            continue
        its = cursor.mentions[following]
        if its.kind == "element":
            cursor.take(following)
            order.append((its, bool(down)))
            continue
        of = cursor.after(following, ("element",), 3, ("distinct", "count"))
        if of is not None:
            cursor.take(*range(following, of + 1))
            order.append((cursor.measure(following, of), bool(down)))
    if down is not None and not order:
        order.append((None, down))


def _chinese(cursor: Cursor, near: int, down: bool) -> None:
    """By what stands before the word."""
    its = cursor.mentions[near]
    if its.kind == "element":
        cursor.take(near)
        cursor.found.order.append((its, down))
    else:
        cursor.found.order.append((Measure("count"), down))
