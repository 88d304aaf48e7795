"""The passes over the mentions of a question, those first that bind others most tightly."""

from __future__ import annotations

from pg_llm.asking.mention import Linked
from pg_llm.asking.reading import (
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
)  # fmt: skip
from pg_llm.asking.reading.cursor import Cursor
from pg_llm.asking.reading.parts import Reading


def read(linked: Linked) -> Reading:
    """The parts of a question, from its mentions."""
    cursor = Cursor(linked)
    for step in (
        denials.doubled, ratios.read, times.read, order.ends, comparisons.read, patterns.read, superlatives.read,
        comparisons.equalities, order.read, groups.read, measures.read, values.read, denials.read, targets.read,
    ):  # fmt: skip
        step(cursor)
    return cursor.found
