"""Measures: counts, sums, averages and other functions of what they are about."""

from __future__ import annotations

from dataclasses import replace

from pg_llm.ask.grammar.clause import LISTING, NO_REF, Clause, Misfit, Node
from pg_llm.ask.grammar.logical_form import NO_WORDS, Aggregate, Column, Term


def measure(clause: Clause, index: int) -> bool:
    """An operator with its operand, a metric, or a column whose words begin with total."""
    node = clause.at(index, "count", "agg", "metric", "column")
    if node is None:
        return False
    if node.kind == "column":
        return _total(clause, index)
    if node.kind == "metric":
        clause.put(index, index, Node("measure", 0, 0, NO_WORDS, terms=[_metric(clause, int(node.number))]))
        return True
    if node.kind == "count":
        return _count(clause, index)
    again = clause.at(index - 1, "measure") and node.text.lower() in ("in total", "combined")
    if again or (clause.at(index + 1, "metric") and node.meaning == ("sum",)):
        return clause.drop(index)
    return _function(clause, index, node.meaning[0])


def _total(clause: Clause, index: int) -> bool:
    """Of several rows the sum of a column such as total_amount is meant where the question says total."""
    node = clause.nodes[index]
    said = clause.tokens[node.start].text.lower() in ("total", "总") and node.end > node.start + 1
    if not said or not clause.is_numeric(node) or clause.at(index - 1, "sup", "agg"):
        return False
    term = Aggregate("sum", node.ref[0], Column(node.ref))
    clause.put(index, index, Node("measure", 0, 0, NO_WORDS, node.ref, terms=[term]))
    return True


def _metric(clause: Clause, place: int) -> Aggregate:
    """A metric as an aggregate over the finest rows that it reads."""
    metric = clause.schema.metrics[place]
    tables = list(dict.fromkeys([metric.table, *(ref[0] for ref in metric.refs)]))
    tree = clause.schema.join_tree(tables)
    grain = next((table for table in tables if tree and not clause.schema.fans_out(tree[0], table)), None)
    if grain is None:
        raise Misfit("a metric over rows that repeat each other")
    return Aggregate("metric", grain, metric=metric.sql, refs=tuple(metric.refs))


def _function(clause: Clause, index: int, function: str) -> bool:
    place = clause.operand(index, "column", "count", "table")
    if place is None:
        raise Misfit(f"{function} of nothing")
    behind = clause.at(place + 1, "column")
    if clause.nodes[place].kind == "table" and behind and behind.ref[0] == clause.nodes[place].ref[0]:
        # The average booking price is one of a column.
        place += 0 if clause.gap(place) else 1
    operand, places = clause.nodes[place], [place]
    numeric = clause.is_numeric(operand) or (clause.is_date(operand) and function in ("min", "max"))
    term: Term
    if operand.kind == "column" and numeric:
        term = Aggregate(function, operand.ref[0], Column(operand.ref))
    elif operand.kind == "count" and function == "sum":
        counted = clause.operand(place, "table")
        if counted is None:
            raise Misfit("a count of nothing")
        places.append(counted)
        term = Aggregate("count", clause.nodes[counted].ref[0])
    else:
        raise Misfit(f"{function} of what is no number")
    return _fold(clause, index, term, *places)


def _count(clause: Clause, index: int) -> bool:
    distinct = clause.at(index + 1, "distinct")
    place = clause.operand(index, "table", "column")
    if place is not None and place < index and clause.at(place - 1, "group"):
        # Per type how many: rows are counted, not what they are grouped by.
        return _fold(clause, index, Aggregate("count", clause.nodes[place].ref[0]))
    if place is None or (place < index and LISTING & set(clause.gap(index - 1))):
        raise Misfit("a count of nothing")
    if clause.at(place - 1, "condition") and place > index + 1 and clause.gap(place - 1) and not clause.chinese:
        raise Misfit("a count of what a value stands for")
    operand = clause.nodes[place]
    table = operand.ref[0]
    term = Aggregate("count", table)
    if operand.kind == "table":
        columns = clause.schema.tables[table].columns
        if any(column.kind == "number" and column.words == ("count",) for column in columns):
            raise Misfit("rows that hold counts themselves")
    elif clause.at(place + 1, "table") and not clause.gap(place):
        raise Misfit("a word before what is counted")
    elif clause.is_numeric(operand) and clause.column(operand).words[-1:] != ("year",) and not distinct:
        # A column of numbers holds how many there are.
        clause.plausibility *= 0.85
        term = Aggregate("sum", table, Column(operand.ref))
    elif not clause.schema.names_row(operand.ref) and not clause.column(operand).unique:
        term = Aggregate("count", table, Column(operand.ref), distinct=True)
        # The F grades are rows rather than grades.
        clause.plausibility *= 0.8 if not distinct and clause.at(place - 1, "condition") else 1.0
    return _fold(clause, index, term, place, *([index + 1] if distinct else []))


def _fold(clause: Clause, index: int, term: Term, *others: int) -> bool:
    """Put a measure in the place of an operator and take its operands out, which may stand apart."""
    places = sorted({index, *others})
    words = NO_WORDS.union(*(clause.nodes[place].words for place in places))
    said = next((node.text for place in others if (node := clause.nodes[place]).kind == "column"), "")
    node = Node("measure", 0, 0, words, (term.table, -1) if isinstance(term, Aggregate) else NO_REF, said, terms=[term])
    if places == list(range(places[0], places[-1] + 1)):
        clause.put(places[0], places[-1], node)
    else:
        old = clause.nodes[index]
        clause.nodes[index] = replace(node, start=old.start, end=old.end)
        clause.nodes[index].own_words()
        clause.remove(*(place for place in places if place != index))
    return True
