"""The passes over the mentions of a question, those first that bind others most tightly."""

from __future__ import annotations

from pg_llm.ask.grammar.reading import (
    comparisons,
    denials,
    groups,
    measures,
    order,
    patterns,
    ratios,
    superlatives,
    targets,
    times,
    values,
)
from pg_llm.ask.grammar.reading.cursor import Cursor
from pg_llm.ask.grammar.reading.parts import Reading
from pg_llm.ask.mention import Linked


def read(linked: Linked) -> Reading:
    """The parts of a question, from its mentions."""
    cursor = Cursor(linked)
    for step in (
        denials.doubled,
        ratios.read,
        times.read,
        order.ends,
        comparisons.read,
        patterns.read,
        superlatives.read,
        comparisons.equalities,
        order.read,
        groups.read,
        measures.read,
        values.read,
        denials.read,
        targets.read,
    ):
        step(cursor)
    return cursor.found
