"""Counts and aggregates."""

from __future__ import annotations

from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.grammar.query import Expr
from pg_llm.ask.grammar.reading.parts import Measure
from pg_llm.ask.schema import Ref


def expr(draft: Draft, of: Measure) -> Expr:
    """How many flights, the average price. Raises Impossible."""
    if of.of is not None:
        return _of_each(draft, of.said, of.of)
    if of.operand is None:
        if of.said != "count":
            return _only_number(draft, of, draft.main)
        alone = draft.entities == [draft.main] or of.times or _named(draft)
        counted = _counted(draft, of.persons or of.times) if alone else draft.main
        draft.query.tables.append(counted)
        return Expr("count", (counted, -1))
    ref = draft.ref(of.operand)
    if of.operand.kind == "value":
        # Completed payments: the rows that have the value.
        ref = (ref[0], -1)
    if ref[1] < 0:
        if of.worth or of.said not in ("count", "sum"):
            return _only_number(draft, of, ref[0])
        if of.times:
            # How many times books were borrowed: what happened is counted, not the books.
            draft.query.tables.append(ref[0])
            return Expr("agg", None, "count")
        draft.cost += 0.05 if of.said == "sum" else 0.0
        draft.query.tables.append(ref[0])
        return Expr("count", (ref[0], -1))
    column = draft.schema.column(ref)
    happened = of.operand.role == "verb" and column.kind == "date"
    labels = (each.label for each in draft.reading.named if not each.op)
    if of.said == "count" and (happened or any(label is of.operand for label in labels)):
        # How often it happened; the number of F grades: of the rows that have that value.
        draft.query.tables.append(ref[0])
        return Expr("count", (ref[0], -1))
    if of.said == "count":
        return _count(draft, ref)
    if column.is_measure or (of.said in ("min", "max") and column.kind in ("date", "number")):
        return Expr("agg", ref, of.said)
    if of.said == "sum":
        draft.cost += 0.1
        return Expr("agg", ref, "count", distinct=True)
    raise Impossible(f"{of.operand.said} is no number")


def _named(draft: Draft) -> bool:
    """Whether groups are rows by their names, in Chinese, where the table is called as its column of names is."""
    shown = (draft.main, draft.schema.display(draft.main))
    return draft.reading.linked.chinese and any(expr.ref == shown for expr in draft.grouped)


def _counted(draft: Draft, known: bool) -> int:
    """Who there is of each row, or how often something happened: the rows of the one table that belong to it."""
    if not known and draft.reading.linked.chinese:
        # What follows the number says what things are counted, and they are none of a table.
        raise Impossible("what is counted is not said")
    found = {edge.one for edge in draft.schema.edges if edge.other == draft.main and edge.single} - {draft.main}
    if len(found) != 1:
        raise Impossible("what is counted is not said")
    return found.pop()


def _of_each(draft: Draft, said: str, of: Measure) -> Expr:
    """The average number of flights of each group: flights by groups."""
    if of.operand is not None and said in ("avg", "sum"):
        ref = draft.ref(of.operand)
        if ref[1] >= 0 and draft.schema.column(ref).is_measure:
            if ref[0] in draft.entities:
                # Nights per stay: every row is a stay.
                draft.grouped = [each for each in draft.grouped if each.ref is None or each.ref[0] != ref[0]]
                draft.shown = [each for each in draft.shown if each.ref is None or each.ref[0] != ref[0]]
            return Expr("agg", ref, said)
    inner = expr(draft, of)
    if not draft.grouped:
        raise Impossible("of what each there is a number")
    if said != "avg":
        raise Impossible("only averages of numbers are known")
    if inner.kind == "count":
        # Of each pair of the two there is one row.
        inner = Expr("agg", None, "count")
    identity = draft.grouped[-1]
    draft.query.tables.append(identity.ref[0] if identity.ref else 0)
    draft.grouped, draft.shown = [], []
    return Expr("ratio", parts=(inner, Expr("agg", identity.ref, "count", distinct=True)))


def _count(draft: Draft, ref: Ref) -> Expr:
    """The number in a column of numbers; else how many rows, or different values, a column has."""
    if draft.schema.column(ref).is_measure:
        draft.cost += 0.02
        return Expr("agg", ref, "sum")
    key = draft.schema.tables[ref[0]].key
    if key and ref[1] in (draft.schema.display(ref[0]), *key) and not draft.reading.distinct:
        draft.query.tables.append(ref[0])
        return Expr("count", (ref[0], -1))
    return Expr("agg", ref, "count", distinct=True)


def _only_number(draft: Draft, of: Measure, table: int) -> Expr:
    """The number that says what rows are worth, where that is asked, else the only one. Raises Impossible."""
    worth = draft.attribute(["worth"], [table]) if of.worth else None
    return Expr("agg", worth or draft.only_number(table, "it does not say of which number", 0.3), of.said)
