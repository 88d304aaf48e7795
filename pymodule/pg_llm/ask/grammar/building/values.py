"""Conditions on values that the question names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pg_llm.ask.grammar.building import tables
from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.grammar.query import Condition, Expr
from pg_llm.ask.grammar.reading.parsed_question import ValueFilter
from pg_llm.ask.mention import Mention
from pg_llm.ask.schema import Ref

# The text of a value, and whether it is the entire value.
ValueText = tuple[str, bool]
_PATTERNS = {"start": "{}%", "end": "%{}", "like": "%{}%", "surname": "% {}", "forename": "{} %"}


def add_filter(draft: Draft, value_filter: ValueFilter) -> None:
    """Add a filter: in Bonn, not in Ulm, with a name that starts with A. Raises Impossible."""
    label = draft.interpretation.get(value_filter.label.start) if value_filter.label is not None else None
    if (
        value_filter.op
        and value_filter.label is not None
        and draft.parsed.linked.chinese
        and tables.asks_name(value_filter.label)
    ):
        # The names are those of the main table.
        label = (draft.main_table, -1)
    if value_filter.op:
        pattern = _PATTERNS[value_filter.op].format(value_filter.mentions[0].normalized)
        chosen = (
            draft.interpretation.get(value_filter.mentions[0].start)
            if value_filter.op in ("surname", "forename")
            else None
        )
        if chosen is not None and "name" not in draft.schema.column(chosen).words:
            draft.cost += 0.3
        expr = Expr("column", chosen or _text_column(draft, label))
        draft.query.where.append(Condition(expr, "not ilike" if value_filter.negated else "ilike", (pattern,)))
        return
    refs: dict[Ref, list[ValueText]] = {}
    for mention in value_filter.mentions:
        if mention.start not in draft.interpretation:
            draft.cost += 0.35
            refs.setdefault(_text_column(draft, label), []).append((mention.normalized, True))
            continue
        ref = draft.interpretation[mention.start]
        refs.setdefault(ref, []).append(value_text(mention, ref))
        if label is not None and label[0] != ref[0] and label != ref:
            # In Chinese, a value stands right beside the noun that it describes.
            draft.cost += 0.35 if draft.parsed.linked.chinese else 0.15
            draft.query.tables.append(label[0])
    if len(refs) > 1 and set.intersection(*({ref for ref, _ in mention.refs} for mention in value_filter.mentions)):
        # Values in one list belong to one column if one has them all.
        draft.cost += 0.5
    for ref, values in refs.items():
        _add_column_filter(draft, ref, values, value_filter)


def value_text(mention: Mention, ref: Ref) -> ValueText:
    """The value of this column that the mention names, or the part of one."""
    whole = mention.whole_value(ref)
    return (mention.normalized, False) if whole is None else (whole, True)


def value_condition(ref: Ref, values: Sequence[ValueText]) -> Condition:
    """The condition that a column has one of these values. Raises Impossible."""
    expr = Expr("column", ref)
    if all(whole for _, whole in values):
        texts = tuple(text for text, _ in values)
        return Condition(expr, "=" if len(texts) == 1 else "in", texts)
    if len(values) == 1:
        return Condition(expr, "ilike", (f"%{values[0][0]}%",))
    raise Impossible("several parts of names at once")


def _add_column_filter(draft: Draft, ref: Ref, values: list[ValueText], value_filter: ValueFilter) -> None:
    """Add the condition on one column, negated by an anti-join if a row may have several values."""
    condition = value_condition(ref, values)
    if not value_filter.negated:
        draft.query.where.append(condition)
        if value_filter.both and len(values) > 1:
            both = Condition(Expr("agg", ref, "count", distinct=True), "=", (float(len(values)),))
            draft.query.having.append(both)
        return
    if ref[0] == draft.main_table or not draft.has_many(ref[0]):
        op = {"=": "<>", "in": "not in", "ilike": "not ilike"}[condition.op]
        draft.query.where.append(replace(condition, op=op))
        return
    draft.require_absent(ref[0], condition)


def _text_column(draft: Draft, label: Ref | None) -> Ref:
    """The column to compare with a value that was found in no row."""
    if label is not None and label[1] >= 0:
        return label
    table = draft.main_table if label is None else label[0]
    shown = draft.schema.display_column(table)
    if shown is None:
        raise Impossible("what has that name")
    return table, shown
