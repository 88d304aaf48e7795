"""Measures: how many flights, the average price, the total of the counts."""

from __future__ import annotations

from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parsed_question import Measure

_OVERALL = {"overall", "combined"}


def read(cursor: Cursor) -> None:
    """Read counts and aggregates with their operands."""
    parsed = cursor.parsed
    for index, mention in cursor.of_kind("count", "agg"):
        cursor.consume(index)
        cursor.first_measure = min(cursor.first_measure, mention.start)
        inner = cursor.after(index, ("count", "agg"), 1, ())
        if inner is not None and cursor.chinese and (operand := cursor.before(index, ("element",), 1)) is not None:
            # 运费一共多少: the element stands before both markers.
            cursor.consume(inner, operand)
            parsed.measures.append(
                Measure(mention.normalized if mention.kind == "agg" else "count", cursor.mentions[operand])
            )
            continue
        if inner is not None and mention.kind == "agg":
            _add_nested(cursor, mention.normalized, inner)
            continue
        operand = _operand(cursor, index)
        if operand is None:
            described = cursor.described_element(index)
            element = cursor.mention_at(described)
            if element is not None and element.kind == "element" and element.names_table:
                operand = described
            elif element is not None and (element.kind == "element" or mention.kind == "agg"):
                # F grades, the value of completed payments: the value is consumed later, as a filter.
                parsed.measures.append(cursor.measure(index, described))
                continue
        if operand is None:
            _add_without_operand(cursor, cursor.measure(index, None), cursor.text(mention).lower())
            continue
        if index + 1 <= operand - 1 and cursor.mentions[operand - 1].kind == "distinct":
            parsed.distinct = True
        cursor.consume(operand)
        noun = cursor.head_noun(operand)
        if noun != operand:
            parsed.context.append(cursor.mentions[operand])
            cursor.consume(noun)
        parsed.measures.append(cursor.measure(index, noun))
        if not cursor.chinese:
            function = parsed.measures[-1].function
            parsed.measures += [Measure(function, cursor.mentions[more]) for more in cursor.conjoined(noun, ("their",))]


def _operand(cursor: Cursor, index: int) -> int | None:
    """What is counted or measured: the element after the marker in its clause, in Chinese the one before it."""
    operand = cursor.after(index, ("element",), 4, ("distinct",))
    if operand is None and cursor.chinese:
        operand = cursor.before(index, ("element",), 2)
    if operand is not None and {"?", ".", ";", "who", "where", "that"} & set(cursor.stems_between(index, operand)):
        return None
    return operand


def _add_without_operand(cursor: Cursor, measure: Measure, text: str) -> None:
    """Add a measure whose operand is not named."""
    parsed = cursor.parsed
    if measure.function == "count" and parsed.superlatives:
        # `and how many` refers to the measure of the superlative.
        parsed.superlatives[0].shows_measure = True
    elif any(
        superlative.measure is not None and superlative.measure.function == measure.function
        for superlative in parsed.superlatives
    ):
        # `along with that average` as well.
        parsed.superlatives[0].shows_measure = True
    elif measure.function == "count" and (counted := _compared_count(cursor)) is not None:
        parsed.measures.append(counted)
    elif text not in _OVERALL or not (parsed.measures or parsed.superlatives or parsed.comparisons):
        # The most sales overall: nothing is summed.
        parsed.measures.append(measure)


def _compared_count(cursor: Cursor) -> Measure | None:
    """`how many` of what was compared before: more than one book, and how many."""
    compared = (
        comparison
        for comparison in cursor.parsed.comparisons
        if comparison.operand is not None and not comparison.time_kind
    )
    return next((Measure("count", comparison.operand) for comparison in compared), None)


def _add_nested(cursor: Cursor, function: str, inner: int) -> None:
    """Nested measures: the average number of flights, the total and average price."""
    operand = cursor.after(inner, ("element",), 3, ("distinct",))
    cursor.consume(inner, *([operand] if operand is not None else []))
    measure = cursor.measure(inner, operand)
    if measure.function != "count":
        cursor.parsed.measures += [Measure(function, measure.operand), measure]
    elif function == "sum":
        cursor.parsed.measures.append(measure)
    else:
        cursor.parsed.measures.append(Measure(function, inner=measure))
