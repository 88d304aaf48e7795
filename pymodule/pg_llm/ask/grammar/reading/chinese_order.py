"""Order in Chinese, where by what stands before how: 按价格从高到低."""

from __future__ import annotations

from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parts import Order


def read(cursor: Cursor) -> None:
    """By what stands right before the words that say how."""
    for place, mention in cursor.of_kind("direction", "order"):
        cursor.take(place)
        other = place + 1
        down = mention.said == "desc"
        while other < len(cursor.mentions) and cursor.mentions[other].kind in ("direction", "order"):
            # From high to low, sorted: the direction says more.
            down |= cursor.mentions[other].said == "desc"
            cursor.take(other)
            other += 1
        cursor.found.order.append(_by(cursor, place, down))


def _by(cursor: Cursor, place: int, down: bool) -> Order:
    """The column, count or aggregate; of none it is said where what is shown anyway is meant."""
    near = cursor.before(place, ("element", "count"), 1)
    if near is None or not _touches(cursor, near, place):
        return Order(down)
    of = cursor.before(near, ("element",), 1) if cursor.mentions[near].kind == "count" else near
    agg = cursor.before(near, ("agg",), 0) if cursor.mentions[near].kind == "element" else near
    measure = None if agg is None else cursor.measure(agg, of)
    first = min(n for n in (near, of, agg) if n is not None)
    before = first - 1
    if before >= 0 and cursor.mentions[before].kind == "group" and _touches(cursor, before, first):
        cursor.take(*range(before, near + 1))
        return Order(down, None if measure else cursor.mentions[near], measure=measure)
    if measure is not None:
        return Order(down)
    cursor.take(near)
    return Order(down, cursor.mentions[near])


def _touches(cursor: Cursor, left: int, right: int) -> bool:
    """Whether nothing but words without meaning stands between."""
    between = cursor.tokens[cursor.mentions[left].end : cursor.mentions[right].start]
    return all(token.kind == "word" for token in between)
