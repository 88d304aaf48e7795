"""The steps from the parts of a question to a query, each on what those before have built."""

from __future__ import annotations

from pg_llm.ask.grammar.building import (
    comparisons,
    denials,
    doubts,
    groups,
    joins,
    measures,
    order,
    ratios,
    selection,
    superlatives,
    tables,
    targets,
    values,
)
from pg_llm.ask.grammar.building.draft import Choice, Draft
from pg_llm.ask.grammar.query import Query
from pg_llm.ask.grammar.reading.parts import Reading
from pg_llm.ask.schema import Schema


def build(schema: Schema, reading: Reading, choice: Choice) -> tuple[Query, float]:
    """The query of one reading with one choice of meanings, and what speaks against it, from 0. Raises Impossible."""
    draft = Draft(schema, reading, choice)
    draft.main = tables.main(draft)
    for mention in reading.groups:
        groups.add(draft, mention)
    asked = targets.exprs(draft)
    measured = [measures.expr(draft, measure) for measure in reading.measures]
    measured = list(dict.fromkeys([*measured, *(expr for expr in asked if expr.kind == "agg")]))
    asked = [expr for expr in asked if expr.kind != "agg"]
    if reading.ratio is not None:
        measured.append(ratios.expr(draft, reading.ratio, asked))
        if reading.share is not None and not draft.grouped:
            asked = []
    draft.query.digits = reading.digits
    _restrict(draft)
    for unit in reading.units:
        groups.add_unit(draft, unit)
    for superlative in reading.superlatives:
        superlatives.add(draft, superlative, asked, measured)
    order.group(draft, asked)
    selection.select(draft, asked, measured)
    order.add(draft)
    selection.show_order(draft)
    if reading.share is not None:
        ratios.restrict(draft, reading.share)
    joins.settle(draft)
    doubts.weigh(draft)
    return draft.query, draft.cost


def _restrict(draft: Draft) -> None:
    """Which rows: by values, comparisons, what is there and what is not, and what is mentioned besides."""
    reading = draft.reading
    for named in reading.named:
        known = len(draft.query.where)
        values.add(draft, named)
        draft.said_at.update((each, named.mentions[0].start) for each in draft.query.where[known:])
    for comparison in reading.comparisons:
        known = len(draft.query.where)
        comparisons.add(draft, comparison)
        if reading.share is not None and reading.share.part is not None:
            draft.said_at.update((each, comparison.start) for each in draft.query.where[known:])
    for mention in reading.known:
        denials.add_known(draft, mention)
    for mention in reading.denied:
        denials.add(draft, mention)
    if reading.never:
        denials.add_never(draft)
    for mention in reading.context:
        targets.add_context(draft, mention)
