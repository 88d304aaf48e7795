"""What rows are grouped by: per region, by month, for each customer."""

from __future__ import annotations

from pg_llm.ask import words
from pg_llm.ask.grammar.clause import Clause, Misfit, Node, shown_columns
from pg_llm.ask.grammar.logical_form import NO_WORDS, Bucket, Column
from pg_llm.ask.grammar.rules.periods import date_column

# Participles before `by` that do not make what follows an agent.
_GROUPING = {"order", "sort", "group", "rank", "split", "break"}


def key(clause: Clause, index: int) -> bool:
    """An operator of grouping with its column, table, measure or unit of time."""
    node = clause.at(index, "group", "unit")
    if node is None:
        return False
    if node.kind == "unit":
        _unit(clause, index, node.meaning[0])
        return _further(clause, index)
    if node.meaning == ("by",) and (_is_agent(clause, index) or clause.at(index + 1, "condition")):
        return clause.drop(index)
    place = index + 2 if clause.at(index + 1, "distinct") else index + 1
    operand = clause.at(place, "column", "table", *(["measure"] if node.meaning == ("by",) else []))
    if operand is None:
        raise Misfit("a group by nothing")
    clause.put(index, place, _key(clause, operand, node.meaning))
    return _further(clause, index)


def _key(clause: Clause, node: Node, meaning: tuple[str, ...] = ("each",)) -> Node:
    terms = shown_columns(clause.schema, node.ref[0]) if node.kind == "table" else node.terms or [Column(node.ref)]
    return Node("key", 0, 0, NO_WORDS, node.ref, meaning=meaning, terms=list(terms))


def _further(clause: Clause, index: int) -> bool:
    """Further columns, units of time and tables behind `and`: per method and year. Always true."""
    while (second := clause.at(index + 1, "column", "table", "unit")) and _are_listed(clause, index):
        index += 1
        if second.kind == "unit":
            _unit(clause, index, second.meaning[0], alone=True)
        else:
            clause.put(index, index, _key(clause, second))
    return True


def _are_listed(clause: Clause, index: int) -> bool:
    gap = clause.gap(index)
    return bool(gap) and set(gap) <= {"and", "和", "及", ",", "each", "by", "per", "the"}


def _unit(clause: Clause, index: int, unit: str, alone: bool = False) -> None:
    beside = None if alone else next((place for place in (index - 1, index + 1) if clause.may_date(place)), None)
    ref = date_column(clause, index) if beside is None else clause.nodes[beside].ref
    if clause.schema.column(ref).kind == "number" and unit != "year":
        raise Misfit("a part of a year where only years are kept")
    first, last = sorted((index, index if beside is None else beside))
    clause.put(first, last, Node("key", 0, 0, NO_WORDS, ref, meaning=("each",), terms=[Bucket(ref, unit)]))


def _is_agent(clause: Clause, index: int) -> bool:
    """True for the agent of a passive verb: written by, received by."""
    start = clause.nodes[index].start
    before = clause.tokens[start - 1].text.lower() if start else ""
    return words.is_verb_form(before) and not before.endswith("ing") and words.stem(before) not in _GROUPING
