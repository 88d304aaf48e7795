"""Conditions that something is not there."""

from __future__ import annotations

from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.grammar.query import Condition, Expr
from pg_llm.ask.mention import Mention
from pg_llm.ask.schema import Ref


def add_known(draft: Draft, mention: Mention) -> None:
    """With a town: a table is joined. Raises Impossible."""
    ref = draft.ref(mention)
    if ref[1] < 0:
        draft.query.tables.append(ref[0])
        return
    kind = draft.schema.column(ref).kind
    draft.query.where.append(Condition(Expr("column", ref), "true" if kind == "bool" else "not null"))


def add(draft: Draft, mention: Mention) -> None:
    """Without batches, with no town, not vegan. Raises Impossible."""
    where = draft.query.where
    ref = draft.ref(mention)
    if mention.role == "verb" and ref[0] != draft.main and _begins(draft, ref):
        # Never ordered: there is no order.
        ref = (ref[0], -1)
    if mention.role == "is" and (ref[1] < 0 or draft.schema.column(ref).kind != "bool"):
        raise Impossible("what it is not is not known of it")
    if ref[1] >= 0:
        where.append(_empty(draft, ref))
        return
    if ref[0] == draft.main:
        raise Impossible("what is not there")
    edge = draft.schema.reference(draft.main, ref[0])
    pointer = (draft.main, edge.columns[0][0]) if edge is not None and len(edge.columns) == 1 else None
    if pointer is not None and draft.schema.column(pointer).nullable:
        where.append(Condition(Expr("column", pointer), "null"))
        return
    # No orders in 2023: what is said of them says which are not there.
    its = [each for each in where if each.expr and {table for table, _ in each.refs()} == {ref[0]}]
    draft.query.where = [each for each in where if each not in its]
    draft.query.tables = [table for table in draft.query.tables if table != ref[0]]
    draft.without(ref[0], *its)


def _empty(draft: Draft, ref: Ref) -> Condition:
    """No stars, no town, not vegan. Raises Impossible."""
    column = draft.schema.column(ref)
    if ref[0] != draft.main:
        # Who has no row there at all has none with nothing in it either.
        draft.cost += 0.4
    if column.kind == "bool":
        return Condition(Expr("column", ref), "false")
    if column.is_measure:
        if column.nullable:
            # No points may be none, or not known.
            draft.cost += 0.4
        return Condition(Expr("column", ref), "=", (0.0,))
    if not column.nullable:
        raise Impossible(f"{column.name} is never missing")
    return Condition(Expr("column", ref), "null")


def add_never(draft: Draft) -> None:
    """Nobody has borrowed it: no row belongs to it of the one table whose rows do. Raises Impossible."""
    found = {edge.one for edge in draft.schema.edges if edge.other == draft.main and edge.single} - {draft.main}
    if len(found) != 1:
        raise Impossible("what never happened")
    draft.without(found.pop())


def _begins(draft: Draft, ref: Ref) -> bool:
    """Whether what happens at a column's time makes its row: the first time that a row has."""
    columns = draft.schema.tables[ref[0]].columns
    return ref[1] >= 0 and all(column.kind != "date" for column in columns[: ref[1]])
