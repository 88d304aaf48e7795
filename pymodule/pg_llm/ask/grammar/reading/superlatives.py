"""Superlatives: the oldest, the top 3 by price, the most books."""

from __future__ import annotations

import itertools

from pg_llm.ask.grammar import lexicon
from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parsed_question import Measure, Superlative
from pg_llm.ask.mention import Mention

# Words that begin a phrase which the superlative does not modify.
_CLAUSE_WORDS = {"of", "in", "for", "by", "with", "who", "that", "which", "from", "on"}
_BY = {"by", "in terms of", "according to", "based on"}
# Words around a numbered noun that is ranked: which three hotels with the most rooms.
_LINKING = {"with", "have", "be", "that", "who", "which", "by"}
_COUNTED = {"", "the", "which", "what", "list", "show", "give", "me", "find", "name", "of", "our", "those", "is", "are"}


def read(cursor: Cursor) -> None:
    """Read superlatives with their limits and operands."""
    for index, mention in cursor.of_kind("super", "top"):
        used = [index]
        number = _adjacent_number(cursor, index)
        number = _number_before_noun(cursor, index) if number is None else number
        n = 1 if number is None else max(1, int(cursor.mentions[number].number))
        if number is not None:
            used.append(number)
        if cursor.chinese and number is None and (following := cursor.after(index, ("top",), 1, ())) is not None:
            # 最高的前3: the limit follows the superlative.
            number = _adjacent_number(cursor, following)
            n = 1 if number is None else max(1, int(cursor.mentions[number].number))
            used += [following, *([number] if number is not None else [])]
        words = [token.text.lower() for token in cursor.tokens[mention.start : mention.end]]
        more = cursor.after(max(used), ("super",), 2, ())
        if words == ["top"] and more is not None:
            # The top 5 highest paid: the second superlative has the key.
            cursor.consume(*used)
            cursor.mentions[more].number = float(n)
            cursor.mentions[more].role = "n"
            continue
        superlative = _from_word(mention, words[0] if words else "", n, number is None)
        superlative.offset = lexicon.ORDINALS.get(cursor.word(mention.start - 1), 1) - 1
        _read_operand(cursor, index, used, superlative)
        cursor.consume(*used)
        if cursor.chinese and superlative.noun is None:
            superlative.noun = _noun_after(cursor, max(used))
        if cursor.chinese and _is_extreme_value(cursor, mention, superlative):
            cursor.parsed.measures.append(Measure("max" if superlative.descending else "min", superlative.operand))
            continue
        _read_by(cursor, superlative)
        cursor.parsed.superlatives.append(superlative)
    _merge_pairs(cursor)


def _from_word(mention: Mention, word: str, n: int, plain: bool) -> Superlative:
    """What the word itself implies."""
    n = int(mention.number) if mention.role == "n" else n
    if mention.kind == "top":
        return Superlative(True, n, word=word, unnumbered=plain)
    return Superlative(
        mention.normalized.startswith("desc"), n, mention.normalized.partition(".")[2], word=word, unnumbered=plain
    )


def _adjacent_number(cursor: Cursor, index: int) -> int | None:
    """The number beside the superlative."""
    mention = cursor.mentions[index]
    for other in (index + 1, index - 1):
        if (
            0 <= other < len(cursor.mentions)
            and other not in cursor.consumed
            and cursor.mentions[other].kind == "number"
        ):
            number = cursor.mentions[other]
            if 0 <= number.start - mention.end <= 1 or number.end == mention.start:
                return other
    return None


def _number_before_noun(cursor: Cursor, index: int) -> int | None:
    """The number before the ranked noun: which three hotels have the most rooms."""
    noun = cursor.before(index, ("element",), 3)
    number = cursor.before(noun, ("number",), 0) if noun is not None else None
    if number is None or _LINKING.isdisjoint(cursor.stems_between(index - 1, index)):
        return None
    return number if cursor.word(cursor.mentions[number].start - 1) in _COUNTED else None


def _read_operand(cursor: Cursor, index: int, used: list[int], superlative: Superlative) -> None:
    """Read the key: the attribute of the word, a measure, or an adjacent column."""
    last = max(used)
    if cursor.chinese and _read_chinese_operand(cursor, index, used, superlative):
        return
    counted = cursor.after(last, ("count", "agg"), 2, ())
    if counted is not None and superlative.attribute in ("", "*"):
        operand = cursor.after(counted, ("element",), 3, ("distinct", "count"))
        if operand is None and (operand := cursor.described_element(counted)) is not None:
            superlative.measure = cursor.measure(counted, operand)
            used += [counted]
            return
        if operand is not None:
            noun = cursor.head_noun(operand)
            superlative.measure = cursor.measure(counted, noun)
            used += [*range(counted, operand + 1), noun]
            return
    if superlative.attribute == "*":
        return
    verb = cursor.before(index, ("element",), 0)
    if superlative.attribute == "date" and verb is not None and cursor.mentions[verb].role == "verb":
        # Hired first.
        superlative.operand = cursor.mentions[verb]
        used.append(verb)
        return
    operand = cursor.after(last, ("element",), 2, ("distinct",))
    if operand is not None and cursor.chinese and cursor.mentions[operand].names_table:
        # The dearest goods: the table is the noun, not the key.
        superlative.noun = cursor.mentions[operand]
        return
    if operand is not None and not _CLAUSE_WORDS & set(cursor.stems_between(last, operand)):
        superlative.operand = cursor.mentions[operand]
        used.append(operand)


def _read_chinese_operand(cursor: Cursor, index: int, used: list[int], superlative: Superlative) -> bool:
    """Read the key before the word; returns False if there is none."""
    following = cursor.after(index, ("element",), 0, ())
    if following is not None and cursor.mentions[following].names_column and not _follows_column(cursor, index):
        # 最高分: the column follows the superlative.
        superlative.operand = cursor.mentions[following]
        used.append(following)
        return True
    near = index - 1
    while near >= 0 and near in used:
        near -= 1
    if near < 0 or near in cursor.consumed:
        return False
    mention = cursor.mentions[near]
    if mention.kind == "count":
        operand = cursor.before(near)
        superlative.measure = cursor.measure(near, operand)
        used += [near, *([operand] if operand is not None else [])]
        return True
    operand = cursor.before(near, ("element",), 0) if mention.kind == "agg" else None
    if operand is not None and mention.end == cursor.mentions[index].start:
        # 罚款总额最高: an aggregate of the element before it.
        superlative.measure = cursor.measure(near, operand)
        used += [near, operand]
        return True
    if mention.kind != "element" or cursor.mentions[index].start - mention.end > 1:
        return False
    if superlative.attribute and mention.names_table:
        # 每个店铺最贵: the shop is a group, not what is dear.
        return False
    used.append(near)
    _read_element(cursor, near, used, superlative)
    return True


def _read_element(cursor: Cursor, near: int, used: list[int], superlative: Superlative) -> None:
    """An element before the word: an event that is counted, the operand of a measure, or the key."""
    element = cursor.mentions[near]
    if element.role == "verb" and not superlative.attribute:
        # Who ordered most.
        superlative.measure = Measure("count", element)
    elif near > 0 and cursor.mentions[near - 1].kind == "agg" and near - 1 not in cursor.consumed:
        superlative.measure = cursor.measure(near - 1, near)
        used.append(near - 1)
    else:
        superlative.operand = element


def _noun_after(cursor: Cursor, index: int) -> Mention | None:
    """The table after the superlative, which is its noun."""
    noun = cursor.after(index, ("element",), 2, ())
    return cursor.mentions[noun] if noun is not None and cursor.mentions[noun].names_table else None


def _is_extreme_value(cursor: Cursor, mention: Mention, superlative: Superlative) -> bool:
    """True if the extreme value itself is asked for (最高分), not the row that has it."""
    operand = superlative.operand
    if operand is None or operand.start != mention.end or operand.names_table or not superlative.unnumbered:
        return False
    next_word = cursor.word(operand.end)
    return next_word != "的" and not any(word in next_word for word in ("谁", "哪"))


def _follows_column(cursor: Cursor, index: int) -> bool:
    """True if a column or count stands right before: 价格最高."""
    near = cursor.before(index, ("element", "count"), 0)
    return near is not None and (cursor.mentions[near].kind == "count" or cursor.mentions[near].names_column)


def _read_by(cursor: Cursor, superlative: Superlative) -> None:
    """The key after `by`: the top 3 products by price."""
    if superlative.measure is not None or (superlative.attribute and superlative.word not in ("first", "last")):
        return
    for index, mention in cursor.of_kind("group"):
        if cursor.text(mention).lower() not in _BY:
            continue
        operand = cursor.after(index, ("element", "count", "agg"), 2, ())
        if operand is None:
            continue
        element = cursor.mentions[operand]
        measure = None
        if element.kind != "element":
            inner = cursor.after(operand, ("element",), 5, ("count", "distinct"))
            if inner is None:
                continue
            measure = cursor.measure(operand, inner)
            cursor.consume(*range(operand, inner + 1))
        cursor.consume(index, operand)
        verb = cursor.tokens[mention.start - 1].text
        cursor.parsed.unread = [word for word in cursor.parsed.unread if word != verb]
        cursor.release(superlative.operand)
        superlative.operand, superlative.measure, superlative.attribute = (
            (None, measure, "") if measure else (element, None, "")
        )
        return


def _merge_pairs(cursor: Cursor) -> None:
    """Merge two superlatives about one ranking: the top 3 courses with the highest number of students."""
    superlatives = cursor.parsed.superlatives
    if (
        len(superlatives) == 2
        and superlatives[1].word == "top"
        and superlatives[1].has_no_key
        and not superlatives[0].has_no_key
    ):
        # Those with the most books, the top 3 only.
        superlatives[0].limit, superlatives[0].unnumbered = superlatives[1].limit, False
        del superlatives[1]
    for first, second in itertools.pairwise(superlatives):
        if (
            first.operand is None
            and first.measure is None
            and not first.attribute
            and second.operand is not None
            and first.unnumbered
            and first.word != "top"
        ):
            first.operand = second.operand
    if (
        len(superlatives) == 2
        and not superlatives[0].attribute
        and superlatives[0].measure is None
        and (not superlatives[0].unnumbered or superlatives[0].word == "top")
        and superlatives[0].descending
    ):
        cursor.release(superlatives[0].operand)
        superlatives[1].limit, superlatives[1].unnumbered = superlatives[0].limit, superlatives[0].unnumbered
        del superlatives[0]
