"""The main table of a question, and the table whose names or ids it asks for."""

from __future__ import annotations

from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.mention import Mention

_IDS = ("id", "ids")
# Cost of answering `who` with rows that are not persons.
NO_PERSON_PENALTY = 0.5


def main_table(draft: Draft) -> int:
    """The table that the question is about. Raises Impossible."""
    parsed = draft.parsed
    if parsed.share is not None and parsed.share.whole is not None and parsed.share.whole.operand is not None:
        return draft.ref(parsed.share.whole.operand)[0]
    if parsed.asks_person:
        who = person_table(draft)
        if who is not None:
            return who
        draft.cost += 0.0 if parsed.superlatives else NO_PERSON_PENALTY
    for mention in (*parsed.owners, *parsed.targets):
        ref = draft.ref(mention)
        if ref[1] < 0:
            return ref[0]
    for mention in parsed.targets:
        owner = owner_table(draft, set(), [mention]) if asks_name(mention) else None
        return draft.ref(mention)[0] if owner is None else owner
    operands = [(measure.inner or measure).operand for measure in parsed.measures]
    operands += [superlative.operand for superlative in parsed.superlatives]
    for operand in operands:
        if operand is not None:
            return draft.ref(operand)[0]
    others = [*(parsed.ratio[0] if parsed.ratio else ()), *parsed.context, *parsed.groups, *parsed.negated]
    others += [mention for named in parsed.value_filters for mention in named.mentions]
    for mention in others:
        if mention.start in draft.interpretation:
            return draft.ref(mention)[0]
    for comparison in parsed.comparisons:
        if comparison.operand is not None:
            return draft.ref(comparison.operand)[0]
    raise Impossible("it names no table or column")


def person_table(draft: Draft) -> int | None:
    """The table of persons: one that is mentioned, else one that a mentioned table references."""
    named = [
        draft.interpretation[mention.start][0]
        for mention in draft.parsed.linked.mentions
        if mention.start in draft.interpretation
    ]
    belongs = (
        edge.target for table in named for edge in draft.schema.edges if edge.source == table and edge.many_to_one
    )
    persons = list(dict.fromkeys(table for table in named if draft.schema.has_persons(table)))
    persons = persons or list(dict.fromkeys(table for table in belongs if draft.schema.has_persons(table)))
    draft.cost += 0.2 * max(0, len(persons) - 1)
    return persons[0] if persons else None


def asks_name(mention: Mention) -> bool:
    """True if the question asks for names or ids, of a table that is named elsewhere."""
    return mention.normalized.lower() in ("name", "names", "名字", "姓名", "名称", *_IDS)


def asks_id(mention: Mention) -> bool:
    """True if the question asks for ids."""
    return mention.normalized.lower() in _IDS


def owner_table(draft: Draft, owners: set[int], named: list[Mention]) -> int | None:
    """The table whose names are asked for, if the question says so."""
    if owners:
        return min(owners)
    others = [draft.ref(mention)[0] for mention in draft.parsed.targets if mention not in named]
    others += [
        draft.interpretation[value.start][0]
        for item in draft.parsed.value_filters
        for value in item.mentions
        if value.start in draft.interpretation
    ]
    others += [draft.ref(item.operand)[0] for item in draft.parsed.superlatives if item.operand is not None]
    return others[0] if others else None
