"""Attachment of conditions: which of the rows that a question names each condition is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pg_llm.ask.grammar.clause import Misfit, Node
from pg_llm.ask.grammar.logical_form import NO_WORDS, Aggregate, Column, Condition, Form, Related
from pg_llm.ask.schema import Schema


def attach(
    schema: Schema, form: Form, mentions: Sequence[Node], conditions: Sequence[Node], orders: Sequence[Node]
) -> None:
    """Put conditions where they belong: each restricts the rows of the named table that is nearest to it.

    Nearest by keys, then by words: papers by authors from a domain. Rows that are counted or summed to compare or order
    by are restricted inside of the count.
    """
    counted = {
        node.aggregate.table: node
        for node in [*conditions, *orders]
        if node.aggregate and node.aggregate.table != form.main and (node.condition or not form.group)
    }
    places = {node.ref[0]: node.start for node in reversed(mentions)}
    places |= {table: node.start for table, node in counted.items()}
    places.pop(form.main, None)
    named = {table: NO_WORDS.union(*(node.words for node in mentions if node.ref[0] == table)) for table in places}
    parts: dict[int, list[Condition]] = {table: [] for table in [form.main, *places]}
    for node in conditions:
        if node.condition is not None and node.aggregate is None:
            term = node.condition.term
            table = term.table if isinstance(term, Column) else form.main
            parts[table if table in parts else _nearest(schema, form.main, table, node.start, places)] += [
                node.condition
            ]
    for table, start in sorted(places.items(), key=lambda pair: -pair[1]):
        before = {other: place for other, place in places.items() if place < start}
        parent = _nearest(schema, form.main, table, start, before)
        if table in counted:
            form.named |= named[table]
            _restrict_count(form, counted[table], table, tuple(parts[table]))
        elif repeats(schema, parent, table):
            inner = tuple(parts[table])
            parts[parent].append(Condition("exists", tables=(table,), inner=inner, words=named[table]))
        else:
            lifted = parts[table] or _referenced(schema, parent, table)
            form.named |= NO_WORDS if lifted else named[table]
            parts[parent] += [replace(condition, words=condition.words | named[table]) for condition in lifted]
    form.where += parts[form.main]
    none = [one.tables for one in form.where if one.op == "exists" and one.negated and not one.inner]
    if any(table in tables for one in form.where if not one.negated for table in one.reads() for tables in none):
        raise Misfit("a condition on rows that there are none of")
    for node in conditions:
        if node.condition is not None and node.aggregate and node.aggregate.table == form.main:
            if not form.group:
                raise Misfit("a condition on a measure of single rows")
            form.having.append(node.condition)


def related(main: int, aggregate: Aggregate | None) -> Related:
    """An aggregate over the rows related to each main row. Raises Misfit."""
    if aggregate is None or aggregate.table == main:
        raise Misfit("a measure of single rows")
    return Related(aggregate)


def repeats(schema: Schema, main: int, table: int) -> bool:
    """True if joining a table may repeat rows of the main one. Raises Misfit."""
    tree = schema.join_tree([main, table])
    if tree is None:
        raise Misfit("tables that are not connected")
    return schema.fans_out(tree[0], main)


def _restrict_count(form: Form, node: Node, table: int, parts: tuple[Condition, ...]) -> None:
    if node.condition is not None:
        term = replace(related(form.main, node.aggregate), conditions=parts)
        form.where.append(replace(node.condition, term=term))
    elif form.order and isinstance(form.order[0], Related):
        old = form.order[0]
        new = replace(old, conditions=parts)
        form.order = (new, form.order[1])
        form.select = [new if each == old else each for each in form.select]
        if old.aggregate.function == "count":
            form.where.append(Condition("exists", tables=(table,), inner=parts))


def _referenced(schema: Schema, source: int, target: int) -> list[Condition]:
    """Rows that are named with those that they reference do reference one."""
    edge = schema.reference_edge(source, target)
    columns = [] if edge is None else [(source, a) for a, _ in edge.columns]
    return [Condition("null", Column(ref), negated=True) for ref in columns if schema.column(ref).nullable]


def _nearest(schema: Schema, main: int, table: int, start: int, places: Mapping[int, int]) -> int:
    """The named table with the cheapest join to a table; of several the one named last before it."""
    ranked = []
    for other, place in {main: -1, **places}.items():
        tree = schema.join_tree([other, table])
        if tree is not None:
            ranked.append((tree[1], place > start, abs(start - place), other))
    return min(ranked)[3] if ranked else main
