"""The parsing passes in order, those that bind most tightly first."""

from __future__ import annotations

from pg_llm.ask.grammar.reading import (
    comparisons,
    groups,
    measures,
    negations,
    order,
    patterns,
    ratios,
    superlatives,
    targets,
    times,
    values,
)
from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parsed_question import ParsedQuestion
from pg_llm.ask.mention import LinkedQuestion


def parse(linked: LinkedQuestion) -> ParsedQuestion:
    """Parse the mentions of a linked question."""
    cursor = Cursor(linked)
    for step in (
        negations.read_double_negation,
        ratios.read,
        times.read,
        order.read_leading_superlatives,
        comparisons.read,
        patterns.read,
        superlatives.read,
        comparisons.read_equalities,
        order.read,
        groups.read,
        measures.read,
        values.read,
        negations.read,
        targets.read,
    ):
        step(cursor)
    return cursor.parsed
