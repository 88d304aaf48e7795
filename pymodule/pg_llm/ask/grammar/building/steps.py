"""The steps from the parts of a question to a query, each on what those before have built."""

from __future__ import annotations

from pg_llm.ask.grammar.building import (
    comparisons,
    groups,
    joins,
    measures,
    negations,
    order,
    penalties,
    ratios,
    selection,
    superlatives,
    tables,
    targets,
    values,
)
from pg_llm.ask.grammar.building.draft import Draft, Interpretation
from pg_llm.ask.grammar.query import Query
from pg_llm.ask.grammar.reading.parsed_question import ParsedQuestion
from pg_llm.ask.schema import Schema


def build(schema: Schema, reading: ParsedQuestion, choice: Interpretation) -> tuple[Query, float]:
    """The query of one reading with one choice of meanings, and what speaks against it, from 0. Raises Impossible."""
    draft = Draft(schema, reading, choice)
    draft.main_table = tables.main_table(draft)
    for mention in reading.groups:
        groups.add(draft, mention)
    asked = targets.target_exprs(draft)
    measured = [measures.measure_expr(draft, measure) for measure in reading.measures]
    measured = list(dict.fromkeys([*measured, *(expr for expr in asked if expr.kind == "agg")]))
    asked = [expr for expr in asked if expr.kind != "agg"]
    if reading.ratio is not None:
        measured.append(ratios.ratio_expr(draft, reading.ratio, asked))
        if reading.share is not None and not draft.group_keys:
            asked = []
    draft.query.decimals = reading.decimals
    _add_conditions(draft)
    for unit in reading.time_units:
        groups.add_unit(draft, unit)
    for superlative in reading.superlatives:
        superlatives.add(draft, superlative, asked, measured)
    order.group_by_order(draft, asked)
    selection.select(draft, asked, measured)
    order.add_order(draft)
    selection.show_order(draft)
    if reading.share is not None:
        ratios.restrict_share(draft, reading.share)
    joins.plan_joins(draft)
    penalties.add_penalties(draft)
    return draft.query, draft.cost


def _add_conditions(draft: Draft) -> None:
    """Which rows: by values, comparisons, what is there and what is not, and what is mentioned besides."""
    reading = draft.parsed
    for named in reading.value_filters:
        known = len(draft.query.where)
        values.add_filter(draft, named)
        draft.condition_positions.update((each, named.mentions[0].start) for each in draft.query.where[known:])
    for comparison in reading.comparisons:
        known = len(draft.query.where)
        comparisons.add(draft, comparison)
        if reading.share is not None and reading.share.part is not None:
            draft.condition_positions.update((each, comparison.start) for each in draft.query.where[known:])
    for mention in reading.required:
        negations.add_required(draft, mention)
    for mention in reading.negated:
        negations.add(draft, mention)
    if reading.never_happened:
        negations.add_never_happened(draft)
    for mention in reading.context:
        targets.add_context(draft, mention)
