"""Superlatives: ORDER BY with LIMIT, extremes, and the first row per group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pg_llm.ask.grammar.building import groups, measures
from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.grammar.building.targets import is_total
from pg_llm.ask.grammar.query import Expr
from pg_llm.ask.grammar.reading.parsed_question import Measure, Superlative
from pg_llm.ask.schema import Ref

# The attributes that a superlative refers to if no column is named.
_IMPLIED_ATTRIBUTES = {
    word: tuple(attributes.split(","))
    for word, attributes in (
        entry.split(":")
        for entry in """
            largest:big,population biggest:big,population smallest:big,population highest:tall,rating,big
            lowest:tall,rating,big greatest:big best:rating worst:rating top:rating,big richest:price longest:long
            first:date last:date earliest:date latest:date 最大:big,age 最小:big,age 最高:tall,rating 最低:tall,rating
        """.split()
    )
}
# Superlatives of counts; and of sums, where each target has several values: the most sales.
_COUNT_WORDS = ("most", "least", "fewest", "最多", "最少")
_SUM_WORDS = (*_COUNT_WORDS, "top", "largest", "biggest")


def add(draft: Draft, superlative: Superlative, targets: list[Expr], measured: list[Expr]) -> None:
    """Order by a measure, a column, a count or an adjective's attribute, and limit. Raises Impossible."""
    if (
        superlative.operand is not None
        and is_total(superlative.operand)
        and targets
        and draft.ref(superlative.operand)[1] >= 0
    ):
        superlative = replace(superlative, measure=Measure("sum", superlative.operand), operand=None)
    if superlative.measure is not None:
        _order_and_limit(draft, measures.measure_expr(draft, superlative.measure), superlative, targets)
        return
    operand = draft.ref(superlative.operand) if superlative.operand is not None else None
    if operand is not None and operand[1] >= 0 and _order_by_column(draft, operand, superlative, targets, measured):
        return
    if superlative.attribute == "*":
        targets += _operand_columns(draft, operand, targets)
        _order_by_frequency(draft, superlative, targets)
    elif operand is not None and not superlative.attribute and _is_counted(draft, operand, superlative, targets):
        if operand[1] < 0:
            draft.query.tables.append(operand[0])
            _order_and_limit(draft, Expr("count", (operand[0], -1)), superlative, targets)
        else:
            _order_and_limit(draft, Expr("agg", operand, "count", distinct=True), superlative, targets)
    elif (
        measured
        and not superlative.attribute
        and (draft.group_keys or targets or _counts_other_rows(operand, measured[0]))
    ):
        # The three departments with …: order by the measure that the question asks for.
        targets += [] if draft.group_keys else _operand_columns(draft, operand, targets)
        _order_and_limit(draft, measured[0], superlative, targets)
        if (
            operand is not None
            and not targets
            and not any(key_expr.ref and key_expr.ref[0] == operand[0] for key_expr in draft.group_keys)
        ):
            draft.cost += 0.2
    else:
        targets += _operand_columns(draft, operand, targets)
        _order_by_attribute(draft, operand, superlative, targets)


def _order_by_column(
    draft: Draft, operand: Ref, superlative: Superlative, targets: list[Expr], measured: list[Expr]
) -> bool:
    """Order by a numeric or date column; returns False for other columns. Raises Impossible."""
    parsed = draft.parsed
    column = draft.schema.column(operand)
    if column.kind not in ("number", "date") or column.is_key:
        if (
            superlative.word in ("first", "last", "latest", "newest")
            and not superlative.attribute
            and column.kind == "text"
        ):
            raise Impossible("first by what is not said")
        return False
    several = parsed.groups and len(parsed.superlatives) > 1
    if not targets and not parsed.measures and superlative.unnumbered and not several:
        measured.append(Expr("agg", operand, "max" if superlative.descending else "min"))
    elif parsed.groups and targets and not _asks_for_groups(draft, targets):
        _first_per_group(draft, Expr("column", operand), superlative)
    else:
        by = Expr("column", operand)
        if column.kind == "number" and targets and not parsed.groups and _aggregates_column(draft, operand, targets):
            by = Expr(
                "agg", operand, "sum" if superlative.word in _SUM_WORDS else "max" if superlative.descending else "min"
            )
        _order_and_limit(draft, by, superlative, targets)
    return True


def _order_by_attribute(draft: Draft, operand: Ref | None, superlative: Superlative, targets: list[Expr]) -> None:
    tables = draft.tables_in_play() if operand is None else [operand[0]]
    names = [superlative.attribute] if superlative.attribute else _IMPLIED_ATTRIBUTES.get(superlative.word, ())
    column = (None if superlative.attribute else _only_requested_number(draft, targets)) or draft.attribute_column(
        names, tables
    )
    if column is None:
        unsaid = f"by what {superlative.word or 'the first'} is meant"
        if superlative.attribute:
            raise Impossible(unsaid)
        column = draft.only_numeric_column(tables[0], unsaid, 0.25)
    superlative = replace(superlative, descending=draft.is_descending(superlative, column))
    if draft.parsed.groups and not _asks_for_groups(draft, targets):
        _first_per_group(draft, Expr("column", column), superlative)
    else:
        _order_and_limit(draft, Expr("column", column), superlative, targets)


def _only_requested_number(draft: Draft, targets: Sequence[Expr]) -> Ref | None:
    """The only numeric column among the targets: the name and the fee of the highest."""
    refs = [expr.ref for expr in targets if expr.kind == "column" and expr.ref is not None]
    measures = [ref for ref in refs if draft.schema.column(ref).is_measure]
    return measures[0] if len(measures) == 1 else None


def _order_by_frequency(draft: Draft, superlative: Superlative, targets: list[Expr]) -> None:
    if not targets or targets[0].ref is None:
        raise Impossible("most frequent among what")
    table = targets[0].ref[0]
    others = [t for t in draft.tables_in_play() if t != table]
    whole = targets[0].ref[1] == draft.schema.display_column(table) and draft.schema.tables[table].key
    if whole and not others:
        counts = [edge.source for edge in draft.schema.edges if edge.target == table and edge.many_to_one]
        if len(set(counts)) != 1:
            raise Impossible("most frequent where")
        others = counts[:1]
    counted = others[0] if others and whole else table
    draft.query.tables.append(counted)
    _order_and_limit(draft, Expr("count", (counted, -1)), superlative, targets)


def _operand_columns(draft: Draft, operand: Ref | None, targets: Sequence[Expr]) -> list[Expr]:
    """The columns of the operand if there are no other targets."""
    if operand is None or targets:
        return []
    return draft.display_exprs(operand[0]) if operand[1] < 0 else [Expr("column", operand)]


def _aggregates_column(draft: Draft, operand: Ref, targets: Sequence[Expr]) -> bool:
    """True if each target has several values of the operand."""
    refs = [expr.ref for expr in targets if expr.ref]
    own = [ref for ref in refs if ref[0] == operand[0]]
    if own:
        shown = (draft.schema.display_column(operand[0]), *draft.schema.tables[operand[0]].key)
        columns = [draft.schema.column(ref) for ref in own if ref[1] not in shown]
        return len(columns) == len(own) and all(not column.unique and column.kind == "text" for column in columns)
    return bool(refs) and _fans_out(draft, refs[0][0], operand[0])


def _fans_out(draft: Draft, table: int, other: int) -> bool:
    """True if a join may repeat rows of `table`."""
    tree = draft.schema.join_tree([table, other])
    return tree is not None and draft.schema.fans_out(tree[0], table)


def _is_requested(operand: Ref, targets: Sequence[Expr]) -> bool:
    if operand[1] < 0:
        return all(expr.ref is not None and expr.ref[0] == operand[0] for expr in targets)
    return any(expr.ref == operand for expr in targets)


def _counts_other_rows(operand: Ref | None, by: Expr) -> bool:
    """True if rows of another table are counted: the top 5 guests with their number of bookings."""
    return operand is not None and by.kind == "count" and by.ref is not None and by.ref[0] != operand[0]


def _is_counted(draft: Draft, operand: Ref, superlative: Superlative, targets: Sequence[Expr]) -> bool:
    """True if the superlative ranks a count per target: which country most guests come from."""
    if not targets:
        return bool(draft.parsed.time_units)
    if not _is_requested(operand, targets):
        return True
    several = not any(expr.ref is not None and draft.schema.names_row(expr.ref) for expr in targets)
    return operand[1] < 0 and several and superlative.word in _COUNT_WORDS


def _asks_for_groups(draft: Draft, targets: Sequence[Expr]) -> bool:
    """True if the targets are the groups themselves."""
    return all(expr in draft.group_keys or expr in draft.group_labels for expr in targets)


def _order_and_limit(draft: Draft, by: Expr, superlative: Superlative, targets: list[Expr]) -> None:
    noun = draft.interpretation.get(superlative.noun.start) if superlative.noun is not None else None
    target_tables = {expr.ref[0] for expr in targets if expr.ref}
    if noun is not None and any(_fans_out(draft, noun[0], table) for table in target_tables - {noun[0]}):
        raise Impossible("the first has several of what is asked for")
    if by.is_measure:
        if not draft.group_keys and targets:
            groups.add_targets(draft, targets)
        elif not draft.group_keys and by.ref is not None:
            raise Impossible("which of what is not said")
        draft.ordered_by_measure = True
    elif draft.parsed.measures and draft.group_keys:
        draft.cost += 0.2
        by = Expr("agg", by.ref, "max" if superlative.descending else "min")
    if (by, not superlative.descending) in draft.query.order:
        raise Impossible("the first and the last at once")
    draft.query.order.append((by, superlative.descending))
    draft.query.limit, draft.query.offset = superlative.limit, superlative.offset
    if superlative.shows_measure or not superlative.unnumbered:
        draft.shows_sort_key = True


def _first_per_group(draft: Draft, by: Expr, superlative: Superlative) -> None:
    """The first row per group (DISTINCT ON): the highest building of each campus."""
    if superlative.limit != 1 or superlative.offset or draft.parsed.measures or draft.parsed.time_units:
        raise Impossible("several of each group")
    draft.query.distinct_on = list(draft.group_labels)
    draft.query.order = [*((expr, False) for expr in draft.group_labels), (by, superlative.descending)]
