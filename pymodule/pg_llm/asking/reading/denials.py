"""Denials: bakers without batches, those who have never baked."""

from __future__ import annotations

from pg_llm.asking.reading.cursor import Cursor


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
