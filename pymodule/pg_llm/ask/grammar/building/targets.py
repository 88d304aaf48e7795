"""What is asked for, with whose it is, and what is mentioned besides."""

from __future__ import annotations

from pg_llm.ask.grammar import chinese_names
from pg_llm.ask.grammar.building import tables, times
from pg_llm.ask.grammar.building.draft import DONE, Draft
from pg_llm.ask.grammar.query import Condition, Expr
from pg_llm.ask.mention import Mention


def exprs(draft: Draft) -> list[Expr]:
    """The columns that are asked for, and sums of them; tables stand for what their rows are shown by."""
    reading = draft.reading
    owners = {draft.ref(mention)[0] for mention in reading.owners if draft.ref(mention)[1] < 0}
    found: list[Expr] = []
    named = [mention for mention in reading.targets if tables.is_name(mention)]
    for mention in reading.targets:
        whose = tables.whose(draft, owners, named) if mention in named else None
        found += _shown(draft, mention, owners) if whose is None else _called(draft, mention, whose)
    if not found and reading.who and draft.schema.has_persons(draft.main):
        found += draft.show(draft.main)
    for mention in reading.owners:
        _add_owner(draft, mention)
    if reading.who_too:
        who = tables.persons(draft)
        if who is None:
            draft.cost += tables.NO_PERSON
        elif all(expr.ref is None or expr.ref[0] != who for expr in found):
            found += draft.show(who)
    if reading.when and not any(expr.ref and draft.schema.column(expr.ref).kind == "date" for expr in found):
        return [times.column(draft, None, "when")]
    return list(dict.fromkeys(found))


def _called(draft: Draft, mention: Mention, whose: int) -> list[Expr]:
    """The names or the ids of rows of a table."""
    if draft.ref(mention)[0] != whose:
        draft.cost += 0.02
    return draft.key(whose) if tables.is_id(mention) else draft.show(whose)


def _shown(draft: Draft, mention: Mention, owners: set[int]) -> list[Expr]:
    """What one mention asks for: rows, a column or its sum; nothing where it says which rows."""
    reading = draft.reading
    ref = draft.ref(mention)
    if ref[1] < 0:
        if not draft.grouped:
            draft.query.tables.append(ref[0])
        return draft.show(ref[0])
    column = draft.schema.column(ref)
    if column.kind == "bool" and mention.start and _with(draft, mention):
        draft.query.where.append(Condition(Expr("column", ref), "true"))
        return []
    # By month, the amount: of many rows, its sum.
    sums = bool(reading.units) and chinese_names.adds_up(mention.said)
    sums = sums or (is_total(mention) and bool(reading.groups or reading.superlatives))
    if sums and column.is_measure:
        return [Expr("agg", ref, "sum")]
    if owners and ref[0] not in owners:
        draft.cost += 0.15
    return [Expr("column", ref)]


def _add_owner(draft: Draft, mention: Mention) -> None:
    """Whose it is: a table is joined, a yes-or-no column holds."""
    ref = draft.ref(mention)
    if ref[1] >= 0 and draft.schema.column(ref).kind == "bool":
        draft.query.where.append(Condition(Expr("column", ref), "true"))
    elif ref[1] >= 0:
        draft.cost += 0.1
    if ref[0] not in draft.query.tables:
        draft.query.tables.insert(0, ref[0])


def _with(draft: Draft, mention: Mention) -> bool:
    """Rooms with a balcony: those that have one, not whether they do."""
    return "with" in [token.stem for token in draft.reading.linked.tokens[max(0, mention.start - 2) : mention.start]]


def is_total(mention: Mention) -> bool:
    """Whether a column is named with a word that may also ask for its sum."""
    return mention.said.lower().startswith("total ")


def add_context(draft: Draft, mention: Mention) -> None:
    """What is neither asked for nor compared: a table is joined, a yes-or-no column holds, another says little."""
    if mention.start not in draft.choice:
        return
    ref = draft.choice[mention.start]
    if mention.role == "done" and mention.score < 0.7:
        if (
            ref[1] < 0
            and mention.score >= 0.5
            and any(draft.schema.reference(ref[0], each) for each in draft.in_play())
        ):
            # The cars that we sold: rows that belong to a thing say what was done with it.
            draft.query.tables.append(draft.ref(mention)[0])
        return
    if ref[1] < 0:
        if mention.role == "meant" and ref[0] in draft.in_play():
            draft.cost += 0.3
        if ref[0] in draft.inner_tables:
            return
        if mention.score >= 0.7:
            draft.query.tables.append(ref[0])
        elif ref[0] not in {draft.main, *draft.query.tables}:
            # What is done is left out: no better than a verb that nothing stands for.
            draft.cost += DONE
        return
    if any(ref in condition.refs() for condition in draft.query.where):
        # The rank of professor: a value says that this is the column.
        draft.confirm(mention, ref)
        return
    if any(ref in expr.refs() for expr in (*draft.shown, *draft.grouped)):
        return
    if draft.schema.column(ref).kind == "bool":
        draft.query.where.append(Condition(Expr("column", ref), "true"))
        return
    if ref[0] not in draft.in_play():
        draft.cost += 0.1
    # What is only near in meaning, and asks for nothing, is not understood.
    draft.cost += 0.1 * mention.score if mention.score > 0.8 else 0.4
