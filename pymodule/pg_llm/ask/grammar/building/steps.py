"""The building steps in order; each relies on what the earlier ones added to the draft."""

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


def build(schema: Schema, parsed: ParsedQuestion, interpretation: Interpretation) -> tuple[Query, float]:
    """Build the query of one interpretation; returns it with its cost, 0 or more. Raises Impossible."""
    draft = Draft(schema, parsed, interpretation)
    draft.main_table = tables.main_table(draft)
    for mention in parsed.groups:
        groups.add(draft, mention)
    requested = targets.target_exprs(draft)
    measured = [measures.measure_expr(draft, measure) for measure in parsed.measures]
    measured = list(dict.fromkeys([*measured, *(expr for expr in requested if expr.kind == "agg")]))
    requested = [expr for expr in requested if expr.kind != "agg"]
    if parsed.ratio is not None:
        measured.append(ratios.ratio_expr(draft, parsed.ratio, requested))
        if parsed.share is not None and not draft.group_keys:
            requested = []
    draft.query.decimals = parsed.decimals
    _add_conditions(draft)
    for unit in parsed.time_units:
        groups.add_unit(draft, unit)
    for superlative in parsed.superlatives:
        superlatives.add(draft, superlative, requested, measured)
    order.group_by_order(draft, requested)
    selection.select(draft, requested, measured)
    order.add_order(draft)
    selection.show_order(draft)
    if parsed.share is not None:
        ratios.restrict_share(draft, parsed.share)
    joins.plan_joins(draft)
    penalties.add_penalties(draft)
    return draft.query, draft.cost


def _add_conditions(draft: Draft) -> None:
    """WHERE and HAVING: values, comparisons, negations, and tables or columns mentioned in passing."""
    parsed = draft.parsed
    for value_filter in parsed.value_filters:
        count_before = len(draft.query.where)
        values.add_filter(draft, value_filter)
        draft.condition_positions.update(
            (condition, value_filter.mentions[0].start) for condition in draft.query.where[count_before:]
        )
    for comparison in parsed.comparisons:
        count_before = len(draft.query.where)
        comparisons.add(draft, comparison)
        if parsed.share is not None and parsed.share.part is not None:
            draft.condition_positions.update(
                (condition, comparison.start) for condition in draft.query.where[count_before:]
            )
    for mention in parsed.required:
        negations.add_required(draft, mention)
    for mention in parsed.negated:
        negations.add(draft, mention)
    if parsed.never_happened:
        negations.add_never_happened(draft)
    for mention in parsed.context:
        targets.add_context(draft, mention)
