"""Denials: bakers without batches, those who have never baked."""

from __future__ import annotations

from pg_llm.asking.reading.cursor import Cursor

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
            elif its is not None and following is not None and its.kind == "element" and its.refs[0][0][1] >= 0:
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
