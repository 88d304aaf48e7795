"""Conditions that something is not there."""

from __future__ import annotations

from pg_llm.asking.building.draft import Draft, Impossible
from pg_llm.asking.mention import Mention
from pg_llm.asking.query import Condition, Expr


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
    if ref[1] >= 0:
        column = draft.schema.column(ref)
        if column.is_measure:
            where.append(Condition(Expr("column", ref), "=", (0.0,)))
        else:
            where.append(Condition(Expr("column", ref), "false" if column.kind == "bool" else "null"))
        return
    if ref[0] == draft.main:
        raise Impossible("what is not there")
    edge = draft.schema.reference(draft.main, ref[0])
    pointer = (draft.main, edge.columns[0][0]) if edge is not None and len(edge.columns) == 1 else None
    if pointer is not None and draft.schema.column(pointer).nullable:
        where.append(Condition(Expr("column", pointer), "null"))
        return
    draft.without(ref[0])
