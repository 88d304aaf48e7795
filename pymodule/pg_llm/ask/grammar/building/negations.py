"""Negations: anti-joins and IS NULL conditions."""

from __future__ import annotations

from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.grammar.query import Condition, Expr
from pg_llm.ask.mention import Mention
from pg_llm.ask.schema import Ref


def add_required(draft: Draft, mention: Mention) -> None:
    """Require that something exists (double negation): with a town. Raises Impossible."""
    ref = draft.ref(mention)
    if ref[1] < 0:
        draft.query.tables.append(ref[0])
        return
    kind = draft.schema.column(ref).kind
    draft.query.where.append(Condition(Expr("column", ref), "true" if kind == "bool" else "not null"))


def add(draft: Draft, mention: Mention) -> None:
    """Require that something does not exist: without batches, with no town, not vegan. Raises Impossible."""
    where = draft.query.where
    ref = draft.ref(mention)
    if mention.role == "verb" and ref[0] != draft.main_table and _starts_row(draft, ref):
        # `never ordered` means that there is no row of orders.
        ref = (ref[0], -1)
    if mention.role == "is" and (ref[1] < 0 or draft.schema.column(ref).kind != "bool"):
        raise Impossible("what it is not is not known of it")
    if ref[1] >= 0:
        where.append(_empty_condition(draft, ref))
        return
    if ref[0] == draft.main_table:
        raise Impossible("what is not there")
    edge = draft.schema.reference_edge(draft.main_table, ref[0])
    pointer = (draft.main_table, edge.columns[0][0]) if edge is not None and len(edge.columns) == 1 else None
    if pointer is not None and draft.schema.column(pointer).nullable:
        where.append(Condition(Expr("column", pointer), "null"))
        return
    # No orders in 2023: conditions on the negated table go into the subquery.
    own = [condition for condition in where if condition.expr and {table for table, _ in condition.refs()} == {ref[0]}]
    draft.query.where = [condition for condition in where if condition not in own]
    draft.query.tables = [table for table in draft.query.tables if table != ref[0]]
    draft.require_absent(ref[0], *own)


def _empty_condition(draft: Draft, ref: Ref) -> Condition:
    """The condition that a column has nothing: no stars, no town, not vegan. Raises Impossible."""
    column = draft.schema.column(ref)
    if ref[0] != draft.main_table:
        # Rows of the main table that join no row of the other one are missing from the result.
        draft.cost += 0.4
    if column.kind == "bool":
        return Condition(Expr("column", ref), "false")
    if column.is_measure:
        if column.nullable:
            # NULL may mean none or unknown.
            draft.cost += 0.4
        return Condition(Expr("column", ref), "=", (0.0,))
    if not column.nullable:
        raise Impossible(f"{column.name} is never missing")
    return Condition(Expr("column", ref), "null")


def add_never_happened(draft: Draft) -> None:
    """Anti-join with the only table that references the main one: nobody has borrowed it. Raises Impossible."""
    referencing = {
        edge.source for edge in draft.schema.edges if edge.target == draft.main_table and edge.many_to_one
    } - {draft.main_table}
    if len(referencing) != 1:
        raise Impossible("what never happened")
    draft.require_absent(referencing.pop())


def _starts_row(draft: Draft, ref: Ref) -> bool:
    """True for the first date column of a table, whose event creates the row."""
    columns = draft.schema.tables[ref[0]].columns
    return ref[1] >= 0 and all(column.kind != "date" for column in columns[: ref[1]])
