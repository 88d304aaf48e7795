"""Penalties on a finished query for what makes its interpretation unlikely."""

from __future__ import annotations

from pg_llm.ask.grammar import lexicon, words
from pg_llm.ask.grammar.building.draft import VERB_PENALTY, Draft


def add_penalties(draft: Draft) -> None:
    """Add all penalties to the cost of the draft."""
    _penalise_other_tables(draft)
    _penalise_tautology(draft)
    _penalise_ignored_verbs(draft)
    _penalise_contradiction(draft)
    if any(ref[0] in draft.inner_tables for expr in draft.query.select for ref in expr.refs()):
        # Rows that must not exist have no columns to show.
        draft.cost += 0.6
    verbs = draft.parsed.linked.verbs
    unread = [
        word for word in draft.parsed.unread if not draft.schema.disambiguates_edge(draft.edges, words.stem(word))
    ]
    draft.cost += sum(
        _unlinked_verb_cost(draft, word) if word in verbs else _unlinked_word_cost(word) for word in unread
    )
    query = draft.query
    if not (query.where or query.group or query.order or query.having or query.distinct_on) and not any(
        expr.is_aggregate for expr in query.select
    ):
        # The query ignores everything but the main table.
        vague = bool(unread) or any(mention.role in ("meant", "done") for mention in draft.parsed.context)
        draft.cost += 0.8 if vague else 0.0


def _penalise_other_tables(draft: Draft) -> None:
    """Penalise columns of another table if a table that the question names has a column of the same name."""
    parsed = draft.parsed
    mentions = (*parsed.groups, *parsed.targets, *parsed.owners)
    tables = {draft.ref(mention)[0] for mention in mentions if draft.ref(mention)[1] < 0}
    for mention in parsed.linked.mentions:
        ref = draft.interpretation.get(mention.start)
        if ref is None or ref[1] < 0 or ref[0] in tables or mention.kind != "element":
            continue
        name = draft.schema.column(ref).words
        own = (column for table in tables for column in draft.schema.tables[table].columns)
        if any(column.words == name and not column.is_key for column in own):
            draft.cost += 0.25


def _penalise_ignored_verbs(draft: Draft) -> None:
    """Charge verbs whose table the query does not read: `sold` may matter if no sales are read."""
    looked_at = {table for edge in draft.edges for table in (edge.source, edge.target)}
    looked_at |= {draft.main_table, *draft.query.all_tables(), *draft.inner_tables}
    for mention in draft.parsed.linked.mentions:
        ref = draft.interpretation.get(mention.start)
        if mention.role == "done" and ref is not None and ref[0] not in looked_at:
            draft.penalise_verb(mention, ref)


def _penalise_contradiction(draft: Draft) -> None:
    """Penalise a filter on the column that already tells the sides of a ratio apart."""
    parts = (part for expr in draft.query.select if expr.kind == "ratio" for part in expr.operands)
    sides = {
        condition.expr.ref
        for part in parts
        for condition in part.filters
        if condition.expr is not None and condition.op == "="
    }
    if any(
        condition.expr is not None and condition.op == "=" and condition.expr.ref in sides
        for condition in draft.query.where
    ):
        draft.cost += 0.6


def _penalise_tautology(draft: Draft) -> None:
    """Penalise queries whose only output column is already fixed by an equality filter."""
    query = draft.query
    fixed = {condition.expr.ref for condition in query.where if condition.expr is not None and condition.op == "="}
    if len(query.select) == 1 and query.select[0].kind == "column" and query.select[0].ref in fixed:
        draft.cost += 0.6


def _unlinked_verb_cost(draft: Draft, word: str) -> float:
    """The cost of a verb that no mention covers.

    In Chinese, a verb that relates two joined tables costs little; without a join, a verb of two characters is a
    condition that was missed.
    """
    if word.isascii():
        return VERB_PENALTY
    joined = len(draft.query.all_tables()) > 1 or draft.inner_tables
    return 0.05 if joined or len(word) == 1 else _unlinked_word_cost(word)


def _unlinked_word_cost(word: str) -> float:
    """The cost of a word that no mention covers: names cost most."""
    if words.stem(word) in lexicon.WRITE_COMMANDS:
        return 3.0
    if word.endswith("est") and len(word) > 5:
        return 1.2
    if word[:1].isupper() or not word.isascii():
        return 0.9
    return 0.7
