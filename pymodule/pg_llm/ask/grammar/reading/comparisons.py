"""Comparisons with numbers: more than 300 pages, between 2 and 5 stars, above the average, with 2 stops."""

from __future__ import annotations

from pg_llm.ask.grammar import chinese, lexicon
from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parsed_question import Comparison, Measure
from pg_llm.ask.mention import Mention

_SUMS = {"altogether", "overall", "combined", "in total", "in all"}
# What may stand between a number and the noun that it counts.
_COUNT_FILLERS = {"different", "distinct", "unique", "of", *chinese.MEASURE_WORDS}
# Units of measurement, which are not the compared column.
_MEASURE_UNITS = frozenset(
    """
    year day hour minute meter km kilometer dollar percent people old usd
""".split()
)


def read(cursor: Cursor) -> None:
    """Read comparison markers with their numbers."""
    for index, _ in cursor.of_kind("between"):
        first = cursor.after(index, ("number",), 2, ())
        second = cursor.after(first, ("number",), 3, ()) if first is not None else None
        if first is None or second is None:
            continue
        cursor.consume(index, first, second)
        _add_comparison(
            cursor, index, second, "between", [cursor.mentions[first].number, cursor.mentions[second].number]
        )
    if cursor.chinese:
        _chinese_between(cursor)
    for index, mention in cursor.of_kind("cmp"):
        number = cursor.after(index, ("number", "year"), 2, ())
        if number is None:
            _read_average(cursor, index, mention)
            continue
        cursor.consume(index, number)
        _add_comparison(
            cursor, index, number, mention.normalized.removesuffix(".time"), [cursor.mentions[number].number]
        )
    for index, mention in cursor.of_kind("above"):
        unit = cursor.before(index, ("element",), 0)
        number = cursor.before(index if unit is None else unit, ("number",), 1)
        if number is not None and unit is not None:
            # 300 pages or more
            cursor.consume(index, number)
            _add_comparison(cursor, number, number, mention.normalized, [cursor.mentions[number].number])
        elif number is not None:
            cursor.consume(index, number)
            _add_comparison(cursor, number, index, mention.normalized, [cursor.mentions[number].number])


def read_equalities(cursor: Cursor) -> None:
    """Read equalities without a marker: with 2 stops, a rating of 5."""
    for index, mention in cursor.of_kind("number"):
        before = cursor.word(mention.start - 1)
        right = cursor.after(index, ("element",), 0, ())
        left = cursor.before(index, ("element",), 2)
        if cursor.chinese and cursor.word(mention.end) in chinese.MEASURE_WORDS:
            continue
        if (
            right is not None
            and cursor.mentions[right].start == mention.end
            and before in ("with", "have", "has", "had", "having", "exactly", "only", "of", "for")
        ):
            operand = right
        elif left is not None and set(cursor.stems_between(left, index)) <= frozenset(
            """
            of be is = : to equal 为 是
        """.split()
        ):
            operand = left
        else:
            continue
        cursor.consume(index, operand)
        cursor.parsed.comparisons.append(Comparison("=", [mention.number], cursor.mentions[operand]))


def _chinese_between(cursor: Cursor) -> None:
    """In Chinese the marker stands between the two numbers."""
    for index, mention in cursor.of_kind("number"):
        following = index + 2
        if (
            following < len(cursor.mentions)
            and cursor.mentions[index + 1].kind == "between"
            and cursor.mentions[following].kind == "number"
        ):
            cursor.consume(index, index + 1, following)
            _add_comparison(cursor, index, following, "between", [mention.number, cursor.mentions[following].number])


def _read_average(cursor: Cursor, index: int, mention: Mention) -> None:
    """Above the average salary: compare with the average of all rows."""
    op = mention.normalized.removesuffix(".time")
    average = cursor.after(index, ("agg",), 3, ())
    if average is None or cursor.mentions[average].normalized != "avg" or op not in (">", "<", ">=", "<="):
        return
    cursor.consume(index, average)
    operand = cursor.after(average, ("element",), 2, ())
    left = cursor.before(index)
    if operand is not None:
        cursor.consume(operand)
    if left is not None and (operand is None or cursor.mentions[left].refs[:1] == cursor.mentions[operand].refs[:1]):
        operand = left
    cursor.parsed.comparisons.append(
        Comparison(op, [], cursor.mention_at(operand), attribute=_adjective_attribute(cursor, mention), average=True)
    )


def _add_comparison(cursor: Cursor, first: int, last: int, op: str, values: list[str | float]) -> None:
    """Compare the element after the number if it is adjacent, else the one before the marker."""
    mention = cursor.mentions[first]
    attribute = _adjective_attribute(cursor, mention) if mention.kind == "cmp" else ""
    right = _counted_element(cursor, last)
    left = cursor.before(first)
    if left is None and first > 0 and cursor.mentions[first - 1].kind in ("count", "agg") and cursor.chinese:
        operand_before = cursor.before(first - 1)
        cursor.consume(first - 1, *([operand_before] if operand_before is not None else []))
        cursor.parsed.comparisons.append(Comparison(op, values, measure=cursor.measure(first - 1, operand_before)))
        return
    if left is not None and left > 0 and not attribute and _follows_measure(cursor, left):
        # With an average rating above 4.
        cursor.consume(left, left - 1)
        cursor.parsed.comparisons.append(Comparison(op, values, measure=cursor.measure(left - 1, left)))
        return
    operand = _operand(cursor, left, right, attribute)
    if operand is None and cursor.chinese and cursor.word(cursor.mentions[last].end) in chinese.MEASURE_WORDS:
        # At least 3 times: events are counted, whatever the question asks for.
        measure = Measure("count", counts_events=cursor.word(cursor.mentions[last].end) == "次")
        cursor.parsed.comparisons.append(Comparison(op, values, measure=measure, start=mention.start))
        return
    if operand is not None:
        cursor.consume(operand)
    if operand is not None and operand != right and _compares_sum(cursor, cursor.mentions[last].end):
        measure = Measure("sum", cursor.mentions[operand], monetary=True)
        cursor.parsed.comparisons.append(Comparison(op, values, measure=measure))
        return
    unit = cursor.word(cursor.mentions[last].end)
    if cursor.chinese and chinese.UNITS.get(unit) and (operand is None or cursor.mentions[operand].names_table):
        # Above 60 岁: the unit implies the column.
        attribute = chinese.UNITS[unit]
        cursor.release(cursor.mention_at(operand))
        operand = None
    cursor.parsed.comparisons.append(
        Comparison(op, values, cursor.mention_at(operand), attribute=attribute, start=mention.start)
    )


def _compares_sum(cursor: Cursor, end: int) -> bool:
    """True if a sum is compared: over 15,000 altogether."""
    for index, mention in cursor.of_kind("agg"):
        if mention.start == end and cursor.text(mention).lower() in _SUMS:
            cursor.consume(index)
    return cursor.word(end) in _SUMS or f"{cursor.word(end)} {cursor.word(end + 1)}" in _SUMS


def _counted_element(cursor: Cursor, last: int) -> int | None:
    """The element that the number counts."""
    if cursor.chinese and cursor.mentions[last].end >= len(cursor.tokens):
        return None
    right = cursor.after(last, ("element",), 1, ())
    if right is None:
        # At least one cancelled order.
        described = cursor.described_element(last)
        return described if described is not None and cursor.mentions[described].kind == "element" else None
    passed = cursor.stems_between(last, right)
    which = cursor.word(cursor.mentions[last].end).endswith("ed")
    return right if not passed or passed[0] in _COUNT_FILLERS or which else None


def _follows_measure(cursor: Cursor, index: int) -> bool:
    """True if a measure stands right before; `how many` measures something else."""
    mention = cursor.mentions[index - 1]
    begins = mention.kind == "agg" or (mention.kind == "count" and cursor.word(mention.start) != "how")
    return begins and index - 1 not in cursor.consumed and mention.end >= cursor.mentions[index].start - 1


def _operand(cursor: Cursor, left: int | None, right: int | None, attribute: str) -> int | None:
    if cursor.chinese:
        return left if left is not None else right
    if attribute:
        return left if left is not None and cursor.mentions[left].names_column else None
    if right is None or left is None:
        return left if right is None else right
    mention = cursor.mentions[right]
    return left if cursor.tokens[mention.start].stem in _MEASURE_UNITS and mention.end - mention.start == 1 else right


def _adjective_attribute(cursor: Cursor, mention: Mention) -> str:
    """The attribute that an adjective of the marker implies: older implies the age."""
    words = (token.text.lower() for token in cursor.tokens[mention.start : mention.end])
    return next((lexicon.COMPARATIVE_ADJECTIVES[word] for word in words if word in lexicon.COMPARATIVE_ADJECTIVES), "")
