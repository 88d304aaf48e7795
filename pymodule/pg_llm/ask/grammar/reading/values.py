"""Values: in Bonn, the bakers Ada and Ben, not the city Ulm."""

from __future__ import annotations

from pg_llm.ask.grammar.reading.cursor import JOINERS, Cursor
from pg_llm.ask.grammar.reading.parts import Named
from pg_llm.ask.mention import Mention

# What may stand between a label and its value: the city of Bonn, whose name is Ada.
_LABEL = {
    "of",
    "is",
    "name",
    "be",
    "call",
    "the",
    "title",
    "'s",
    "=",
    ":",
    "titled",
    "for",
    "id",
    "with",
    "a",
    "an",
    "的",
    "为",
    "是",
    "叫",
    "名",
    "个",
    "位",
}
_DENYING = ("not", "except")


def read(cursor: Cursor) -> None:
    """Values that are joined, together, with what says of what they are."""
    groups: list[list[int]] = []
    for place, _ in cursor.of_kind("value"):
        if groups and _joined(cursor, groups[-1][-1], place):
            groups[-1].append(place)
        else:
            groups.append([place])
    for group in groups:
        cursor.take(*group)
        first, last = group[0], group[-1]
        label = _label(cursor, first, last)
        negated = _negated(cursor, first, label)
        if len(group) > 1 and any(mention.kind == "apart" for mention in cursor.mentions):
            # Of men and of women, each: a group for each value.
            cursor.found.groups.append(cursor.mentions[first])
        if negated and cursor.chinese:
            _denied(cursor, last)
        both = len(group) > 1 and any(cursor.mentions[n].kind == "both" for n in range(max(0, first - 3), first))
        op = _part_of_name(cursor, cursor.mentions[first]) if len(group) == 1 else ""
        cursor.found.named.append(Named([cursor.mentions[n] for n in group], cursor.at(label), negated, both, op))


def _part_of_name(cursor: Cursor, value: Mention) -> str:
    """Whose last name is Ross: where whole names are held, the end of one."""
    if not value.values or any(each.whole for each in value.values):
        return ""
    before = cursor.stems(max(0, value.start - 5), value.start)
    for place, word in enumerate(before):
        which = before[place - 1] if place else ""
        if word == "surname" or (word == "name" and which in ("last", "family")):
            return "surname"
        if word == "name" and which in ("first", "given"):
            return "forename"
    return ""


def _negated(cursor: Cursor, first: int, label: int | None) -> bool:
    start = label if label is not None and label == first - 1 else first
    before = start - 1
    marker = cursor.mentions[before] if before >= 0 else None
    negated = marker is not None and marker.kind in _DENYING and cursor.mentions[start].start - marker.end <= 4
    if not negated and marker is not None and marker.kind == "cmp" and marker.said in ("<>", "="):
        negated = marker.said == "<>"
        cursor.take(before)
    if negated:
        beside = (n for n in (first - 1, first - 2) if n >= 0)
        cursor.take(*(n for n in beside if cursor.mentions[n].kind in (*_DENYING, "cmp")))
    return negated


def _denied(cursor: Cursor, last: int) -> None:
    """Take what else is said of what is denied, until what it is denied of: not the maths exams' students."""
    for n in range(last + 1, len(cursor.mentions)):
        if cursor.mentions[n].kind != "element" or {"的", "\uff0c"} & set(cursor.between(n - 1, n)):
            return
        cursor.take(n)


def _joined(cursor: Cursor, left: int, right: int) -> bool:
    """Whether two values are of one list: Ada and Ben, the city Bonn or the city Ulm."""
    passed = set(cursor.between(left, right))
    if cursor.chinese and _repeats(cursor, left, right):
        return True
    elements = [n for n in range(left + 1, right) if cursor.mentions[n].kind == "element"]
    if elements:
        return _label(cursor, left, left) is not None and len(elements) == 1 and bool(passed & {"and", "or"})
    return bool(passed & JOINERS) and not passed - JOINERS - {"the", "in", "to", "a", "an"}


def _repeats(cursor: Cursor, left: int, right: int) -> bool:
    """Whether two values of one column follow each other, each with the same noun or with none: 男生女生."""
    one, other = ({ref for ref, _ in cursor.mentions[n].refs} for n in (left, right))
    nouns = [cursor.stems(cursor.mentions[n].end, cursor.mentions[n].end + 1) for n in (left, right)]
    passed = cursor.between(left, right)
    if not one & other or right - left > 3:
        return False
    return not passed or (passed[:1] == nouns[1] and set(passed[1:]) <= JOINERS)


def _label(cursor: Cursor, first: int, last: int) -> int | None:
    """A mention right before or behind values that says what they are."""
    left = first - 1
    if left >= 0 and cursor.mentions[left].kind == "cmp" and cursor.mentions[left].said == "=":
        left -= 1
    if left >= 0 and cursor.mentions[left].kind == "element" and left not in cursor.done:
        quotes = {token.stem for token in cursor.tokens if token.text == '"'}
        passed = set(cursor.between(left, first))
        if _labels(cursor.mentions[left], cursor.mentions[first]) and passed <= _LABEL | quotes:
            return left
    right = last + 1
    if right >= len(cursor.mentions) or cursor.mentions[right].kind != "element":
        return None
    if right in cursor.done and not cursor.chinese:
        return None
    its, value = cursor.mentions[right], cursor.mentions[last]
    return right if its.start == value.end and _labels(its, value) else None


def _labels(label: Mention, value: Mention) -> bool:
    """Whether a mention may say what a value is: its column or table."""
    if not value.refs:
        return True
    refs = [ref for ref, _ in value.refs]
    return any(
        ref in refs or (ref[1] < 0 and ref[0] in {its[0] for its in refs})
        for ref, score in label.refs
        if score >= label.score - 0.2
    )
