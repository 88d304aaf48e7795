"""What the rows show: groups, what is asked for, what is measured."""

from __future__ import annotations

from pg_llm.ask.grammar.building import groups
from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.grammar.query import Expr


def select(draft: Draft, targets: list[Expr], measured: list[Expr]) -> None:
    """Choose the columns, and what they are grouped by. Raises Impossible."""
    query = draft.query
    aggregated = any(expr.kind != "ratio" or not expr.distinct for expr in measured) or bool(query.having)
    if draft.grouped:
        if not _groups(draft, targets, measured, aggregated or draft.by_measure):
            return
    elif targets and aggregated:
        groups.add_targets(draft, targets)
        query.select = [*targets, *measured]
        query.group = list(dict.fromkeys([*targets, *draft.grouped]))
    else:
        query.select = [*targets, *measured]
        if not query.select:
            query.select = draft.show(draft.main)
            query.tables.insert(0, draft.main)
        if query.having:
            raise Impossible("of which that many are needed")


def show_order(draft: Draft) -> None:
    """Show by what the first rows were found."""
    query = draft.query
    if not draft.shows_order or query.per or query.distinct or not query.order or query.order[0][0] in query.select:
        return
    by = query.order[0][0]
    # Who asks for columns by name wants no other, unless it was counted.
    if by.kind in ("count", "agg") or not any(draft.ref(each)[1] >= 0 for each in draft.reading.targets):
        query.select.append(by)


def _groups(draft: Draft, targets: list[Expr], measured: list[Expr], aggregated: bool) -> bool:
    """Whether anything is counted in the groups. Raises Impossible."""
    query = draft.query
    own = [expr for expr in targets if expr not in draft.shown]
    if own and aggregated:
        # The names of the conferences, where each conference was said already.
        tables = {expr.ref[0] for expr in draft.grouped if expr.ref}
        inside = [expr for expr in own if expr.ref and expr.ref[0] in tables]
        known = {expr.ref[0] for expr in inside if expr.ref}
        draft.shown = [each for each in draft.shown if each in targets or not (each.ref and each.ref[0] in known)]
        draft.shown += inside
        draft.shown += [expr for expr in own if expr not in inside]
        draft.grouped += [expr for expr in own if expr not in draft.grouped]
    if query.per:
        query.select = [*draft.shown, *own, query.order[-1][0]]
        return False
    if not aggregated:
        if not own and not draft.reading.targets:
            # By country, and nothing is said to be counted.
            raise Impossible("what of each")
        query.select = [*draft.shown, *own]
        query.distinct = not draft.entities
        return False
    query.select = [*draft.shown, *measured]
    query.group = list(dict.fromkeys([*draft.shown, *draft.grouped]))
    return True
