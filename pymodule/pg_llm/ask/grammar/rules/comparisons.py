"""Comparisons with numbers and averages."""

from __future__ import annotations

from dataclasses import replace

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


def equality(clause: Clause, index: int) -> bool:
    """A number beside its column: rating 5, 3 bedrooms."""
    number = clause.at(index, "number")
    if number is None or clause.at(index - 1, "sup") or clause.at(index + 1, "sup"):
        return False
    for place in (index - 1, index + 1):
        column = clause.at(place, "column")
        if column is None or clause.column(column).kind != "number":
            continue
        first, last = sorted((place, index))
        gap = clause.gap(first)
        if len(gap) <= 2 and not LISTING & set(gap):
            return clause.put_condition(first, last, Condition("in", Column(column.ref), (number.number,)), column.ref)
    return False


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
    if not any(node.tables() for node in clause.nodes):
        # Where no rows are named those of the conditions are meant, else the only ones that have it.
        held = {node.ref[0] for node in clause.nodes if node.kind == "condition" and node.ref[0] >= 0}
        everywhere = [
            ref
            for table in held or range(len(clause.schema.tables))
            for ref in attribute_columns(clause.schema, table, operators.ATTRIBUTES[name])
        ]
        if len(everywhere) == 1:
            return everywhere[0]
    raise Misfit("nothing that may be compared")


def verb(clause: Clause, index: int) -> bool:
    """A verb for a column: what they earn is their salary."""
    node = clause.at(index, "attribute")
    if node is None:
        return False
    ref = attribute(clause, index, node.meaning[0])
    clause.nodes[index] = replace(node, kind="column", ref=ref, meaning=("verb",))
    asked = next((place for place in range(index) if clause.nodes[place].text.lower() == "how much"), None)
    if asked is not None:
        averaged = any(one.kind == "agg" and one.meaning == ("avg",) for one in clause.nodes)
        named = any(one.kind == "condition" and clause.schema.names_row(one.ref) for one in clause.nodes)
        if not averaged and not named:
            raise Misfit("how much each or all")
        clause.drop(asked)
    return True
