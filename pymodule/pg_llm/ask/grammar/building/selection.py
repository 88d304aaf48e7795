"""SELECT: labels of groups, requested columns, measures."""

from __future__ import annotations

from pg_llm.ask.grammar.building import groups
from pg_llm.ask.grammar.building.draft import Draft, Impossible
from pg_llm.ask.grammar.query import Expr


def select(draft: Draft, targets: list[Expr], measured: list[Expr]) -> None:
    """Choose the select list and GROUP BY. Raises Impossible."""
    query = draft.query
    aggregated = any(expr.kind != "ratio" or not expr.distinct for expr in measured) or bool(query.having)
    if draft.group_keys:
        if not _select_groups(draft, targets, measured, aggregated or draft.ordered_by_measure):
            return
    elif targets and aggregated:
        groups.add_targets(draft, targets)
        query.select = [*targets, *measured]
        query.group = list(dict.fromkeys([*targets, *draft.group_keys]))
    else:
        query.select = [*targets, *measured]
        if not query.select:
            query.select = draft.display_exprs(draft.main_table)
            query.tables.insert(0, draft.main_table)
        if query.having:
            raise Impossible("of which that many are needed")


def show_order(draft: Draft) -> None:
    """Add the sort key of the first rows to the select list."""
    query = draft.query
    if (
        not draft.shows_sort_key
        or query.distinct_on
        or query.distinct
        or not query.order
        or query.order[0][0] in query.select
    ):
        return
    by = query.order[0][0]
    # A question that names its columns wants no others, unless the key was computed.
    if by.kind in ("count", "agg") or not any(draft.ref(target)[1] >= 0 for target in draft.parsed.targets):
        query.select.append(by)


def _select_groups(draft: Draft, targets: list[Expr], measured: list[Expr], aggregated: bool) -> bool:
    """The select list of a grouped query; returns whether it aggregates. Raises Impossible."""
    query = draft.query
    own = [expr for expr in targets if expr not in draft.group_labels]
    if own and aggregated:
        # Columns of a table whose rows are the groups replace the group's labels.
        tables = {expr.ref[0] for expr in draft.group_keys if expr.ref}
        inside = [expr for expr in own if expr.ref and expr.ref[0] in tables]
        labelled = {expr.ref[0] for expr in inside if expr.ref}
        draft.group_labels = [
            label for label in draft.group_labels if label in targets or not (label.ref and label.ref[0] in labelled)
        ]
        draft.group_labels += inside
        draft.group_labels += [expr for expr in own if expr not in inside]
        draft.group_keys += [expr for expr in own if expr not in draft.group_keys]
    if query.distinct_on:
        query.select = [*draft.group_labels, *own, query.order[-1][0]]
        return False
    if not aggregated:
        if not own and not draft.parsed.targets:
            # `by country` without a measure says nothing to compute.
            raise Impossible("what of each")
        query.select = [*draft.group_labels, *own]
        query.distinct = not draft.entity_groups
        return False
    query.select = [*draft.group_labels, *measured]
    query.group = list(dict.fromkeys([*draft.group_labels, *draft.group_keys]))
    return True
