"""Filters on values: in Bonn, the bakers Ada and Ben, not the city Ulm."""

from __future__ import annotations

from pg_llm.ask.grammar.reading.cursor import CONJUNCTIONS, Cursor
from pg_llm.ask.grammar.reading.parsed_question import ValueFilter
from pg_llm.ask.mention import Mention

# Words between a label and its value: the city of Bonn, whose name is Ada.
_LABEL_FILLERS = frozenset(
    """
    of is name be call the title 's = : titled for id with a an 的 为 是 叫 名 个 位
""".split()
)
_NEGATING = ("not", "except")


def read(cursor: Cursor) -> None:
    """Read lists of values with their labels and negations."""
    groups: list[list[int]] = []
    for index, _ in cursor.of_kind("value"):
        if groups and _is_same_list(cursor, groups[-1][-1], index):
            groups[-1].append(index)
        else:
            groups.append([index])
    for group in groups:
        cursor.consume(*group)
        first, last = group[0], group[-1]
        label = _label(cursor, first, last)
        negated = _negated(cursor, first, label)
        if len(group) > 1 and any(mention.kind == "apart" for mention in cursor.mentions):
            # Of men and of women, each: one group per value.
            cursor.parsed.groups.append(cursor.mentions[first])
        if negated and cursor.chinese:
            _skip_negated_nouns(cursor, last)
        both = len(group) > 1 and any(cursor.mentions[n].kind == "both" for n in range(max(0, first - 3), first))
        op = _name_part(cursor, cursor.mentions[first]) if len(group) == 1 else ""
        cursor.parsed.value_filters.append(
            ValueFilter([cursor.mentions[n] for n in group], cursor.mention_at(label), negated, both, op)
        )


def _name_part(cursor: Cursor, value: Mention) -> str:
    """The part of a person's name that is named: whose last name is Ross."""
    if not value.value_matches or any(match.whole for match in value.value_matches):
        return ""
    before = cursor.stems(max(0, value.start - 5), value.start)
    for index, word in enumerate(before):
        which = before[index - 1] if index else ""
        if word == "surname" or (word == "name" and which in ("last", "family")):
            return "surname"
        if word == "name" and which in ("first", "given"):
            return "forename"
    return ""


def _negated(cursor: Cursor, first: int, label: int | None) -> bool:
    start = label if label is not None and label == first - 1 else first
    before = start - 1
    marker = cursor.mentions[before] if before >= 0 else None
    negated = marker is not None and marker.kind in _NEGATING and cursor.mentions[start].start - marker.end <= 4
    if not negated and marker is not None and marker.kind == "cmp" and marker.normalized in ("<>", "="):
        negated = marker.normalized == "<>"
        cursor.consume(before)
    if negated:
        beside = (n for n in (first - 1, first - 2) if n >= 0)
        cursor.consume(*(n for n in beside if cursor.mentions[n].kind in (*_NEGATING, "cmp")))
    return negated


def _skip_negated_nouns(cursor: Cursor, last: int) -> None:
    """Consume the nouns after a negated value: not the students of the maths exam."""
    for n in range(last + 1, len(cursor.mentions)):
        if cursor.mentions[n].kind != "element" or {"的", "\uff0c"} & set(cursor.stems_between(n - 1, n)):
            return
        cursor.consume(n)


def _is_same_list(cursor: Cursor, left: int, right: int) -> bool:
    """True if two values belong to one list: Ada and Ben, the city Bonn or the city Ulm."""
    passed = set(cursor.stems_between(left, right))
    if cursor.chinese and _are_alternatives(cursor, left, right):
        return True
    elements = [n for n in range(left + 1, right) if cursor.mentions[n].kind == "element"]
    if elements:
        return _label(cursor, left, left) is not None and len(elements) == 1 and bool(passed & {"and", "or"})
    return bool(passed & CONJUNCTIONS) and not passed - CONJUNCTIONS - {"the", "in", "to", "a", "an"}


def _are_alternatives(cursor: Cursor, left: int, right: int) -> bool:
    """True if two values of one column follow each other, with the same noun or none: 男生女生."""
    one, other = ({ref for ref, _ in cursor.mentions[n].refs} for n in (left, right))
    nouns = [cursor.stems(cursor.mentions[n].end, cursor.mentions[n].end + 1) for n in (left, right)]
    passed = cursor.stems_between(left, right)
    if not one & other or right - left > 3:
        return False
    return not passed or (passed[:1] == nouns[1] and set(passed[1:]) <= CONJUNCTIONS)


def _label(cursor: Cursor, first: int, last: int) -> int | None:
    """The mention right before or after values that names their column or table."""
    left = first - 1
    if left >= 0 and cursor.mentions[left].kind == "cmp" and cursor.mentions[left].normalized == "=":
        left -= 1
    if left >= 0 and cursor.mentions[left].kind == "element" and left not in cursor.consumed:
        quotes = {token.stem for token in cursor.tokens if token.text == '"'}
        passed = set(cursor.stems_between(left, first))
        if _may_label(cursor.mentions[left], cursor.mentions[first]) and passed <= _LABEL_FILLERS | quotes:
            return left
    right = last + 1
    if right >= len(cursor.mentions) or cursor.mentions[right].kind != "element":
        return None
    if right in cursor.consumed and not cursor.chinese:
        return None
    element, value = cursor.mentions[right], cursor.mentions[last]
    return right if element.start == value.end and _may_label(element, value) else None


def _may_label(label: Mention, value: Mention) -> bool:
    """True if a mention may name the column or table of a value."""
    if not value.refs:
        return True
    refs = [ref for ref, _ in value.refs]
    return any(
        ref in refs or (ref[1] < 0 and ref[0] in {value_ref[0] for value_ref in refs})
        for ref, score in label.refs
        if score >= label.score - 0.2
    )
