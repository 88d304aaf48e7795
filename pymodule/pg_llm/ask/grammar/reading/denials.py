"""Denials: bakers without batches, those who have never baked."""

from __future__ import annotations

from pg_llm.ask.grammar import chinese
from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.mention import Mention

_NOBODY = {"nobody", "nothing", "none", "no one", "no-one"}


def doubled(cursor: Cursor) -> None:
    """Skip managers without customers: what is denied twice is there."""
    for place, mention in cursor.of_kind("except"):
        for other in (place + 1, place + 2, place - 1, place - 2):
            denial = cursor.mentions[other] if 0 <= other < len(cursor.mentions) else None
            if denial is None or denial.kind != "not" or other in cursor.done:
                continue
            first, last = sorted((mention, denial), key=lambda each: each.start)
            if any(token.kind == "punct" for token in cursor.tokens[first.end : last.start]):
                continue
            cursor.take(place, other)
            following = cursor.after(other, ("element", "value"), 5, ())
            its = cursor.at(following)
            if its is None and cursor.text(denial).lower() not in _NOBODY:
                cursor.found.unread.append(cursor.text(denial))
            elif its is not None and following is not None and its.kind == "element" and its.names_column:
                cursor.take(following)
                cursor.found.known.append(its)
            break


def read(cursor: Cursor) -> None:
    """What is not there."""
    for place, mention in cursor.of_kind("not", "except"):
        cursor.take(place)
        following = cursor.after(place, ("element",), 5, ("distinct", "count", "group"))
        if following is None and cursor.chinese:
            following = cursor.after(place, ("element",), 6, ("cmp",))
        if following is None and cursor.chinese:
            following = _not_one(cursor, place)
        if following is None and cursor.chinese and _never(cursor, mention.end):
            cursor.found.never = True
            continue
        if following is None:
            cursor.found.unread.append(cursor.text(mention))
            continue
        cursor.take(following)
        denied = cursor.mentions[following]
        more = cursor.after(following, ("element",), 3, ())
        passed = set(cursor.between(following, more)) if more is not None else set()
        if more is not None and passed & {"any", "a"} and not passed & {"and", "or", "who", "that"}:
            cursor.take(more)
            # Did not leave a review: the verb says nothing that the review does not.
            denied = cursor.mentions[more] if denied.role else denied
        cursor.found.denied.append(denied)
    for place, _ in _is_not(cursor):
        cursor.take(place, place + 1)
        cursor.mentions[place + 1].role = "is"
        cursor.found.denied.append(cursor.mentions[place + 1])


def _not_one(cursor: Cursor, place: int) -> int | None:
    """Not even one: what there is not one of stands before the denial."""
    before = cursor.before(place, ("element",), 2)
    if before is None or before == 0 or cursor.mentions[before - 1].kind != "number":
        return None
    if cursor.mentions[before - 1].number != 1 or cursor.mentions[before].start - cursor.mentions[before - 1].end > 1:
        return None
    cursor.take(before - 1)
    return before


def _never(cursor: Cursor, start: int) -> bool:
    """Whether a verb alone is denied of all times: nobody has borrowed it."""
    words = [word for word in cursor.stems(start, start + 4) if word != "被"]
    ends = words[2:3] in ([], ["的"], ["?"], ["\uff1f"])
    return len(words) > 1 and words[0] in chinese.VERBS and words[1] == "过" and ends


def _is_not(cursor: Cursor) -> list[tuple[int, Mention]]:
    """Words that say that something is no other thing, in Chinese, with this thing behind them: who is no member."""
    words = cursor.of_kind("cmp") if cursor.chinese else ()
    return [
        (place, mention)
        for place, mention in words
        if mention.said == "<>" and cursor.after(place, ("element",), 0, ()) == place + 1
    ]
