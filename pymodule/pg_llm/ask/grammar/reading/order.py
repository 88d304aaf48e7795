"""ORDER BY: sorted by name, by the number of flights in descending order, cheapest first, oldest to newest."""

from __future__ import annotations

from pg_llm.ask.grammar.reading import chinese_order
from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parsed_question import Order

_ARTICLES = {"the", "a", "an", "one", "ones", "those", "with"}
_ENDS = {"first", "last"}


def read_leading_superlatives(cursor: Cursor) -> None:
    """Superlatives that order all rows: cheapest first, starting with the lowest, newest to oldest."""
    for index, mention in cursor.of_kind("super"):
        operand_place = cursor.after(index, ("element", "agg", "count"), 0, ())
        if operand_place is not None and cursor.word(cursor.mentions[operand_place].start) in _ENDS:
            operand_place = None
        last = index if operand_place is None else operand_place
        used = [index, last]
        following = last + 1
        if end := _closing_end(cursor, last):
            for n in range(following, len(cursor.mentions)):
                if cursor.mentions[n].start < end:
                    # `first` here is no name of a column.
                    cursor.discard(n)
        elif _reaches_opposite(cursor, last):
            more = cursor.after(following, ("element",), 0, ())
            used += [following, *([more] if more is not None else [])]
        elif _follows_start(cursor, index) and cursor.ends_clause(cursor.mentions[last].end):
            used.append(index - 1)
        else:
            continue
        cursor.consume(*used)
        side, _, attribute = mention.normalized.partition(".")
        element = cursor.mention_at(operand_place)
        operand = element if element is not None and element.kind == "element" else None
        cursor.parsed.order.append(Order(side == "desc", operand, attribute=attribute or "*"))


def _closing_end(cursor: Cursor, last: int) -> int:
    """The end of a phrase that closes with first or last, else 0: most pages first, the best one first."""
    end = cursor.mentions[last].end
    end += cursor.word(end) in _ARTICLES or cursor.word(end).endswith("ed")
    return end + 1 if cursor.word(end) in _ENDS and cursor.ends_clause(end + 1) else 0


def _reaches_opposite(cursor: Cursor, last: int) -> bool:
    """True for a range between two superlatives: from the newest account to the oldest."""
    following = cursor.after(last, ("super",), 2, ())
    return following is not None and cursor.stems_between(last, following) in (["to"], ["to", "the"])


def _follows_start(cursor: Cursor, index: int) -> bool:
    """True after `starting with`."""
    before = index - 1
    if before < 0 or before in cursor.consumed or cursor.mentions[before].kind != "start":
        return False
    return set(cursor.stems_between(before, index)) <= _ARTICLES


def read(cursor: Cursor) -> None:
    """Read sort keys and directions."""
    if cursor.chinese:
        chinese_order.read(cursor)
        return
    order = cursor.parsed.order
    down = None
    for index, mention in cursor.of_kind("direction"):
        cursor.consume(index)
        down = mention.normalized == "desc"
        operand = cursor.after(index, ("element",), 2, ())
        if operand is not None and cursor.stems_between(index, operand)[:1] == ["of"]:
            cursor.consume(operand)
            order.append(Order(down, cursor.mentions[operand]))
    for index, mention in cursor.of_kind("order"):
        cursor.consume(index)
        if mention.normalized in ("word", "of"):
            by = cursor.after(index, ("group",), 1, ())
            operand = cursor.after(by, ("element",), 1, ()) if by is not None else None
            if by is not None and operand is not None:
                cursor.consume(by, operand)
            order.append(Order(bool(down), cursor.mention_at(operand)))
            continue
        sort_key = _sort_key(cursor, index, mention.normalized == "verb")
        if sort_key is None:
            continue
        if down is not None:
            sort_key.descending = down
        elif order and order[0].operand is None and order[0].measure is None:
            # Sorted by price, cheapest first: the second phrase gives only the direction.
            sort_key.descending, sort_key.attribute = order[0].descending, order[0].attribute
            del order[0]
        order.append(sort_key)
    if down is not None and not order:
        order.append(Order(down))
    _read_by(cursor)


def _read_by(cursor: Cursor) -> None:
    """The stays by arrival, latest first: `by` names the sort key if nothing is counted."""
    order = cursor.parsed.order
    if not order or order[0].operand is not None or any(True for _ in cursor.of_kind("count", "agg")):
        return
    for index, mention in cursor.of_kind("group"):
        operand = cursor.after(index, ("element",), 1, ()) if cursor.text(mention).lower() == "by" else None
        if operand is not None:
            cursor.consume(index, operand)
            order[0].operand = cursor.mentions[operand]
            return


def _sort_key(cursor: Cursor, index: int, verb: bool) -> Order | None:
    """The sort key after the marker; a verb has its object between them."""
    start = index
    if verb:
        by = next(
            (n for n, mention in cursor.of_kind("group") if n > index and cursor.word(mention.start) == "by"), None
        )
        if by is None:
            return Order(True)
        cursor.consume(by)
        start = by
    following = cursor.after(start, ("element", "count", "agg"), 3, ("distinct",))
    if following is None:
        return None if verb else Order(False)
    mention = cursor.mentions[following]
    # Ranks begin with the best.
    down = verb and cursor.word(cursor.mentions[index].start) == "rank"
    if mention.kind == "element":
        cursor.consume(following)
        return Order(down, mention)
    operand = cursor.after(following, ("element",), 3, ("distinct", "count"))
    if operand is None:
        return None
    cursor.consume(*range(following, operand + 1))
    owner = cursor.after(operand, ("element",), 2, ())
    if owner is not None and cursor.stems_between(operand, owner)[:1] in (["of"], ["for"], ["in"]):
        cursor.consume(owner)
        cursor.parsed.context.append(cursor.mentions[owner])
    return Order(down, measure=cursor.measure(following, operand))
