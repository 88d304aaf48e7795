"""ORDER BY in Chinese, where the sort key stands before the direction: 按价格从高到低."""

from __future__ import annotations

from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parsed_question import Order


def read(cursor: Cursor) -> None:
    """Read the sort key right before each direction."""
    for index, mention in cursor.of_kind("direction", "order"):
        cursor.consume(index)
        other = index + 1
        down = mention.normalized == "desc"
        while other < len(cursor.mentions) and cursor.mentions[other].kind in ("direction", "order"):
            # Of several direction words one that is descending wins: 从高到低排序.
            down |= cursor.mentions[other].normalized == "desc"
            cursor.consume(other)
            other += 1
        cursor.parsed.order.append(_sort_key(cursor, index, down))


def _sort_key(cursor: Cursor, index: int, down: bool) -> Order:
    """The column, count or aggregate before the direction; without one, what is selected anyway."""
    near = cursor.before(index, ("element", "count"), 1)
    if near is None or not _is_adjacent(cursor, near, index):
        return Order(down)
    operand = cursor.before(near, ("element",), 1) if cursor.mentions[near].kind == "count" else near
    agg = cursor.before(near, ("agg",), 0) if cursor.mentions[near].kind == "element" else near
    measure = None if agg is None else cursor.measure(agg, operand)
    first = min(n for n in (near, operand, agg) if n is not None)
    before = first - 1
    if before >= 0 and cursor.mentions[before].kind == "group" and _is_adjacent(cursor, before, first):
        cursor.consume(*range(before, near + 1))
        return Order(down, None if measure else cursor.mentions[near], measure=measure)
    if measure is not None:
        return Order(down)
    cursor.consume(near)
    return Order(down, cursor.mentions[near])


def _is_adjacent(cursor: Cursor, left: int, right: int) -> bool:
    """True if only words without content stand between."""
    between = cursor.tokens[cursor.mentions[left].end : cursor.mentions[right].start]
    return all(token.kind == "word" for token in between)
