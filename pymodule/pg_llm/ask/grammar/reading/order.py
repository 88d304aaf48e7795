"""Order: sorted by name, by the number of flights in descending order, cheapest first, the oldest to the newest."""

from __future__ import annotations

from pg_llm.ask.grammar.reading import chinese_order
from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parsed_question import Order

_ARTICLES = {"the", "a", "an", "one", "ones", "those", "with"}
_ENDS = {"first", "last"}


def read_leading_superlatives(cursor: Cursor) -> None:
    """Superlatives that say where all rows begin: cheapest first, starting with the lowest, newest to oldest."""
    for place, mention in cursor.of_kind("super"):
        of = cursor.after(place, ("element", "agg", "count"), 0, ())
        if of is not None and cursor.word(cursor.mentions[of].start) in _ENDS:
            of = None
        last = place if of is None else of
        used = [place, last]
        behind = last + 1
        if end := _closing_end(cursor, last):
            for n in range(behind, len(cursor.mentions)):
                if cursor.mentions[n].start < end:
                    # Whatever else is called first.
                    cursor.discard(n)
        elif _reaches_opposite(cursor, last):
            more = cursor.after(behind, ("element",), 0, ())
            used += [behind, *([more] if more is not None else [])]
        elif _follows_start(cursor, place) and cursor.ends_clause(cursor.mentions[last].end):
            used.append(place - 1)
        else:
            continue
        cursor.consume(*used)
        side, _, attribute = mention.normalized.partition(".")
        its = cursor.mention_at(of)
        operand = its if its is not None and its.kind == "element" else None
        cursor.parsed.order.append(Order(side == "desc", operand, attribute=attribute or "*"))


def _closing_end(cursor: Cursor, last: int) -> int:
    """The end of a first that closes a clause, else 0: most pages first, the best one first, last registered first."""
    end = cursor.mentions[last].end
    end += cursor.word(end) in _ARTICLES or cursor.word(end).endswith("ed")
    return end + 1 if cursor.word(end) in _ENDS and cursor.ends_clause(end + 1) else 0


def _reaches_opposite(cursor: Cursor, last: int) -> bool:
    """Whether the rows go on to the other end: from the newest account to the oldest."""
    behind = cursor.after(last, ("super",), 2, ())
    return behind is not None and cursor.stems_between(last, behind) in (["to"], ["to", "the"])


def _follows_start(cursor: Cursor, place: int) -> bool:
    """Whether rows start with these."""
    before = place - 1
    if before < 0 or before in cursor.consumed or cursor.mentions[before].kind != "start":
        return False
    return set(cursor.stems_between(before, place)) <= _ARTICLES


def read(cursor: Cursor) -> None:
    """By what rows are ordered, and whether from the largest."""
    if cursor.chinese:
        chinese_order.read(cursor)
        return
    order = cursor.parsed.order
    down = None
    for place, mention in cursor.of_kind("direction"):
        cursor.consume(place)
        down = mention.normalized == "desc"
        of = cursor.after(place, ("element",), 2, ())
        if of is not None and cursor.stems_between(place, of)[:1] == ["of"]:
            cursor.consume(of)
            order.append(Order(down, cursor.mentions[of]))
    for place, mention in cursor.of_kind("order"):
        cursor.consume(place)
        if mention.normalized in ("word", "of"):
            by = cursor.after(place, ("group",), 1, ())
            of = cursor.after(by, ("element",), 1, ()) if by is not None else None
            if by is not None and of is not None:
                cursor.consume(by, of)
            order.append(Order(bool(down), cursor.mention_at(of)))
            continue
        said = _sort_key(cursor, place, mention.normalized == "verb")
        if said is None:
            continue
        if down is not None:
            said.descending = down
        elif order and order[0].operand is None and order[0].measure is None:
            # Sorted by price, cheapest first: the words that follow say only the direction.
            said.descending, said.attribute = order[0].descending, order[0].attribute
            del order[0]
        order.append(said)
    if down is not None and not order:
        order.append(Order(down))
    _read_by(cursor)


def _read_by(cursor: Cursor) -> None:
    """The stays by arrival, latest first: where nothing is counted, the by says no group but of what the first is."""
    order = cursor.parsed.order
    if not order or order[0].operand is not None or any(True for _ in cursor.of_kind("count", "agg")):
        return
    for place, mention in cursor.of_kind("group"):
        of = cursor.after(place, ("element",), 1, ()) if cursor.text(mention).lower() == "by" else None
        if of is not None:
            cursor.consume(place, of)
            order[0].operand = cursor.mentions[of]
            return


def _sort_key(cursor: Cursor, place: int, verb: bool) -> Order | None:
    """What rows are ordered by, that follows the word; a verb has its object between."""
    start = place
    if verb:
        by = next((n for n, its in cursor.of_kind("group") if n > place and cursor.word(its.start) == "by"), None)
        if by is None:
            return Order(True)
        cursor.consume(by)
        start = by
    following = cursor.after(start, ("element", "count", "agg"), 3, ("distinct",))
    if following is None:
        return None if verb else Order(False)
    its = cursor.mentions[following]
    # Who ranks begins with the best.
    down = verb and cursor.word(cursor.mentions[place].start) == "rank"
    if its.kind == "element":
        cursor.consume(following)
        return Order(down, its)
    of = cursor.after(following, ("element",), 3, ("distinct", "count"))
    if of is None:
        return None
    cursor.consume(*range(following, of + 1))
    whose = cursor.after(of, ("element",), 2, ())
    if whose is not None and cursor.stems_between(of, whose)[:1] in (["of"], ["for"], ["in"]):
        cursor.consume(whose)
        cursor.parsed.context.append(cursor.mentions[whose])
    return Order(down, measure=cursor.measure(following, of))
