"""The composition rules: each rewrites neighbouring nodes of a clause to what they mean together."""

from __future__ import annotations

from pg_llm.ask.grammar.rules import comparisons, groups, measures, negations, order, periods, values

RULES = (
    values.label,
    values.value,
    values.alternatives,
    values.column_of_value,
    values.boolean,
    values.noun,
    comparisons.bound,
    measures.measure,
    order.number_of_rows,
    comparisons.compare,
    order.superlative,
    groups.key,
    periods.period,
    negations.negation,
    order.ranking,
)
