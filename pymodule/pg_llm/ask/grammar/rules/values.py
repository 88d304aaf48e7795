"""Values of the rows and Boolean columns as conditions."""

from __future__ import annotations

from dataclasses import replace

from pg_llm.ask.grammar.clause import LISTING, Clause, Node, shown_columns
from pg_llm.ask.grammar.logical_form import NO_WORDS, Column, Condition
from pg_llm.ask.schema import Ref

_LONGEST_GAP = 3
# The last words of columns that say what their rows are: a value in the plural may stand for those.
_KINDS = frozenset(
    "type kind category class status role position title qualification profession occupation species gender".split()
)


def label(clause: Clause, index: int) -> bool:
    """Names: all columns that name a row of the table that is named beside, first and last names too."""
    node = clause.at(index, "label")
    if node is None:
        return False
    table = next((other for other in clause.nodes[index:] if other.kind == "table"), None)
    if clause.at(index - 1, "table") and not clause.gap(index - 1):
        table = node = clause.put(index - 1, index, replace(clause.nodes[index - 1], words=node.words))
        index -= 1
    if table is None:
        return False
    shown = [term for term in shown_columns(clause.schema, table.ref[0]) if isinstance(term, Column)]
    clause.nodes[index : index + 1] = [replace(node, kind="column", ref=term.ref) for term in shown]
    return True


def value(clause: Clause, index: int) -> bool:
    """A value, in each of its spellings, or a part of one."""
    node = clause.at(index, "value")
    if node is None or node.anchor is None:
        return False
    values = node.anchor.values
    condition = Condition("in", Column(node.ref), values)
    if not node.anchor.whole:
        condition = Condition("like", Column(node.ref), (f"%{_escaped(values[0])}%",))
    return clause.put_condition(index, index, condition, node.ref)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def alternatives(clause: Clause, index: int) -> bool:
    """Values of one column with `or`, `and` or a comma between them."""
    last = index + 2 if clause.at(index + 1, "or") else index + 1
    first, second = (node.condition if (node := clause.at(place, "condition")) else None for place in (index, last))
    if first is None or second is None or (first.op, second.op) != ("in", "in") or first.term != second.term:
        return False
    if last == index + 1 and not set(clause.gap(index)) & (LISTING | {"&", "或", "/"}):
        return False
    values = tuple(dict.fromkeys((*first.values, *second.values)))
    return clause.put_condition(index, last, replace(first, values=values), clause.nodes[index].ref)


def column_of_value(clause: Clause, index: int) -> bool:
    """A column beside a value of it: status pending, the EMEA region, 优先级为urgent."""
    for place, other in ((index, index + 1), (index + 1, index)):
        column, node = clause.at(place, "column"), clause.at(other, "condition")
        if column is None or node is None or node.condition is None or node.condition.op not in ("in", "like"):
            continue
        gap = clause.gap(index)
        if column.ref == node.ref and len(gap) <= _LONGEST_GAP and not LISTING & set(gap):
            return clause.put_condition(index, index + 1, node.condition, node.ref)
    return False


def noun(clause: Clause, index: int) -> bool:
    """A value in the plural that stands for its rows where none are named: how many no-shows, robots in Leeds."""
    node = clause.at(index, "condition")
    if node is None or node.condition is None or node.condition.op != "in":
        return False
    last = clause.tokens[node.end - 1]
    if not last.text.lower().endswith("s") or last.text.lower() == last.stem:
        return False
    counted = clause.at(index - 1, "count") and not clause.gap(index - 1)
    behind = clause.at(index + 1, "table", "column") and not clause.gap(index)
    tables = {other.ref[0] for other in clause.nodes if other.kind == "table"}
    if not _is_category(clause, node.ref) or node.ref[0] in tables or behind or (tables and not counted):
        return False
    if not counted and any(other.kind in ("column", "count", "agg", "sup", "group") for other in clause.nodes):
        return False
    clause.nodes.insert(index + 1, Node("table", node.end, node.end, NO_WORDS, (node.ref[0], -1)))
    return True


def _is_category(clause: Clause, ref: Ref) -> bool:
    """True for a column that says what its rows are, rather than what they are called or came by."""
    return bool(_KINDS & set(clause.schema.column(ref).words[-1:])) and not clause.schema.names_row(ref)


def boolean(clause: Clause, index: int) -> bool:
    """A Boolean column, unless rows are grouped by it."""
    node = clause.at(index, "column")
    if node is None or clause.column(node).kind != "bool" or clause.at(index - 1, "group"):
        return False
    condition = Condition("true", Column(node.ref), negated=node.meaning == ("not",))
    return clause.put_condition(index, index, condition, node.ref)
