"""Superlatives, the first so many rows, and orders."""

from __future__ import annotations

from dataclasses import replace

from pg_llm.ask.grammar.clause import NO_REF, Clause, Misfit, Node
from pg_llm.ask.grammar.logical_form import NO_WORDS, Aggregate, Column, Term
from pg_llm.ask.grammar.rules.comparisons import attribute
from pg_llm.ask.linking import operators

_MOST_ROWS = 1000


def number_of_rows(clause: Clause, index: int) -> bool:
    """The number of a superlative: top 5, the three longest."""
    node = clause.at(index, "sup")
    if node is None or node.limit is not None:
        return False
    place = index - 1 if clause.at(index - 1, "number") else index + 1
    first, last = sorted((place, index))
    if not clause.at(place, "number") or len(clause.gap(first)) > 1:
        return False
    limit = clause.nodes[place].number
    if limit != int(limit) or not 0 < limit <= _MOST_ROWS:
        raise Misfit("no number of rows")
    clause.put(first, last, replace(node, limit=int(limit)))
    return True


def superlative(clause: Clause, index: int) -> bool:
    """The highest salary, most orders, the oldest; what is only counted waits for its order."""
    node = clause.at(index, "sup")
    if node is None:
        return False
    what = node.meaning[1] if len(node.meaning) > 1 else ""
    place = index - 1 if clause.chinese and what != "top" else index + 1
    other = index + 1 if clause.chinese else index - 1 if what == "date" else place
    for operand_place in (place, other):
        term = _operand(clause, operand_place, what)
        if term is not None:
            return _put_order(clause, min(operand_place, index), max(operand_place, index), node, term)
    if node.limit is not None and what == "top":
        clause.nodes[index] = replace(node, kind="first")
        return True
    if what not in operators.ATTRIBUTES:
        raise Misfit("a superlative of nothing")
    ref = attribute(clause, index, what)
    if what == "age" and clause.schema.column(ref).kind == "date":
        node = replace(node, meaning=("asc" if node.meaning[0] == "desc" else "desc", what))
    _put_order(clause, index, index, node, Column(ref))
    # An adjective is about rows: the highest paid chef is no salary.
    clause.nodes[index].ref = (ref[0], -1)
    return True


def _operand(clause: Clause, place: int, what: str) -> Term | None:
    """The term that the node beside a superlative is for it."""
    node = clause.at(place, "column", "measure", "table")
    if node is None:
        return None
    if what in operators.ATTRIBUTES:
        named = node.kind == "column" and set(clause.column(node).words) & set(operators.ATTRIBUTES[what])
        return Column(node.ref) if named or (what == "date" and clause.is_date(node)) else None
    if node.kind == "table":
        return Aggregate("count", node.ref[0]) if what == "most" else None
    if node.kind == "measure":
        return node.terms[0]
    if not clause.is_numeric(node) or what == "top":
        return None
    total = clause.tokens[node.start].text.lower() == "total" and node.end > node.start + 1
    if not total or any(other.ref == (node.ref[0], -1) for other in clause.nodes if other.kind == "table"):
        return Column(node.ref)
    # The highest total amount of anything but the rows themselves is one of sums.
    return Aggregate("sum", node.ref[0], Column(node.ref))


def _put_order(clause: Clause, first: int, last: int, node: Node, term: Term) -> bool:
    down = node.meaning[0] == "desc"
    made = Node("order", 0, 0, NO_WORDS, meaning=("top",), terms=[term], descending=down, limit=node.limit)
    clause.put(first, last, made)
    return True


def ranking(clause: Clause, index: int) -> bool:
    """Top 5 … by …; ordered by … descending; from highest to lowest."""
    node = clause.at(index, "first", "direction", "order")
    if node is None or (node.kind == "order" and node.terms):
        return False
    if node.kind == "first":
        return _ordered_first(clause, index, node)
    if node.kind == "direction":
        # Without a term, by the first column; the meaning tells it from an order that still waits for its term.
        made = Node("sort", 0, 0, NO_WORDS, NO_REF, node.text, ("sort",), descending=node.meaning == ("desc",))
        clause.put(index, index, made)
        return True
    operand = clause.at(index + 1, "column", "measure")
    if operand is None:
        raise Misfit("an order by nothing")
    direction = clause.at(index + 2, "direction")
    descending = direction is not None and direction.meaning == ("desc",)
    term = operand.terms[0] if operand.terms else Column(operand.ref)
    made = Node("order", 0, 0, NO_WORDS, meaning=("sort",), terms=[term], descending=descending)
    clause.put(index, index + 2 if direction else index + 1, made)
    return True


def _ordered_first(clause: Clause, index: int, node: Node) -> bool:
    """The first so many rows by an order that stands elsewhere in the clause."""
    for other in clause.nodes:
        by = other.kind == "key" and other.meaning == ("by",)
        if other.kind != "order" and not by:
            continue
        if other.limit is not None:
            raise Misfit("two numbers of rows")
        if by:
            other.kind, other.meaning, other.descending = "order", ("top", "by"), node.meaning[0] == "desc"
            if other.ref[1] < 0 and not isinstance(other.term, Aggregate):
                # Top 5 customers by orders have the most.
                other.terms = [Aggregate("count", other.ref[0])]
        other.limit, other.words = node.limit, other.words | node.words
        other.own_words()
        clause.remove(index)
        return True
    raise Misfit("a number of rows without an order")
