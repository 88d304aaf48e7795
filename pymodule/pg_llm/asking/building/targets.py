"""What is asked for, with whose it is, and what is mentioned besides."""

from __future__ import annotations

from pg_llm.asking.building import tables
from pg_llm.asking.building.draft import Draft
from pg_llm.asking.mention import Mention
from pg_llm.asking.query import Condition, Expr


def exprs(draft: Draft) -> list[Expr]:
    """The columns that are asked for, and sums of them; tables stand for what their rows are shown by."""
    reading = draft.reading
    owners = {draft.ref(mention)[0] for mention in reading.owners if draft.ref(mention)[1] < 0}
    found: list[Expr] = []
    named = [mention for mention in reading.targets if tables.is_name(mention)]
    for mention in reading.targets:
        ref = draft.ref(mention)
        if mention in named and (whose := tables.whose(draft, owners, named)) is not None:
            if ref[0] != whose:
                draft.cost += 0.02
            found += draft.show(whose)
        elif ref[1] < 0:
            found += draft.show(ref[0])
            if not draft.grouped:
                draft.query.tables.append(ref[0])
        elif is_total(mention) and (reading.groups or reading.superlatives) and draft.schema.column(ref).is_measure:
            found.append(Expr("agg", ref, "sum"))
        else:
            found.append(Expr("column", ref))
            if owners and ref[0] not in owners:
                draft.cost += 0.15
    for mention in reading.owners:
        ref = draft.ref(mention)
        if ref[1] >= 0 and draft.schema.column(ref).kind == "bool":
            draft.query.where.append(Condition(Expr("column", ref), "true"))
        elif ref[1] >= 0:
            draft.cost += 0.1
        if ref[0] not in draft.query.tables:
            draft.query.tables.insert(0, ref[0])
    return list(dict.fromkeys(found))


def is_total(mention: Mention) -> bool:
    """Whether a column is named with a word that may also ask for its sum."""
    return mention.said.lower().startswith("total ")


def add_context(draft: Draft, mention: Mention) -> None:
    """What is neither asked for nor compared: a table is joined, a yes-or-no column holds, another says little."""
    if mention.start not in draft.choice:
        return
    ref = draft.ref(mention)
    if ref[1] < 0:
        if mention.role == "meant" and ref[0] in draft.in_play():
            draft.cost += 0.3
        if ref[0] not in draft.inner_tables and mention.score >= 0.7:
            draft.query.tables.append(ref[0])
        elif mention.role == "done" and ref[0] not in (draft.main, *draft.query.all_tables()):
            # A verb that is near a table in meaning, and leads to none of those that are read.
            draft.cost += 0.12
        return
    if any(ref in expr.refs() for expr in (*draft.shown, *draft.grouped)) or any(
        ref in condition.refs() for condition in draft.query.where
    ):
        return
    if draft.schema.column(ref).kind == "bool":
        draft.query.where.append(Condition(Expr("column", ref), "true"))
        return
    if ref[0] not in draft.in_play():
        draft.cost += 0.1
    # What is only near in meaning, and asks for nothing, is not understood.
    draft.cost += 0.1 * mention.score if mention.score > 0.8 else 0.4
