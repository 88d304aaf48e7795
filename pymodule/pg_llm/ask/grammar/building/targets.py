"""The requested columns, their owners, and mentions that only add context."""

from __future__ import annotations

from pg_llm.ask.grammar import chinese_names
from pg_llm.ask.grammar.building import tables, times
from pg_llm.ask.grammar.building.draft import VERB_PENALTY, Draft
from pg_llm.ask.grammar.query import Condition, Expr
from pg_llm.ask.mention import Mention


def target_exprs(draft: Draft) -> list[Expr]:
    """The requested columns and sums; a table stands for the columns that name its rows."""
    parsed = draft.parsed
    owners = {draft.ref(mention)[0] for mention in parsed.owners if draft.ref(mention)[1] < 0}
    exprs: list[Expr] = []
    name_mentions = [mention for mention in parsed.targets if tables.asks_name(mention)]
    for mention in parsed.targets:
        owner = tables.owner_table(draft, owners, name_mentions) if mention in name_mentions else None
        exprs += _exprs_of(draft, mention, owners) if owner is None else _name_columns(draft, mention, owner)
    if not exprs and parsed.asks_person and draft.schema.has_persons(draft.main_table):
        exprs += draft.display_exprs(draft.main_table)
    for mention in parsed.owners:
        _add_owner(draft, mention)
    if parsed.asks_person_too:
        person = tables.person_table(draft)
        if person is None:
            draft.cost += tables.NO_PERSON_PENALTY
        elif all(expr.ref is None or expr.ref[0] != person for expr in exprs):
            exprs += draft.display_exprs(person)
    if parsed.asks_time and not any(expr.ref and draft.schema.column(expr.ref).kind == "date" for expr in exprs):
        return [times.time_column(draft, None, "when")]
    return list(dict.fromkeys(exprs))


def _name_columns(draft: Draft, mention: Mention, owner: int) -> list[Expr]:
    """The columns with names or ids of a table."""
    if draft.ref(mention)[0] != owner:
        draft.cost += 0.02
    return draft.key_exprs(owner) if tables.asks_id(mention) else draft.display_exprs(owner)


def _exprs_of(draft: Draft, mention: Mention, owners: set[int]) -> list[Expr]:
    """What one target adds: columns of a row, a column, a sum; nothing if it only restricts rows."""
    parsed = draft.parsed
    ref = draft.ref(mention)
    if ref[1] < 0:
        if not draft.group_keys:
            draft.query.tables.append(ref[0])
        return draft.display_exprs(ref[0])
    column = draft.schema.column(ref)
    if column.kind == "bool" and mention.start and _follows_with(draft, mention):
        draft.query.where.append(Condition(Expr("column", ref), "true"))
        return []
    # By month, the amount: grouped rows are summed.
    sums = bool(parsed.time_units) and chinese_names.is_additive(mention.normalized)
    sums = sums or (is_total(mention) and bool(parsed.groups or parsed.superlatives))
    if sums and column.is_measure:
        return [Expr("agg", ref, "sum")]
    if owners and ref[0] not in owners:
        draft.cost += 0.15
    return [Expr("column", ref)]


def _add_owner(draft: Draft, mention: Mention) -> None:
    """Join the table that owns a target; a boolean column becomes a condition."""
    ref = draft.ref(mention)
    if ref[1] >= 0 and draft.schema.column(ref).kind == "bool":
        draft.query.where.append(Condition(Expr("column", ref), "true"))
    elif ref[1] >= 0:
        draft.cost += 0.1
    if ref[0] not in draft.query.tables:
        draft.query.tables.insert(0, ref[0])


def _follows_with(draft: Draft, mention: Mention) -> bool:
    """`rooms with a balcony` restricts rows; it does not ask for the column."""
    return "with" in [token.stem for token in draft.parsed.linked.tokens[max(0, mention.start - 2) : mention.start]]


def is_total(mention: Mention) -> bool:
    """True if the words, as `total price`, may also ask for a sum."""
    return mention.normalized.lower().startswith("total ")


def add_context(draft: Draft, mention: Mention) -> None:
    """A mention that is neither requested nor compared: joins its table, or adds its boolean column as a condition."""
    if mention.start not in draft.interpretation:
        return
    ref = draft.interpretation[mention.start]
    if mention.role == "done" and mention.score < 0.7:
        if (
            ref[1] < 0
            and mention.score >= 0.5
            and any(draft.schema.reference_edge(ref[0], table) for table in draft.tables_in_play())
        ):
            # The cars that we sold: rows that reference a car record what was done with it.
            draft.query.tables.append(draft.ref(mention)[0])
        return
    if ref[1] < 0:
        if mention.role == "meant" and ref[0] in draft.tables_in_play():
            draft.cost += 0.3
        if ref[0] in draft.inner_tables:
            return
        if mention.score >= 0.7:
            draft.query.tables.append(ref[0])
        elif ref[0] not in {draft.main_table, *draft.query.tables}:
            # An ignored verb costs as much as one without a match.
            draft.cost += VERB_PENALTY
        return
    if any(ref in condition.refs() for condition in draft.query.where):
        # The rank of professor: the value confirms the column.
        draft.confirm(mention, ref)
        return
    if any(ref in expr.refs() for expr in (*draft.group_labels, *draft.group_keys)):
        return
    if draft.schema.column(ref).kind == "bool":
        draft.query.where.append(Condition(Expr("column", ref), "true"))
        return
    if ref[0] not in draft.tables_in_play():
        draft.cost += 0.1
    # A mention that matched by meaning only and is not used was probably misunderstood.
    draft.cost += 0.1 * mention.score if mention.score > 0.8 else 0.4
