"""The passes over the mentions of a question, those first that bind others most tightly."""

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
    """The parts of a question, from its mentions."""
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
