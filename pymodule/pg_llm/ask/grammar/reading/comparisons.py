"""Comparisons with numbers: more than 300 pages, between 2 and 5 stars, above the average, with 2 stops."""

from __future__ import annotations

from pg_llm.ask.grammar import chinese, lexicon
from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parts import Comparison, Measure
from pg_llm.ask.mention import Mention

_SUMS = {"altogether", "overall", "combined", "in total", "in all"}
# What may stand between a number and what is counted by it.
_COUNTING = {"different", "distinct", "unique", "of", *chinese.MEASURE_WORDS}
# What a number is measured in is not what is compared.
_UNITS = {
    "year",
    "day",
    "hour",
    "minute",
    "meter",
    "km",
    "kilometer",
    "dollar",
    "percent",
    "people",
    "old",
    "usd",
}


def read(cursor: Cursor) -> None:
    """Words that compare, with their numbers."""
    for place, _ in cursor.of_kind("between"):
        first = cursor.after(place, ("number",), 2, ())
        second = cursor.after(first, ("number",), 3, ()) if first is not None else None
        if first is None or second is None:
            continue
        cursor.take(place, first, second)
        _compare(cursor, place, second, "between", [cursor.mentions[first].number, cursor.mentions[second].number])
    if cursor.chinese:
        _chinese_between(cursor)
    for place, mention in cursor.of_kind("cmp"):
        number = cursor.after(place, ("number", "year"), 2, ())
        if number is None:
            _average(cursor, place, mention)
            continue
        cursor.take(place, number)
        _compare(cursor, place, number, mention.said.removesuffix(".time"), [cursor.mentions[number].number])
    for place, mention in cursor.of_kind("above"):
        unit = cursor.before(place, ("element",), 0)
        number = cursor.before(place if unit is None else unit, ("number",), 1)
        if number is not None and unit is not None:
            # 300 pages or more
            cursor.take(place, number)
            _compare(cursor, number, number, mention.said, [cursor.mentions[number].number])
        elif number is not None:
            cursor.take(place, number)
            _compare(cursor, number, place, mention.said, [cursor.mentions[number].number])


def equalities(cursor: Cursor) -> None:
    """With 2 stops, a rating of 5."""
    for place, mention in cursor.of_kind("number"):
        before = cursor.word(mention.start - 1)
        right = cursor.after(place, ("element",), 0, ())
        left = cursor.before(place, ("element",), 2)
        if cursor.chinese and cursor.word(mention.end) in chinese.MEASURE_WORDS:
            continue
        if (
            right is not None
            and cursor.mentions[right].start == mention.end
            and before in ("with", "have", "has", "had", "having", "exactly", "only", "of", "for")
        ):
            operand = right
        elif left is not None and set(cursor.between(left, place)) <= {
            "of",
            "be",
            "is",
            "=",
            ":",
            "to",
            "equal",
            "为",
            "是",
        }:
            operand = left
        else:
            continue
        cursor.take(place, operand)
        cursor.found.comparisons.append(Comparison("=", [mention.number], cursor.mentions[operand]))


def _chinese_between(cursor: Cursor) -> None:
    """The word stands between the numbers."""
    for place, mention in cursor.of_kind("number"):
        following = place + 2
        if (
            following < len(cursor.mentions)
            and cursor.mentions[place + 1].kind == "between"
            and cursor.mentions[following].kind == "number"
        ):
            cursor.take(place, place + 1, following)
            _compare(cursor, place, following, "between", [mention.number, cursor.mentions[following].number])


def _average(cursor: Cursor, place: int, mention: Mention) -> None:
    """Above the average salary: compared with that of all rows."""
    op = mention.said.removesuffix(".time")
    average = cursor.after(place, ("agg",), 3, ())
    if average is None or cursor.mentions[average].said != "avg" or op not in (">", "<", ">=", "<="):
        return
    cursor.take(place, average)
    operand = cursor.after(average, ("element",), 2, ())
    left = cursor.before(place)
    if operand is not None:
        cursor.take(operand)
    if left is not None and (operand is None or cursor.mentions[left].refs[:1] == cursor.mentions[operand].refs[:1]):
        operand = left
    cursor.found.comparisons.append(
        Comparison(op, [], cursor.at(operand), attribute=_adjective(cursor, mention), average=True)
    )


def _compare(cursor: Cursor, first: int, last: int, op: str, values: list[str | float]) -> None:
    """Compare what stands beside: after the number where it touches it, else before the comparison."""
    mention = cursor.mentions[first]
    attribute = _adjective(cursor, mention) if mention.kind == "cmp" else ""
    right = _right(cursor, last)
    left = cursor.before(first)
    if left is None and first > 0 and cursor.mentions[first - 1].kind in ("count", "agg") and cursor.chinese:
        of = cursor.before(first - 1)
        cursor.take(first - 1, *([of] if of is not None else []))
        cursor.found.comparisons.append(Comparison(op, values, measure=cursor.measure(first - 1, of)))
        return
    if left is not None and left > 0 and not attribute and _measured(cursor, left):
        # With an average rating above 4.
        cursor.take(left, left - 1)
        cursor.found.comparisons.append(Comparison(op, values, measure=cursor.measure(left - 1, left)))
        return
    operand = _operand(cursor, left, right, attribute)
    if operand is None and cursor.chinese and cursor.word(cursor.mentions[last].end) in chinese.MEASURE_WORDS:
        # At least 3 times: what happened is counted, of whatever it is asked.
        measure = Measure("count", times=cursor.word(cursor.mentions[last].end) == "次")
        cursor.found.comparisons.append(Comparison(op, values, measure=measure, start=mention.start))
        return
    if operand is not None:
        cursor.take(operand)
    if operand is not None and operand != right and _altogether(cursor, cursor.mentions[last].end):
        measure = Measure("sum", cursor.mentions[operand], worth=True)
        cursor.found.comparisons.append(Comparison(op, values, measure=measure))
        return
    unit = cursor.word(cursor.mentions[last].end)
    if cursor.chinese and chinese.UNITS.get(unit) and (operand is None or cursor.mentions[operand].names_table):
        # Above 60 岁: the unit says of what.
        attribute = chinese.UNITS[unit]
        cursor.free(cursor.at(operand))
        operand = None
    cursor.found.comparisons.append(
        Comparison(op, values, cursor.at(operand), attribute=attribute, start=mention.start)
    )


def _altogether(cursor: Cursor, end: int) -> bool:
    """Whether each one's sum is compared: over 15,000 altogether."""
    for place, mention in cursor.of_kind("agg"):
        if mention.start == end and cursor.text(mention).lower() in _SUMS:
            cursor.take(place)
    return cursor.word(end) in _SUMS or f"{cursor.word(end)} {cursor.word(end + 1)}" in _SUMS


def _right(cursor: Cursor, last: int) -> int | None:
    """The element that the number counts."""
    if cursor.chinese and cursor.mentions[last].end >= len(cursor.tokens):
        return None
    right = cursor.after(last, ("element",), 1, ())
    if right is None:
        # At least one cancelled order.
        of = cursor.described(last)
        return of if of is not None and cursor.mentions[of].kind == "element" else None
    passed = cursor.between(last, right)
    which = cursor.word(cursor.mentions[last].end).endswith("ed")
    return right if not passed or passed[0] in _COUNTING or which else None


def _measured(cursor: Cursor, place: int) -> bool:
    """Whether a measure begins right before; how many does not stand before a comparison of its own."""
    mention = cursor.mentions[place - 1]
    begins = mention.kind == "agg" or (mention.kind == "count" and cursor.word(mention.start) != "how")
    return begins and place - 1 not in cursor.done and mention.end >= cursor.mentions[place].start - 1


def _operand(cursor: Cursor, left: int | None, right: int | None, attribute: str) -> int | None:
    if cursor.chinese:
        return left if left is not None else right
    if attribute:
        return left if left is not None and cursor.mentions[left].names_column else None
    if right is None or left is None:
        return left if right is None else right
    its = cursor.mentions[right]
    return left if cursor.tokens[its.start].stem in _UNITS and its.end - its.start == 1 else right


def _adjective(cursor: Cursor, mention: Mention) -> str:
    """What an adjective among the words speaks of: older of the age."""
    words = (token.text.lower() for token in cursor.tokens[mention.start : mention.end])
    return next((lexicon.ADJECTIVES[word] for word in words if word in lexicon.ADJECTIVES), "")
