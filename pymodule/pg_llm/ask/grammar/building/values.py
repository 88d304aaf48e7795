"""Conditions on values that the question names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pg_llm.ask.grammar.building import tables
from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.grammar.query import Condition, Expr
from pg_llm.ask.grammar.reading.parts import Named
from pg_llm.ask.mention import Mention
from pg_llm.ask.schema import Ref

# A value, or a part of one, and whether it is a whole one.
Said = tuple[str, bool]
_PATTERNS = {"start": "{}%", "end": "%{}", "like": "%{}%", "surname": "% {}", "forename": "{} %"}


def add(draft: Draft, of: Named) -> None:
    """In Bonn, not in Ulm, with a name that starts with A. Raises Impossible."""
    label = draft.choice.get(of.label.start) if of.label is not None else None
    if of.op and of.label is not None and draft.reading.linked.chinese and tables.is_name(of.label):
        # The names of what the question is about.
        label = (draft.main, -1)
    if of.op:
        pattern = _PATTERNS[of.op].format(of.mentions[0].said)
        chosen = draft.choice.get(of.mentions[0].start) if of.op in ("surname", "forename") else None
        if chosen is not None and "name" not in draft.schema.column(chosen).words:
            draft.cost += 0.3
        expr = Expr("column", chosen or _text_column(draft, label))
        draft.query.where.append(Condition(expr, "not ilike" if of.negated else "ilike", (pattern,)))
        return
    refs: dict[Ref, list[Said]] = {}
    for mention in of.mentions:
        if mention.start not in draft.choice:
            draft.cost += 0.35
            refs.setdefault(_text_column(draft, label), []).append((mention.said, True))
            continue
        ref = draft.choice[mention.start]
        refs.setdefault(ref, []).append(said(mention, ref))
        if label is not None and label[0] != ref[0] and label != ref:
            # In Chinese, what a value is said of touches it.
            draft.cost += 0.35 if draft.reading.linked.chinese else 0.15
            draft.query.tables.append(label[0])
    if len(refs) > 1 and set.intersection(*({ref for ref, _ in mention.refs} for mention in of.mentions)):
        # What is listed is of one column, where it can be.
        draft.cost += 0.5
    for ref, values in refs.items():
        _add(draft, ref, values, of)


def said(mention: Mention, ref: Ref) -> Said:
    """The value of a column that a mention names, or the part of one."""
    whole = mention.whole(ref)
    return (mention.said, False) if whole is None else (whole, True)


def condition(ref: Ref, values: Sequence[Said]) -> Condition:
    """That a column has one of these values. Raises Impossible."""
    expr = Expr("column", ref)
    if all(whole for _, whole in values):
        texts = tuple(text for text, _ in values)
        return Condition(expr, "=" if len(texts) == 1 else "in", texts)
    if len(values) == 1:
        return Condition(expr, "ilike", (f"%{values[0][0]}%",))
    raise Impossible("several parts of names at once")


def _add(draft: Draft, ref: Ref, values: list[Said], of: Named) -> None:
    """Values of one column."""
    its = condition(ref, values)
    if not of.negated:
        draft.query.where.append(its)
        if of.both and len(values) > 1:
            both = Condition(Expr("agg", ref, "count", distinct=True), "=", (float(len(values)),))
            draft.query.having.append(both)
        return
    if ref[0] == draft.main or not draft.has_many(ref[0]):
        op = {"=": "<>", "in": "not in", "ilike": "not ilike"}[its.op]
        draft.query.where.append(replace(its, op=op))
        return
    draft.without(ref[0], its)


def _text_column(draft: Draft, label: Ref | None) -> Ref:
    """The column of a value that no row has."""
    if label is not None and label[1] >= 0:
        return label
    table = draft.main if label is None else label[0]
    shown = draft.schema.display(table)
    if shown is None:
        raise Impossible("what has that name")
    return table, shown
