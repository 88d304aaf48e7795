"""Negation: other values, no value, no related rows."""

from __future__ import annotations

from dataclasses import replace

from pg_llm.ask.grammar.clause import Clause, Misfit, Node
from pg_llm.ask.grammar.logical_form import Column, Condition
from pg_llm.ask.linking import names

# Words that a negation does not reach beyond.
_STOPS = {"and", "but", "who", "which", "that", ",", "的", "\uff0c", "、"}


def negation(clause: Clause, index: int) -> bool:
    """Not, without, never, except."""
    node = clause.at(index, "not", "except")
    if node is None:
        return False
    following = clause.at(index + 1, "condition", "column", "table")
    if following is None:
        raise Misfit("a negation of nothing")
    if following.kind == "column":
        return _without_value(clause, index, node, following)
    reached = _scope(clause, index)
    names_rows = any(clause.nodes[place].kind == "table" for place in reached)
    if following.condition is not None and not (node.kind == "not" and names_rows):
        condition = following.condition
        return clause.put_condition(index, index + 1, replace(condition, negated=not condition.negated), following.ref)
    return _without_rows(clause, index, reached)


def _without_value(clause: Clause, index: int, node: Node, following: Node) -> bool:
    """A column without a value; a date, or a name, of other rows stands for those: never admitted.

    A verb may be the date of any rows: only of those that are named, or called after it, as admissions.
    """
    first = next((other for other in clause.nodes if other.kind == "table"), None)
    of_rows = clause.is_date(following) or clause.schema.names_row(following.ref)
    if of_rows and first is not None and first.ref[0] != following.ref[0]:
        if clause.is_date(following) and not _is_about(clause, following):
            raise Misfit("a verb that may be about other rows")
        clause.nodes[index + 1] = replace(following, kind="table", ref=(following.ref[0], -1))
        happened = Condition("null", Column(following.ref), negated=True)
        dated = clause.is_date(following) and clause.column(following).nullable
        return _without_rows(clause, index, _scope(clause, index), (happened,) if dated else ())
    if node.kind == "except" or not clause.column(following).nullable:
        raise Misfit("a negated name")
    return clause.put_condition(index, index + 1, Condition("null", Column(following.ref)), following.ref)


def _is_about(clause: Clause, date: Node) -> bool:
    """True if rows that have the date, or ones that they reference, are named, or they are called after its verb."""
    _, *named = dict.fromkeys(node.ref[0] for node in clause.nodes if node.kind == "table")
    table = date.ref[0]
    if any(other == table or clause.schema.reference_edge(table, other) for other in named):
        return True
    roots = {names.root(word) for word in clause.schema.tables[table].words}
    return any(names.root(clause.tokens[place].stem) in roots for place in date.words)


def _scope(clause: Clause, index: int) -> list[int]:
    """The places that a negation reaches: up to a conjunction."""
    places: list[int] = []
    for place in range(index + 1, len(clause.nodes)):
        stopped = places and set(clause.gap(place - 1)) & _STOPS
        if stopped or clause.nodes[place].kind not in ("condition", "table"):
            break
        places.append(place)
    return places


def _without_rows(clause: Clause, index: int, places: list[int], conditions: tuple[Condition, ...] = ()) -> bool:
    """No rows of these tables that fulfil these conditions."""
    nodes = [clause.nodes[place] for place in places]
    tables = tuple(dict.fromkeys(node.ref[0] for node in nodes if node.kind == "table"))
    inner = (*conditions, *(node.condition for node in nodes if node.condition is not None))
    clause.put_condition(index, places[-1], Condition("exists", negated=True, tables=tables, inner=inner))
    made = clause.nodes[index]
    assert made.condition is not None
    own = made.words.difference(*(condition.words for condition in inner))
    made.condition = replace(made.condition, words=own)
    return True
