"""Superlatives: the oldest, the top 3 by price, the most books."""

from __future__ import annotations

import itertools

from pg_llm.ask.grammar import lexicon
from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parts import Measure, Superlative
from pg_llm.ask.mention import Mention

# What begins a part that the superlative does not speak of.
_APART = {"of", "in", "for", "by", "with", "who", "that", "which", "from", "on"}
_BY = {"by", "in terms of", "according to", "based on"}
# Words around a number of things that are ranked: which three hotels with the most rooms.
_LINKING = {"with", "have", "be", "that", "who", "which", "by"}
_COUNTED = {"", "the", "which", "what", "list", "show", "give", "me", "find", "name", "of", "our", "those", "is", "are"}


def read(cursor: Cursor) -> None:
    """How many come first, and by what."""
    for place, mention in cursor.of_kind("super", "top"):
        used = [place]
        number = _touching(cursor, place)
        number = _leading(cursor, place) if number is None else number
        n = 1 if number is None else max(1, int(cursor.mentions[number].number))
        if number is not None:
            used.append(number)
        if cursor.chinese and number is None and (following := cursor.after(place, ("top",), 1, ())) is not None:
            # The highest, of them the first 3.
            number = _touching(cursor, following)
            n = 1 if number is None else max(1, int(cursor.mentions[number].number))
            used += [following, *([number] if number is not None else [])]
        words = [token.text.lower() for token in cursor.tokens[mention.start : mention.end]]
        more = cursor.after(max(used), ("super",), 2, ())
        if words == ["top"] and more is not None:
            # The top 5 highest paid: the second says by what.
            cursor.take(*used)
            cursor.mentions[more].number = float(n)
            cursor.mentions[more].role = "n"
            continue
        found = _begun(mention, words[0] if words else "", n, number is None)
        found.skipped = lexicon.ORDINALS.get(cursor.word(mention.start - 1), 1) - 1
        _operand(cursor, place, used, found)
        cursor.take(*used)
        if cursor.chinese and found.noun is None:
            found.noun = _noun(cursor, max(used))
        if cursor.chinese and _is_measure(cursor, mention, found):
            cursor.found.measures.append(Measure("max" if found.down else "min", found.operand))
            continue
        _by(cursor, found)
        cursor.found.superlatives.append(found)
    _merge(cursor)


def _begun(mention: Mention, word: str, n: int, plain: bool) -> Superlative:
    """What the word alone says."""
    n = int(mention.number) if mention.role == "n" else n
    if mention.kind == "top":
        return Superlative(True, n, word=word, plain=plain)
    return Superlative(mention.said.startswith("desc"), n, mention.said.partition(".")[2], word=word, plain=plain)


def _touching(cursor: Cursor, place: int) -> int | None:
    """The number beside a word."""
    mention = cursor.mentions[place]
    for other in (place + 1, place - 1):
        if 0 <= other < len(cursor.mentions) and other not in cursor.done and cursor.mentions[other].kind == "number":
            its = cursor.mentions[other]
            if 0 <= its.start - mention.end <= 1 or its.end == mention.start:
                return other
    return None


def _leading(cursor: Cursor, place: int) -> int | None:
    """The number before the noun that is ranked: which three hotels have the most rooms."""
    noun = cursor.before(place, ("element",), 3)
    number = cursor.before(noun, ("number",), 0) if noun is not None else None
    if number is None or _LINKING.isdisjoint(cursor.between(place - 1, place)):
        return None
    return number if cursor.word(cursor.mentions[number].start - 1) in _COUNTED else None


def _operand(cursor: Cursor, place: int, used: list[int], found: Superlative) -> None:
    """By what: an attribute the word has, a number of things, or a column beside it."""
    last = max(used)
    if cursor.chinese and _chinese(cursor, place, used, found):
        return
    counted = cursor.after(last, ("count", "agg"), 2, ())
    if counted is not None and found.attribute in ("", "*"):
        of = cursor.after(counted, ("element",), 3, ("distinct", "count"))
        if of is None and (of := cursor.described(counted)) is not None:
            found.measure = cursor.measure(counted, of)
            used += [counted]
            return
        if of is not None:
            noun = cursor.noun(of)
            found.measure = cursor.measure(counted, noun)
            used += [*range(counted, of + 1), noun]
            return
    if found.attribute == "*":
        return
    done = cursor.before(place, ("element",), 0)
    if found.attribute == "date" and done is not None and cursor.mentions[done].role == "verb":
        # Hired first.
        found.operand = cursor.mentions[done]
        used.append(done)
        return
    of = cursor.after(last, ("element",), 2, ("distinct",))
    if of is not None and cursor.chinese and cursor.mentions[of].names_table:
        # The dearest goods: whose name is asked, as any noun at the end.
        found.noun = cursor.mentions[of]
        return
    if of is not None and not _APART & set(cursor.between(last, of)):
        found.operand = cursor.mentions[of]
        used.append(of)


def _chinese(cursor: Cursor, place: int, used: list[int], found: Superlative) -> bool:
    """Whether it stands before the word."""
    following = cursor.after(place, ("element",), 0, ())
    if following is not None and cursor.mentions[following].names_column and not _right_before(cursor, place):
        # The highest mark, said as one word.
        found.operand = cursor.mentions[following]
        used.append(following)
        return True
    near = place - 1
    while near >= 0 and near in used:
        near -= 1
    if near < 0 or near in cursor.done:
        return False
    its = cursor.mentions[near]
    if its.kind == "count":
        of = cursor.before(near)
        found.measure = cursor.measure(near, of)
        used += [near, *([of] if of is not None else [])]
        return True
    of = cursor.before(near, ("element",), 0) if its.kind == "agg" else None
    if of is not None and its.end == cursor.mentions[place].start:
        # The fines' total highest.
        found.measure = cursor.measure(near, of)
        used += [near, of]
        return True
    if its.kind != "element" or cursor.mentions[place].start - its.end > 1:
        return False
    if found.attribute and its.names_table:
        # Each shop's dearest: that shops are dear is not said.
        return False
    used.append(near)
    _by_element(cursor, near, used, found)
    return True


def _by_element(cursor: Cursor, near: int, used: list[int], found: Superlative) -> None:
    """An element before the word: how often it happened, what is measured of it, or itself."""
    its = cursor.mentions[near]
    if its.role == "verb" and not found.attribute:
        # Who ordered most.
        found.measure = Measure("count", its)
    elif near > 0 and cursor.mentions[near - 1].kind == "agg" and near - 1 not in cursor.done:
        found.measure = cursor.measure(near - 1, near)
        used.append(near - 1)
    else:
        found.operand = its


def _noun(cursor: Cursor, place: int) -> Mention | None:
    """What is the first: the table behind the words."""
    of = cursor.after(place, ("element",), 2, ())
    return cursor.mentions[of] if of is not None and cursor.mentions[of].names_table else None


def _is_measure(cursor: Cursor, mention: Mention, found: Superlative) -> bool:
    """The highest mark itself, in one word, and not whose it is."""
    of = found.operand
    if of is None or of.start != mention.end or of.names_table or not found.plain:
        return False
    behind = cursor.word(of.end)
    return behind != "的" and not any(each in behind for each in ("谁", "哪"))


def _right_before(cursor: Cursor, place: int) -> bool:
    """Whether a column or a count stands right before: the price highest."""
    near = cursor.before(place, ("element", "count"), 0)
    return near is not None and (cursor.mentions[near].kind == "count" or cursor.mentions[near].names_column)


def _by(cursor: Cursor, found: Superlative) -> None:
    """The top 3 products by price: what stands before the by is asked for."""
    if found.measure is not None or (found.attribute and found.word not in ("first", "last")):
        return
    for place, mention in cursor.of_kind("group"):
        if cursor.text(mention).lower() not in _BY:
            continue
        of = cursor.after(place, ("element", "count", "agg"), 2, ())
        if of is None:
            continue
        its = cursor.mentions[of]
        measure = None
        if its.kind != "element":
            inner = cursor.after(of, ("element",), 5, ("count", "distinct"))
            if inner is None:
                continue
            measure = cursor.measure(of, inner)
            cursor.take(*range(of, inner + 1))
        cursor.take(place, of)
        judged = cursor.tokens[mention.start - 1].text
        cursor.found.unread = [word for word in cursor.found.unread if word != judged]
        cursor.free(found.operand)
        found.operand, found.measure, found.attribute = (None, measure, "") if measure else (its, None, "")
        return


def _merge(cursor: Cursor) -> None:
    """The top 3 courses with the highest number of students: how many, and by what; the least and most of one."""
    found = cursor.found.superlatives
    if len(found) == 2 and found[1].word == "top" and found[1].bare and not found[0].bare:
        # Those with the most books, the top 3 only.
        found[0].n, found[0].plain = found[1].n, False
        del found[1]
    for first, second in itertools.pairwise(found):
        if (
            first.operand is None
            and first.measure is None
            and not first.attribute
            and second.operand is not None
            and first.plain
            and first.word != "top"
        ):
            first.operand = second.operand
    if (
        len(found) == 2
        and not found[0].attribute
        and found[0].measure is None
        and (not found[0].plain or found[0].word == "top")
        and found[0].down
    ):
        cursor.free(found[0].operand)
        found[1].n, found[1].plain = found[0].n, found[0].plain
        del found[0]
