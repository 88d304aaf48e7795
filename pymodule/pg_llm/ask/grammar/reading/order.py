"""Order: sorted by name, by the number of flights in descending order, cheapest first, the oldest to the newest."""

from __future__ import annotations

from pg_llm.ask.grammar.reading import chinese_order
from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parts import Order

_ARTICLES = {"the", "a", "an", "one", "ones", "those", "with"}
_ENDS = {"first", "last"}


def ends(cursor: Cursor) -> None:
    """Superlatives that say where all rows begin: cheapest first, starting with the lowest, newest to oldest."""
    for place, mention in cursor.of_kind("super"):
        of = cursor.after(place, ("element", "agg", "count"), 0, ())
        if of is not None and cursor.word(cursor.mentions[of].start) in _ENDS:
            of = None
        last = place if of is None else of
        used = [place, last]
        behind = last + 1
        if end := _closes(cursor, last):
            for n in range(behind, len(cursor.mentions)):
                if cursor.mentions[n].start < end:
                    # Whatever else is called first.
                    cursor.drop(n)
        elif _opposite(cursor, last):
            more = cursor.after(behind, ("element",), 0, ())
            used += [behind, *([more] if more is not None else [])]
        elif _begins(cursor, place) and cursor.closed(cursor.mentions[last].end):
            used.append(place - 1)
        else:
            continue
        cursor.take(*used)
        side, _, attribute = mention.said.partition(".")
        its = cursor.at(of)
        operand = its if its is not None and its.kind == "element" else None
        cursor.found.order.append(Order(side == "desc", operand, attribute=attribute or "*"))


def _closes(cursor: Cursor, last: int) -> int:
    """The end of a first that closes a clause, else 0: most pages first, the best one first, last registered first."""
    end = cursor.mentions[last].end
    end += cursor.word(end) in _ARTICLES or cursor.word(end).endswith("ed")
    return end + 1 if cursor.word(end) in _ENDS and cursor.closed(end + 1) else 0


def _opposite(cursor: Cursor, last: int) -> bool:
    """Whether the rows go on to the other end: from the newest account to the oldest."""
    behind = cursor.after(last, ("super",), 2, ())
    return behind is not None and cursor.between(last, behind) in (["to"], ["to", "the"])


def _begins(cursor: Cursor, place: int) -> bool:
    """Whether rows start with these."""
    before = place - 1
    if before < 0 or before in cursor.done or cursor.mentions[before].kind != "start":
        return False
    return set(cursor.between(before, place)) <= _ARTICLES


def read(cursor: Cursor) -> None:
    """By what rows are ordered, and whether from the largest."""
    if cursor.chinese:
        chinese_order.read(cursor)
        return
    order = cursor.found.order
    down = None
    for place, mention in cursor.of_kind("direction"):
        cursor.take(place)
        down = mention.said == "desc"
        of = cursor.after(place, ("element",), 2, ())
        if of is not None and cursor.between(place, of)[:1] == ["of"]:
            cursor.take(of)
            order.append(Order(down, cursor.mentions[of]))
    for place, mention in cursor.of_kind("order"):
        cursor.take(place)
        if mention.said in ("word", "of"):
            by = cursor.after(place, ("group",), 1, ())
            of = cursor.after(by, ("element",), 1, ()) if by is not None else None
            if by is not None and of is not None:
                cursor.take(by, of)
            order.append(Order(bool(down), cursor.at(of)))
            continue
        said = _said(cursor, place, mention.said == "verb")
        if said is None:
            continue
        if down is not None:
            said.down = down
        elif order and order[0].operand is None and order[0].measure is None:
            # Sorted by price, cheapest first: the words that follow say only the direction.
            said.down, said.attribute = order[0].down, order[0].attribute
            del order[0]
        order.append(said)
    if down is not None and not order:
        order.append(Order(down))
    _by(cursor)


def _by(cursor: Cursor) -> None:
    """The stays by arrival, latest first: where nothing is counted, the by says no group but of what the first is."""
    order = cursor.found.order
    if not order or order[0].operand is not None or any(True for _ in cursor.of_kind("count", "agg")):
        return
    for place, mention in cursor.of_kind("group"):
        of = cursor.after(place, ("element",), 1, ()) if cursor.text(mention).lower() == "by" else None
        if of is not None:
            cursor.take(place, of)
            order[0].operand = cursor.mentions[of]
            return


def _said(cursor: Cursor, place: int, verb: bool) -> Order | None:
    """What rows are ordered by, that follows the word; a verb has its object between."""
    start = place
    if verb:
        by = next((n for n, its in cursor.of_kind("group") if n > place and cursor.word(its.start) == "by"), None)
        if by is None:
            return Order(True)
        cursor.take(by)
        start = by
    following = cursor.after(start, ("element", "count", "agg"), 3, ("distinct",))
    if following is None:
        return None if verb else Order(False)
    its = cursor.mentions[following]
    # Who ranks begins with the best.
    down = verb and cursor.word(cursor.mentions[place].start) == "rank"
    if its.kind == "element":
        cursor.take(following)
        return Order(down, its)
    of = cursor.after(following, ("element",), 3, ("distinct", "count"))
    if of is None:
        return None
    cursor.take(*range(following, of + 1))
    whose = cursor.after(of, ("element",), 2, ())
    if whose is not None and cursor.between(of, whose)[:1] in (["of"], ["for"], ["in"]):
        cursor.take(whose)
        cursor.found.context.append(cursor.mentions[whose])
    return Order(down, measure=cursor.measure(following, of))
