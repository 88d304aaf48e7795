"""Counts and aggregates."""

from __future__ import annotations

from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.grammar.query import Expr
from pg_llm.ask.grammar.reading.parsed_question import Measure
from pg_llm.ask.schema import Ref


def measure_expr(draft: Draft, measure: Measure) -> Expr:
    """The expression of a measure: how many flights, the average price. Raises Impossible."""
    if measure.inner is not None:
        return _average_per_group(draft, measure.function, measure.inner)
    if measure.operand is None:
        if measure.function != "count":
            return _aggregate_of_table(draft, measure, draft.main_table)
        alone = draft.entity_groups == [draft.main_table] or measure.counts_events or _groups_by_name(draft)
        counted = _counted_table(draft, measure.counts_persons or measure.counts_events) if alone else draft.main_table
        draft.query.tables.append(counted)
        return Expr("count", (counted, -1))
    ref = draft.ref(measure.operand)
    if measure.operand.kind == "value":
        # Counting a value counts the rows that have it: completed payments.
        ref = (ref[0], -1)
    if ref[1] < 0:
        if measure.monetary or measure.function not in ("count", "sum"):
            return _aggregate_of_table(draft, measure, ref[0])
        if measure.counts_events:
            # How many times books were borrowed: rows of the event are counted, not distinct books.
            draft.query.tables.append(ref[0])
            return Expr("agg", None, "count")
        draft.cost += 0.05 if measure.function == "sum" else 0.0
        draft.query.tables.append(ref[0])
        return Expr("count", (ref[0], -1))
    column = draft.schema.column(ref)
    happened = measure.operand.role == "verb" and column.kind == "date"
    labels = (value_filter.label for value_filter in draft.parsed.value_filters if not value_filter.op)
    if measure.function == "count" and (happened or any(label is measure.operand for label in labels)):
        # Count rows, not values: how often it happened; the number of F grades.
        draft.query.tables.append(ref[0])
        return Expr("count", (ref[0], -1))
    if measure.function == "count":
        return _count_of_column(draft, ref)
    if column.is_measure or (measure.function in ("min", "max") and column.kind in ("date", "number")):
        return Expr("agg", ref, measure.function)
    if measure.function == "sum":
        draft.cost += 0.1
        return Expr("agg", ref, "count", distinct=True)
    raise Impossible(f"{measure.operand.normalized} is no number")


def _groups_by_name(draft: Draft) -> bool:
    """True if, in Chinese, groups are rows by name, where the table has the same name as its display column."""
    shown = (draft.main_table, draft.schema.display_column(draft.main_table))
    return draft.parsed.linked.chinese and any(expr.ref == shown for expr in draft.group_keys)


def _counted_table(draft: Draft, is_event: bool) -> int:
    """The only table that references the main one: its rows are the persons or events that are counted."""
    if not is_event and draft.parsed.linked.chinese:
        # Without a noun, the measure word alone does not name a table.
        raise Impossible("what is counted is not said")
    referencing = {
        edge.source for edge in draft.schema.edges if edge.target == draft.main_table and edge.many_to_one
    } - {draft.main_table}
    if len(referencing) != 1:
        raise Impossible("what is counted is not said")
    return referencing.pop()


def _average_per_group(draft: Draft, function: str, measure: Measure) -> Expr:
    """The average per group: the average number of flights per airline is flights divided by airlines."""
    if measure.operand is not None and function in ("avg", "sum"):
        ref = draft.ref(measure.operand)
        if ref[1] >= 0 and draft.schema.column(ref).is_measure:
            if ref[0] in draft.entity_groups:
                # Nights per stay: each row is a stay, so it is a plain average.
                draft.group_keys = [
                    key_expr for key_expr in draft.group_keys if key_expr.ref is None or key_expr.ref[0] != ref[0]
                ]
                draft.group_labels = [
                    key_expr for key_expr in draft.group_labels if key_expr.ref is None or key_expr.ref[0] != ref[0]
                ]
            return Expr("agg", ref, function)
    inner = measure_expr(draft, measure)
    if not draft.group_keys:
        raise Impossible("of what each there is a number")
    if function != "avg":
        raise Impossible("only averages of numbers are known")
    if inner.kind == "count":
        # Each pair of event and group is one joined row.
        inner = Expr("agg", None, "count")
    identity = draft.group_keys[-1]
    draft.query.tables.append(identity.ref[0] if identity.ref else 0)
    draft.group_keys, draft.group_labels = [], []
    return Expr("ratio", operands=(inner, Expr("agg", identity.ref, "count", distinct=True)))


def _count_of_column(draft: Draft, ref: Ref) -> Expr:
    """The sum of a numeric column; else a count of rows or of distinct values."""
    if draft.schema.column(ref).is_measure:
        draft.cost += 0.02
        return Expr("agg", ref, "sum")
    key = draft.schema.tables[ref[0]].key
    if key and ref[1] in (draft.schema.display_column(ref[0]), *key) and not draft.parsed.distinct:
        draft.query.tables.append(ref[0])
        return Expr("count", (ref[0], -1))
    return Expr("agg", ref, "count", distinct=True)


def _aggregate_of_table(draft: Draft, measure: Measure, table: int) -> Expr:
    """An aggregate of the monetary column if that is asked for, else of the only numeric one. Raises Impossible."""
    money = draft.attribute_column(["worth"], [table]) if measure.monetary else None
    return Expr(
        "agg", money or draft.only_numeric_column(table, "it does not say of which number", 0.3), measure.function
    )
