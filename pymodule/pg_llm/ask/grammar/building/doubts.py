"""What speaks against a query that could be built."""

from __future__ import annotations

from pg_llm.ask.grammar import lexicon, words
from pg_llm.ask.grammar.building.draft import DONE, Draft


def weigh(draft: Draft) -> None:
    """Add what speaks against the query to its cost."""
    _elsewhere(draft)
    _idle(draft)
    _undone(draft)
    _contradicted(draft)
    if any(ref[0] in draft.inner_tables for expr in draft.query.select for ref in expr.refs()):
        # What is denied has nothing to show.
        draft.cost += 0.6
    verbs = draft.reading.linked.verbs
    unread = [word for word in draft.reading.unread if not draft.schema.choosing(draft.edges, words.stem(word))]
    draft.cost += sum(_verb(draft, word) if word in verbs else _weight(word) for word in unread)
    query = draft.query
    if not (query.where or query.group or query.order or query.having or query.per) and not any(
        expr.is_aggregate for expr in query.select
    ):
        # Nothing of the question but what it is about.
        vague = bool(unread) or any(mention.role in ("meant", "done") for mention in draft.reading.context)
        draft.cost += 0.8 if vague else 0.0


def _elsewhere(draft: Draft) -> None:
    """A column of another table, where the one that is spoken of has one of that name."""
    reading = draft.reading
    mentions = (*reading.groups, *reading.targets, *reading.owners)
    tables = {draft.ref(mention)[0] for mention in mentions if draft.ref(mention)[1] < 0}
    for mention in reading.linked.mentions:
        ref = draft.choice.get(mention.start)
        if ref is None or ref[1] < 0 or ref[0] in tables or mention.kind != "element":
            continue
        name = draft.schema.column(ref).words
        own = (column for table in tables for column in draft.schema.tables[table].columns)
        if any(column.words == name and not column.is_key for column in own):
            draft.cost += 0.25


def _undone(draft: Draft) -> None:
    """Sold, and no sales are looked at: what was done may matter."""
    looked_at = {table for edge in draft.edges for table in (edge.one, edge.other)}
    looked_at |= {draft.main, *draft.query.all_tables(), *draft.inner_tables}
    for mention in draft.reading.linked.mentions:
        ref = draft.choice.get(mention.start)
        if mention.role == "done" and ref is not None and ref[0] not in looked_at:
            draft.mind(mention, ref)


def _contradicted(draft: Draft) -> None:
    """Flights delayed to flights on time, of the delayed: a condition on what tells the sides of a ratio apart."""
    parts = (part for expr in draft.query.select if expr.kind == "ratio" for part in expr.parts)
    sides = {each.expr.ref for part in parts for each in part.only if each.expr is not None and each.op == "="}
    if any(each.expr is not None and each.op == "=" and each.expr.ref in sides for each in draft.query.where):
        draft.cost += 0.6


def _idle(draft: Draft) -> None:
    """A query that tells only what its condition says."""
    query = draft.query
    known = {each.expr.ref for each in query.where if each.expr is not None and each.op == "="}
    if len(query.select) == 1 and query.select[0].kind == "column" and query.select[0].ref in known:
        draft.cost += 0.6


def _verb(draft: Draft, word: str) -> float:
    """What a verb that nothing stands for speaks against a query.

    In Chinese, one that says how rows of two tables belong together hardly does; where nothing is joined, one of two
    characters is a condition.
    """
    if word.isascii():
        return DONE
    joined = len(draft.query.all_tables()) > 1 or draft.inner_tables
    return 0.05 if joined or len(word) == 1 else _weight(word)


def _weight(word: str) -> float:
    """What a word that nothing stands for speaks against a query: names most, verbs least."""
    if words.stem(word) in lexicon.WRITING:
        return 3.0
    if word.endswith("est") and len(word) > 5:
        return 1.2
    if word[:1].isupper() or not word.isascii():
        return 0.9
    return 0.7
