"""Logical forms as SQL: joins along the schema's edges, and semi-joins where a join would repeat rows."""

from __future__ import annotations

from dataclasses import replace

from pg_llm.ask.grammar.joins import Joins
from pg_llm.ask.grammar.logical_form import Aggregate, Bucket, Column, Form, Related, Share, Term
from pg_llm.ask.grammar.sql_scope import Scope
from pg_llm.ask.schema import Schema


def write(form: Form, schema: Schema) -> tuple[str, float]:
    """The SQL, and the cost of the joins that the question does not name. Raises Unwritable."""
    if form.divisor is not None:
        top, cost = write(replace(form, divisor=None), schema)
        bottom, other = write(form.divisor, schema)
        return f"SELECT 1.0 * ({top}) / nullif(({bottom}), 0) AS ratio", cost + other
    mentioned = set(form.mentioned) or {form.main}
    joins = Joins(schema, mentioned)
    shown_refs = [term.ref for term in form.select if isinstance(term, Column) and term.words]
    joins.charged += sum(ref[0] not in mentioned for ref in shown_refs) + (form.main not in mentioned)
    shown = [*form.select, *form.group, *([form.order[0]] if form.order else ())]
    tables = list(dict.fromkeys([form.main, *(table for term in shown for table in _tables(term))]))
    edges = joins.tree(tables)
    plain, semi = joins.split(form, tables)
    tables += [table for condition in plain if condition.op != "exists" for table in condition.reads()]
    edges = joins.tree(tables)
    tables = list(dict.fromkeys([form.main, *(end for edge in edges for end in (edge.source, edge.target))]))
    joins.charge(edges)
    fanned = schema.fans_out(edges, form.main)
    scope = Scope(joins, {}, form.main, fanned)
    source = scope.source(tables[0], edges)
    conditions = [scope.condition(condition) for condition in plain]
    conditions += [scope.exists(condition) for condition in semi]
    text = f"SELECT {'DISTINCT ' if form.distinct else ''}"
    text += ", ".join(scope.selected(term, len(form.select) > 1) for term in form.select)
    text += f" FROM {source}"
    if conditions:
        text += " WHERE " + " AND ".join(conditions)
    if form.group:
        text += " GROUP BY " + ", ".join(dict.fromkeys(scope.term(term) for term in form.group))
    if form.having:
        text += " HAVING " + " AND ".join(map(scope.condition, form.having))
    if form.order:
        text += f" ORDER BY {scope.term(form.order[0])}" + (" DESC NULLS LAST" if form.order[1] else "")
    elif form.group and isinstance(form.group[0], Bucket):
        text += f" ORDER BY {scope.term(form.group[0])}"
    if form.limit is not None:
        text += f" FETCH FIRST {form.limit} ROWS WITH TIES" if form.ties else f" LIMIT {form.limit}"
    return text, joins.charged


def _tables(term: Term) -> list[int]:
    """The tables that must be joined for a term."""
    match term:
        case Column() | Bucket():
            return [term.table]
        case Aggregate(argument=argument, table=table, refs=refs):
            if refs:
                return [table, *(ref[0] for ref in refs)]
            return [argument.table] if isinstance(argument, Column) else [] if argument else [table]
        case Share(aggregate=aggregate):
            return [aggregate.table]
        case Related():
            return []
