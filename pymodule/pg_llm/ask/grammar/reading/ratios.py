"""Ratios and shares: numerator and denominator."""

from __future__ import annotations

from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parsed_question import Measure, Share
from pg_llm.ask.mention import Mention

_AUXILIARIES = ("be", "have", "do", "can", "will")
_RELATIVE = ("who", "that", "which", "whose")
# Kinds of mentions that begin another clause.
_CLAUSE_KINDS = ("group", "order", "super", "cmp", "not")
# Words that end the topic of a share.
_TOPIC_ENDS = {"里", "中", "内", "里面", "当中", "之中", "其中", "\uff0c", ","}


def read(cursor: Cursor) -> None:
    """Read the sides of a ratio (flights to airports), or the whole of a share (percentage of flights)."""
    for index, mention in cursor.of_kind("ratio", "share"):
        cursor.consume(index)
        if mention.kind == "share" and mention.normalized == "1" and cursor.chinese and _compares_two(cursor, index):
            return
        if mention.kind == "share":
            if cursor.parsed.share is None or cursor.parsed.share.whole is None:
                cursor.parsed.ratio = ([], [], mention.normalized)
                cursor.parsed.share = _share(cursor, index)
            continue
        if cursor.chinese and index and not any(item.kind == "element" for item in cursor.mentions[index + 1 :]):
            _read_chinese_sides(cursor, index)
            return
        cursor.parsed.ratio = (*_read_sides(cursor, index), "")


def _compares_two(cursor: Cursor, index: int) -> bool:
    """True for a ratio of two things: of cats and dogs."""
    elements = [n for n in range(index) if cursor.mentions[n].kind == "element"]
    values = [n for n in range(index) if cursor.mentions[n].kind == "value"]
    if any(mention.kind == "takes" for mention in cursor.mentions):
        return False
    if len(values) == 2 and cursor.mentions[values[1]].start - cursor.mentions[values[0]].end <= 2:
        # Men and women: the ratio of two counts.
        cursor.parsed.ratio = ([cursor.mentions[values[0]]], [cursor.mentions[values[1]]], "")
        cursor.consume(*values)
        return True
    if len(elements) < 2:
        return False
    if not {"和", "与"} & set(cursor.stems_between(elements[-2], elements[-1])):
        return False
    _read_chinese_sides(cursor, index)
    return True


def _part_tokens(cursor: Cursor, index: int) -> range:
    """The tokens of the part: those before 占, without the topic."""
    takes = next((n for n, mention in cursor.of_kind("takes")), None)
    end = cursor.mentions[index if takes is None else takes].start
    if takes is not None:
        cursor.consume(takes)
    inside = [n for n in range(end) if cursor.word(n) in _TOPIC_ENDS]
    start = inside[-1] + 1 if inside else 0
    spoken = any(start <= mention.start < end for mention in cursor.mentions if mention.kind in ("element", "value"))
    return range(start if spoken else 0, end)


def _share(cursor: Cursor, index: int) -> Share:
    """The whole is the noun after the preposition: of all enrolled students, of the total amount."""
    mention = cursor.mentions[index]
    if cursor.chinese:
        return Share(None, 0, 0, _part_tokens(cursor, index))
    whole = cursor.after(index, ("element",), 4, ("distinct", "agg", "count", "value"))
    if whole is None or "of" not in cursor.stems(mention.end - 1, cursor.mentions[whole].start):
        return Share(None, mention.start, mention.end)
    noun = cursor.compound_head(whole)
    between = [n for n in range(index + 1, whole) if cursor.mentions[n].kind in ("agg", "count")]
    function = next((cursor.mentions[n].normalized for n in between if cursor.mentions[n].kind == "agg"), "count")
    cursor.consume(*between, *range(whole, noun + 1))
    element = cursor.mentions[noun]
    return Share(Measure(function, element), mention.start, _main_verb(cursor, element.end))


def _main_verb(cursor: Cursor, start: int) -> int:
    """The token of the main clause's verb; relative clauses (who have paid) are skipped."""
    relative = False
    for index in range(start, len(cursor.tokens)):
        stem = cursor.tokens[index].stem
        if stem in _AUXILIARIES and not relative:
            return index
        relative = stem in _RELATIVE or (relative and stem not in _AUXILIARIES)
    return start


def _read_chinese_sides(cursor: Cursor, index: int) -> None:
    """In Chinese both sides stand before the marker."""
    elements = [n for n in range(index) if cursor.mentions[n].kind == "element"]
    if len(elements) >= 2:
        cursor.parsed.ratio = ([cursor.mentions[elements[-2]]], [cursor.mentions[elements[-1]]], "")
        cursor.consume(*elements[-2:])


def _read_sides(cursor: Cursor, index: int) -> tuple[list[Mention], list[Mention]]:
    sides: tuple[list[Mention], list[Mention]] = ([], [])
    side = 0
    start = cursor.mentions[index].end
    for other in range(index + 1, len(cursor.mentions)):
        mention = cursor.mentions[other]
        passed = cursor.stems(start, mention.start)
        if side == 0 and sides[0] and {"to", "and", "versus"} & set(passed):
            side = 1
        if (
            mention.kind == "group"
            and cursor.word(mention.start) == "by"
            and cursor.after(other, ("value",), 1, ()) is not None
        ):
            # `payments by card` groups nothing.
            cursor.consume(other)
            start = mention.end
            continue
        if mention.kind in _CLAUSE_KINDS or len(passed) > 4 or {"?", "."} & set(passed):
            break
        if side == 1 and sides[1] and {"for", "in", "of", "within"} & set(passed) and mention.kind != "value":
            break
        if mention.kind in ("element", "value"):
            sides[side].append(mention)
            cursor.consume(other)
        elif mention.kind in ("count", "agg"):
            cursor.consume(other)
        start = mention.end
    return sides
