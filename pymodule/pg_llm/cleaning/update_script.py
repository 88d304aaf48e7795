"""Repairs as plain SQL: one UPDATE with CASE expressions, generalised from single rows to conditions on values."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from pg_llm.cleaning.step_script import Transformation
from pg_llm.cleaning.target_table import TargetTable, Value
from pg_llm.database.quoting import quote_ident, quote_literal

# Rows that a value must have before it may decide another one.
_MIN_ROWS = 3
# The detector whose repairs follow from two other numbers together.
_OF_SEVERAL_NUMBERS = "balance"
# Distinct from NULL, which is a value.
_ABSENT = object()
# A condition on a row before the repairs: column positions, and the values they must have.
_Condition = tuple[tuple[int, Value], ...]
_Change = dict[str, Any]


def update_statement(
    relation: str,
    target: TargetTable,
    keys: Sequence[str],
    after: Sequence[Sequence[Value]],
    changes: Sequence[_Change],
    transformations: Sequence[Transformation] = (),
) -> str:
    """The UPDATE for a relation: transformations, and further changes; `after` are the columns after all of them.

    Changes that follow from no values of their row are only counted, in a comment.
    """
    rows = {key: row for row, key in enumerate(keys)}
    changes_by_column: defaultdict[int, dict[int, _Change]] = defaultdict(dict)
    before = [list(column) for column in after]
    for change in changes:
        if change["key"] in rows:
            row, position = rows[change["key"]], target.position(change["column"])
            if change["detector"] != _OF_SEVERAL_NUMBERS:
                changes_by_column[position][row] = change
            before[position][row] = change["old"]
    whens: defaultdict[int, list[str]] = defaultdict(list)
    wheres = []
    for each in transformations:
        applies, made = each.on(target, quote_ident)
        whens[each.position] += [comment(each.description), f"WHEN {applies} THEN {made}"]
        wheres.append(applies)
    uncovered = len(changes)
    for position, changed in sorted(changes_by_column.items()):
        rules, covered = _generalise(target, before, after, position, changed)
        uncovered -= covered
        for condition, new in rules.items():
            then = literal(new, target.columns[position].type)
            whens[position].append(f"WHEN {_condition_sql(target, condition)} THEN {then}")
        if rules:
            wheres.append(_membership_sql(target, position, {condition[-1][1] for condition in rules}))
    note = f"-- Repairs of single rows, from which no rule follows: {uncovered}\n" if uncovered else ""
    if not whens:
        return f"{note}-- There is nothing to do."
    sets = [_case(quote_ident(target.columns[position].name), lines) for position, lines in sorted(whens.items())]
    return f"{note}UPDATE {relation} SET\n" + ",\n".join(sets) + "\nWHERE " + "\n   OR ".join(wheres) + ";"


def comment(text: str) -> str:
    """The text as a comment of one line."""
    return f"-- {' '.join(text.split())}"


def _case(name: str, lines: Sequence[str]) -> str:
    return "\n".join([f"    {name} = CASE", *(f"        {line}" for line in lines), f"        ELSE {name}", "    END"])


def _generalise(
    target: TargetTable,
    before: Sequence[Sequence[Value]],
    after: Sequence[Sequence[Value]],
    position: int,
    changed: dict[int, _Change],
) -> tuple[dict[_Condition, Value], int]:
    """Conditions that hold for rows changed alike and for no others, and how many changes they cover."""
    rules: dict[_Condition, Value] = {}
    uncovered = set(changed)
    others = [
        [number]
        for number, column in enumerate(target.columns)
        if number != position and column.name not in target.table.key
    ]
    # First the old value with the determinant of the repair, if there is one, as elsewhere the same value may be
    # another error; then the old value alone; then with another value of the row whose rows all hold the new one now.
    for context in [None, [], *others]:
        if not uncovered:
            break
        deciding = _deciding_values(before, after, context[0], position) if context else set()
        candidates: dict[_Condition, Value] = {}
        for row in uncovered:
            determinant = json.loads(changed[row]["given"] or "{}")
            positions = [target.position(name) for name in determinant] if context is None else context
            if context and before[context[0]][row] not in deciding:
                continue
            if positions or context is not None:
                candidates[_condition(before, row, [*positions, position])] = changed[row]["new"]
        sound = _drop_contradicted(before, after, changed, candidates)
        rules |= sound
        columns_used = {tuple(number for number, _ in condition) for condition in sound}
        uncovered -= {
            row
            for row in uncovered
            for columns in columns_used
            if sound.get(_condition(before, row, columns), _ABSENT) == changed[row]["new"]
        }
    # More specific conditions first, as the first WHEN that holds decides.
    return dict(sorted(rules.items(), key=lambda item: -len(item[0]))), len(changed) - len(uncovered)


def _deciding_values(
    before: Sequence[Sequence[Value]], after: Sequence[Sequence[Value]], left: int, right: int
) -> set[Value]:
    """The values of the left column that occur in enough rows, all with one value in the right column."""
    groups: defaultdict[Value, Counter[Value]] = defaultdict(Counter)
    for value, new in zip(before[left], after[right], strict=True):
        groups[value][new] += 1
    return {value for value, news in groups.items() if len(news) == 1 and news.total() >= _MIN_ROWS}


def _condition(before: Sequence[Sequence[Value]], row: int, positions: Sequence[int]) -> _Condition:
    return tuple((position, before[position][row]) for position in positions)


def _drop_contradicted(
    before: Sequence[Sequence[Value]],
    after: Sequence[Sequence[Value]],
    changed: dict[int, _Change],
    candidates: dict[_Condition, Value],
) -> dict[_Condition, Value]:
    """The conditions that hold for no row which was left unchanged, or was changed to another value."""
    sound = dict(candidates)
    for columns in {tuple(number for number, _ in condition) for condition in candidates}:
        for row, values in enumerate(zip(*(before[number] for number in columns), strict=True)):
            condition = tuple(zip(columns, values, strict=True))
            if condition in sound and (row not in changed or changed[row]["new"] != sound[condition]):
                del sound[condition]
    return sound


def _condition_sql(target: TargetTable, condition: _Condition) -> str:
    return " AND ".join(
        f"{quote_ident(target.columns[position].name)} IS NULL"
        if value is None
        else f"{quote_ident(target.columns[position].name)} = {literal(value, target.columns[position].type)}"
        for position, value in condition
    )


def _membership_sql(target: TargetTable, position: int, values: set[Value]) -> str:
    name, type_ = quote_ident(target.columns[position].name), target.columns[position].type
    members = sorted(value for value in values if value is not None)
    tests = [f"{name} IN ({', '.join(literal(value, type_) for value in members)})"] if members else []
    return " OR ".join([*tests, f"{name} IS NULL"] if None in values else tests)


def literal(value: Value, type_: str) -> str:
    """The value as SQL of that type."""
    if value is None:
        return "NULL"
    quoted = quote_literal(value)
    return quoted if type_ == "text" else f"{quoted}::{type_}"
