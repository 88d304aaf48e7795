"""Comparisons with numbers and averages."""

from __future__ import annotations

from pg_llm.ask.grammar.clause import LISTING, Clause, Misfit, Node, attribute_columns
from pg_llm.ask.grammar.logical_form import NO_WORDS, Aggregate, Column, Condition, Term
from pg_llm.ask.linking import operators
from pg_llm.ask.schema import Ref


def bound(clause: Clause, index: int) -> bool:
    """An operator with its number or two."""
    numbers = [node.number for place in (index, index + 1, index + 2) if (node := clause.at(place, "number"))]
    if clause.at(index, "between") and len(numbers) == 2:
        meaning: tuple[str, ...] = ("between",)
        last = index + 2
    elif clause.at(index, "number") and clause.at(index + 1, "range") and len(numbers) == 2:
        meaning, last = ("between",), index + 2
    elif clause.at(index, "cmp") and clause.at(index + 1, "number"):
        meaning, numbers, last = clause.nodes[index].meaning, numbers[:1], index + 1
    elif clause.at(index, "number") and clause.at(index + 1, "above"):
        meaning, numbers, last = clause.nodes[index + 1].meaning, numbers[:1], index + 1
    else:
        return False
    clause.put(index, last, Node("bound", 0, 0, NO_WORDS, meaning=meaning, values=tuple(numbers)))
    return True


def compare(clause: Clause, index: int) -> bool:
    """A bound with what it bounds: the column or measure before it, the column or table behind it."""
    node = clause.at(index, "bound")
    if node is None:
        return False
    if len(node.meaning) > 1:
        ref = attribute(clause, index, node.meaning[1])
        if clause.schema.column(ref).kind != "number":
            raise Misfit("a number is compared with a date")
        return clause.put_condition(index, index, _comparison(node, Column(ref)))
    before, behind = clause.at(index - 1, "column", "measure"), clause.at(index + 1, "column", "table")
    if before is not None and not LISTING & set(clause.gap(index - 1)):
        if before.kind == "measure":
            return clause.put_condition(index - 1, index, _comparison(node, before.terms[0]))
        if clause.is_numeric(before):
            return clause.put_condition(index - 1, index, _comparison(node, Column(before.ref)))
    if behind is not None and clause.is_numeric(behind):
        return clause.put_condition(index, index + 1, _comparison(node, Column(behind.ref)))
    if behind is not None and behind.kind == "table":
        return clause.put_condition(index, index + 1, _comparison(node, Aggregate("count", behind.ref[0])))
    raise Misfit("a number is compared with nothing")


def _comparison(node: Node, term: Term) -> Condition:
    return Condition("in" if node.meaning[0] == "=" else node.meaning[0], term, node.values)


def attribute(clause: Clause, index: int, name: str) -> Ref:
    """The one column that an adjective is about, in the nearest table that is named."""
    behind, before = range(index + 1, len(clause.nodes)), reversed(range(index))
    for place in [*before, *behind] if clause.chinese else [*behind, *before]:
        for table in clause.nodes[place].tables():
            found = attribute_columns(clause.schema, table, operators.ATTRIBUTES[name])
            if len(found) > 1:
                raise Misfit("several columns that may be meant")
            if found:
                return found[0]
    raise Misfit("nothing that may be compared")
