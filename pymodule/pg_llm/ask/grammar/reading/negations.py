"""Negations: bakers without batches, those who have never baked."""

from __future__ import annotations

from pg_llm.ask.grammar import chinese
from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.mention import Mention

_NEGATIVE_PRONOUNS = {"nobody", "nothing", "none", "no one", "no-one"}


def read_double_negation(cursor: Cursor) -> None:
    """A double negation requires what it names: skip managers without customers."""
    for index, mention in cursor.of_kind("except"):
        for other in (index + 1, index + 2, index - 1, index - 2):
            denial = cursor.mentions[other] if 0 <= other < len(cursor.mentions) else None
            if denial is None or denial.kind != "not" or other in cursor.consumed:
                continue
            first, last = sorted((mention, denial), key=lambda item: item.start)
            if any(token.kind == "punct" for token in cursor.tokens[first.end : last.start]):
                continue
            cursor.consume(index, other)
            following = cursor.after(other, ("element", "value"), 5, ())
            element = cursor.mention_at(following)
            if element is None and cursor.text(denial).lower() not in _NEGATIVE_PRONOUNS:
                cursor.parsed.unread.append(cursor.text(denial))
            elif element is not None and following is not None and element.kind == "element" and element.names_column:
                cursor.consume(following)
                cursor.parsed.required.append(element)
            break


def read(cursor: Cursor) -> None:
    """Read what must not exist."""
    for index, mention in cursor.of_kind("not", "except"):
        cursor.consume(index)
        following = cursor.after(index, ("element",), 5, ("distinct", "count", "group"))
        if following is None and cursor.chinese:
            following = cursor.after(index, ("element",), 6, ("cmp",))
        if following is None and cursor.chinese:
            following = _not_one(cursor, index)
        if following is None and cursor.chinese and _denies_event(cursor, mention.end):
            cursor.parsed.never_happened = True
            continue
        if following is None:
            cursor.parsed.unread.append(cursor.text(mention))
            continue
        cursor.consume(following)
        denied = cursor.mentions[following]
        more = cursor.after(following, ("element",), 3, ())
        passed = set(cursor.stems_between(following, more)) if more is not None else set()
        if more is not None and passed & {"any", "a"} and not passed & {"and", "or", "who", "that"}:
            cursor.consume(more)
            # Did not leave a review: only the review is negated.
            denied = cursor.mentions[more] if denied.role else denied
        cursor.parsed.negated.append(denied)
    for index, _ in _is_not(cursor):
        cursor.consume(index, index + 1)
        cursor.mentions[index + 1].role = "is"
        cursor.parsed.negated.append(cursor.mentions[index + 1])


def _not_one(cursor: Cursor, index: int) -> int | None:
    """Not even one: in Chinese the negated noun stands before the negation."""
    before = cursor.before(index, ("element",), 2)
    if before is None or before == 0 or cursor.mentions[before - 1].kind != "number":
        return None
    if cursor.mentions[before - 1].number != 1 or cursor.mentions[before].start - cursor.mentions[before - 1].end > 1:
        return None
    cursor.consume(before - 1)
    return before


def _denies_event(cursor: Cursor, start: int) -> bool:
    """True if only a verb is negated, for all times: nobody has borrowed it."""
    words = [word for word in cursor.stems(start, start + 4) if word != "被"]
    ends = words[2:3] in ([], ["的"], ["?"], ["\uff1f"])
    return len(words) > 1 and words[0] in chinese.VERBS and words[1] == "过" and ends


def _is_not(cursor: Cursor) -> list[tuple[int, Mention]]:
    """Chinese copulas negated before an element: who is no member."""
    words = cursor.of_kind("cmp") if cursor.chinese else ()
    return [
        (index, mention)
        for index, mention in words
        if mention.normalized == "<>" and cursor.after(index, ("element",), 0, ()) == index + 1
    ]
