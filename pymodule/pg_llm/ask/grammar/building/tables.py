"""The table that a question is about, and the one that names are asked of."""

from __future__ import annotations

from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.mention import Mention

_IDS = ("id", "ids")
# What speaks against an answer to who that is no person.
NO_PERSON = 0.5


def main(draft: Draft) -> int:
    """The table that the question is about. Raises Impossible."""
    reading = draft.reading
    if reading.share is not None and reading.share.whole is not None and reading.share.whole.operand is not None:
        return draft.ref(reading.share.whole.operand)[0]
    if reading.who:
        who = persons(draft)
        if who is not None:
            return who
        draft.cost += 0.0 if reading.superlatives else NO_PERSON
    for mention in (*reading.owners, *reading.targets):
        ref = draft.ref(mention)
        if ref[1] < 0:
            return ref[0]
    for mention in reading.targets:
        its = whose(draft, set(), [mention]) if is_name(mention) else None
        return draft.ref(mention)[0] if its is None else its
    operands = [(measure.of or measure).operand for measure in reading.measures]
    operands += [superlative.operand for superlative in reading.superlatives]
    for operand in operands:
        if operand is not None:
            return draft.ref(operand)[0]
    others = [*(reading.ratio[0] if reading.ratio else ()), *reading.context, *reading.groups, *reading.denied]
    others += [mention for named in reading.named for mention in named.mentions]
    for mention in others:
        if mention.start in draft.choice:
            return draft.ref(mention)[0]
    for comparison in reading.comparisons:
        if comparison.operand is not None:
            return draft.ref(comparison.operand)[0]
    raise Impossible("it names no table or column")


def persons(draft: Draft) -> int | None:
    """Who it is that something is said of: rows of persons that are named, or those to whom such rows belong."""
    named = [draft.choice[each.start][0] for each in draft.reading.linked.mentions if each.start in draft.choice]
    belongs = (edge.other for table in named for edge in draft.schema.edges if edge.one == table and edge.single)
    found = list(dict.fromkeys(table for table in named if draft.schema.has_persons(table)))
    found = found or list(dict.fromkeys(table for table in belongs if draft.schema.has_persons(table)))
    draft.cost += 0.2 * max(0, len(found) - 1)
    return found[0] if found else None


def is_name(mention: Mention) -> bool:
    """Whether names or numbers of rows are asked for, of whatever table."""
    return mention.said.lower() in ("name", "names", "名字", "姓名", "名称", *_IDS)


def is_id(mention: Mention) -> bool:
    """Whether what tells rows apart is asked for."""
    return mention.said.lower() in _IDS


def whose(draft: Draft, owners: set[int], named: list[Mention]) -> int | None:
    """The table that names are asked of, where the question says it."""
    if owners:
        return min(owners)
    others = [draft.ref(mention)[0] for mention in draft.reading.targets if mention not in named]
    others += [
        draft.choice[value.start][0]
        for each in draft.reading.named
        for value in each.mentions
        if value.start in draft.choice
    ]
    others += [draft.ref(each.operand)[0] for each in draft.reading.superlatives if each.operand is not None]
    return others[0] if others else None
