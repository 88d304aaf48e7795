"""The first rows or groups by a column or a measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pg_llm.ask.grammar.building import groups, measures
from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.grammar.building.targets import is_total
from pg_llm.ask.grammar.query import Expr
from pg_llm.ask.grammar.reading.parts import Measure, Superlative
from pg_llm.ask.schema import Ref

# What attributes a word speaks of where no other word says it.
_MEANT = {
    "largest": ("big", "population"),
    "biggest": ("big", "population"),
    "smallest": ("big", "population"),
    "highest": ("tall", "rating", "big"),
    "lowest": ("tall", "rating", "big"),
    "greatest": ("big",),
    "best": ("rating",),
    "worst": ("rating",),
    "top": ("rating", "big"),
    "richest": ("price",),
    "longest": ("long",),
    "first": ("date",),
    "last": ("date",),
    "earliest": ("date",),
    "latest": ("date",),
    "最大": ("big", "age"),
    "最小": ("big", "age"),
    "最高": ("tall", "rating"),
    "最低": ("tall", "rating"),
}
# Words of counts; and of sums: the most sales, where each thing has several.
_COUNTING = ("most", "least", "fewest", "最多", "最少")
_SUMMED = (*_COUNTING, "top", "largest", "biggest")


def add(draft: Draft, of: Superlative, targets: list[Expr], measured: list[Expr]) -> None:
    """The first by what is said, counted, measured or an adjective's attribute. Raises Impossible."""
    if of.operand is not None and is_total(of.operand) and targets and draft.ref(of.operand)[1] >= 0:
        of = replace(of, measure=Measure("sum", of.operand), operand=None)
    if of.measure is not None:
        _first_by(draft, measures.expr(draft, of.measure), of, targets)
        return
    operand = draft.ref(of.operand) if of.operand is not None else None
    if operand is not None and operand[1] >= 0 and _by_column(draft, operand, of, targets, measured):
        return
    if of.attribute == "*":
        targets += _shown(draft, operand, targets)
        _most_frequent(draft, of, targets)
    elif operand is not None and not of.attribute and _counted(draft, operand, of, targets):
        if operand[1] < 0:
            draft.query.tables.append(operand[0])
            _first_by(draft, Expr("count", (operand[0], -1)), of, targets)
        else:
            _first_by(draft, Expr("agg", operand, "count", distinct=True), of, targets)
    elif measured and not of.attribute and (draft.grouped or targets or _counts(operand, measured[0])):
        # The three departments with …, by what was measured.
        targets += [] if draft.grouped else _shown(draft, operand, targets)
        _first_by(draft, measured[0], of, targets)
        if operand is not None and not targets and not any(e.ref and e.ref[0] == operand[0] for e in draft.grouped):
            draft.cost += 0.2
    else:
        targets += _shown(draft, operand, targets)
        _by_attribute(draft, operand, of, targets)


def _by_column(draft: Draft, operand: Ref, of: Superlative, targets: list[Expr], measured: list[Expr]) -> bool:
    """Whether a column of numbers or dates says by what. Raises Impossible."""
    reading = draft.reading
    column = draft.schema.column(operand)
    if column.kind not in ("number", "date") or column.is_key:
        if of.word in ("first", "last", "latest", "newest") and not of.attribute and column.kind == "text":
            raise Impossible("first by what is not said")
        return False
    several = reading.groups and len(reading.superlatives) > 1
    if not targets and not reading.measures and of.plain and not several:
        measured.append(Expr("agg", operand, "max" if of.down else "min"))
    elif reading.groups and targets and not _grouped(draft, targets):
        _first_of_each(draft, Expr("column", operand), of)
    else:
        by = Expr("column", operand)
        if column.kind == "number" and targets and not reading.groups and _many(draft, operand, targets):
            by = Expr("agg", operand, "sum" if of.word in _SUMMED else "max" if of.down else "min")
        _first_by(draft, by, of, targets)
    return True


def _by_attribute(draft: Draft, operand: Ref | None, of: Superlative, targets: list[Expr]) -> None:
    tables = draft.in_play() if operand is None else [operand[0]]
    names = [of.attribute] if of.attribute else _MEANT.get(of.word, ())
    found = (None if of.attribute else _number(draft, targets)) or draft.attribute(names, tables)
    if found is None:
        unsaid = f"by what {of.word or 'the first'} is meant"
        if of.attribute:
            raise Impossible(unsaid)
        found = draft.only_number(tables[0], unsaid, 0.25)
    of = replace(of, down=draft.down(of, found))
    if draft.reading.groups and not _grouped(draft, targets):
        _first_of_each(draft, Expr("column", found), of)
    else:
        _first_by(draft, Expr("column", found), of, targets)


def _number(draft: Draft, targets: Sequence[Expr]) -> Ref | None:
    """The one number that is asked for besides: the name and the fee of the highest."""
    refs = [expr.ref for expr in targets if expr.kind == "column" and expr.ref is not None]
    found = [ref for ref in refs if draft.schema.column(ref).is_measure]
    return found[0] if len(found) == 1 else None


def _most_frequent(draft: Draft, of: Superlative, targets: list[Expr]) -> None:
    if not targets or targets[0].ref is None:
        raise Impossible("most frequent among what")
    table = targets[0].ref[0]
    others = [t for t in draft.in_play() if t != table]
    whole = targets[0].ref[1] == draft.schema.display(table) and draft.schema.tables[table].key
    if whole and not others:
        counts = [edge.one for edge in draft.schema.edges if edge.other == table and edge.single]
        if len(set(counts)) != 1:
            raise Impossible("most frequent where")
        others = counts[:1]
    counted = others[0] if others and whole else table
    draft.query.tables.append(counted)
    _first_by(draft, Expr("count", (counted, -1)), of, targets)


def _shown(draft: Draft, operand: Ref | None, targets: Sequence[Expr]) -> list[Expr]:
    """The operand, where nothing else is asked for."""
    if operand is None or targets:
        return []
    return draft.show(operand[0]) if operand[1] < 0 else [Expr("column", operand)]


def _many(draft: Draft, operand: Ref, targets: Sequence[Expr]) -> bool:
    """Whether what is asked for has several of the numbers."""
    refs = [expr.ref for expr in targets if expr.ref]
    own = [ref for ref in refs if ref[0] == operand[0]]
    if own:
        shown = (draft.schema.display(operand[0]), *draft.schema.tables[operand[0]].key)
        columns = [draft.schema.column(ref) for ref in own if ref[1] not in shown]
        return len(columns) == len(own) and all(not column.unique and column.kind == "text" for column in columns)
    return bool(refs) and _has_several(draft, refs[0][0], operand[0])


def _has_several(draft: Draft, table: int, other: int) -> bool:
    """Whether rows of a table are joined with several of another."""
    found = draft.schema.path([table, other])
    return found is not None and draft.schema.fans_out(found[0], table)


def _same_thing(operand: Ref, targets: Sequence[Expr]) -> bool:
    if operand[1] < 0:
        return all(expr.ref is not None and expr.ref[0] == operand[0] for expr in targets)
    return any(expr.ref == operand for expr in targets)


def _counts(operand: Ref | None, by: Expr) -> bool:
    """Whether other rows are counted: the top 5 guests with their number of bookings."""
    return operand is not None and by.kind == "count" and by.ref is not None and by.ref[0] != operand[0]


def _counted(draft: Draft, operand: Ref, of: Superlative, targets: Sequence[Expr]) -> bool:
    """Whether rows or values are counted for each of what is asked for: which country most guests come from."""
    if not targets:
        return bool(draft.reading.units)
    if not _same_thing(operand, targets):
        return True
    several = not any(expr.ref is not None and draft.schema.calls_rows(expr.ref) for expr in targets)
    return operand[1] < 0 and several and of.word in _COUNTING


def _grouped(draft: Draft, targets: Sequence[Expr]) -> bool:
    """Whether nothing is asked for but the groups."""
    return all(expr in draft.grouped or expr in draft.shown for expr in targets)


def _first_by(draft: Draft, by: Expr, of: Superlative, targets: list[Expr]) -> None:
    noun = draft.choice.get(of.noun.start) if of.noun is not None else None
    asked = {expr.ref[0] for expr in targets if expr.ref}
    if noun is not None and any(_has_several(draft, noun[0], table) for table in asked - {noun[0]}):
        raise Impossible("the first has several of what is asked for")
    if by.is_measure:
        if not draft.grouped and targets:
            groups.add_targets(draft, targets)
        elif not draft.grouped and by.ref is not None:
            raise Impossible("which of what is not said")
        draft.by_measure = True
    elif draft.reading.measures and draft.grouped:
        draft.cost += 0.2
        by = Expr("agg", by.ref, "max" if of.down else "min")
    if (by, not of.down) in draft.query.order:
        raise Impossible("the first and the last at once")
    draft.query.order.append((by, of.down))
    draft.query.limit, draft.query.offset = of.n, of.skipped
    if of.shown or not of.plain:
        draft.shows_order = True


def _first_of_each(draft: Draft, by: Expr, of: Superlative) -> None:
    """The highest building of each campus: one row for each group."""
    if of.n != 1 or of.skipped or draft.reading.measures or draft.reading.units:
        raise Impossible("several of each group")
    draft.query.per = list(draft.shown)
    draft.query.order = [*((expr, False) for expr in draft.shown), (by, of.down)]
