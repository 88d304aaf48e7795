"""Repairs as plain SQL: one UPDATE whose CASEs say what becomes of which value."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from pg_llm.cleaning.store import Target
from pg_llm.cleaning.table import Table, Value
from pg_llm.database.quoting import quote_ident, quote_literal

_LEAST = 3
# No value: NULL is one.
_NONE = object()
# A condition on the row as it was: columns by place, and the values they must have.
_Condition = tuple[tuple[int, Value], ...]


def update(relation: str, of: Target, keys: Sequence[str], table: Table, changes: Sequence[dict[str, Any]]) -> str:
    """The statement; `table` is what it holds now. Repairs that follow from no value of their row are only counted."""
    rows = {key: row for row, key in enumerate(table.watched(keys))}
    by_column: defaultdict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
    before = [list(table.watched(column)) for column in table.columns]
    for change in table.watched(changes):
        if change["key"] in rows:
            row, place = rows[change["key"]], of.place(change["column"])
            by_column[place][row] = change
            before[place][row] = change["old"]
    cases = {place: _rules(of, before, table, place, changed) for place, changed in sorted(by_column.items())}
    left = len(changes) - sum(covered for _, covered in cases.values())
    note = f"-- Repairs of single rows, from which no rule follows: {left}\n" if left else ""
    sets, wheres = [], []
    for place, (rules, _) in cases.items():
        if rules:
            name = quote_ident(of.columns[place].name)
            whens = "\n".join(
                f"        WHEN {_sql(of, condition)} THEN {_literal(new, of.columns[place].type)}"
                for condition, new in rules.items()
            )
            sets.append(f"    {name} = CASE\n{whens}\n        ELSE {name}\n    END")
            wheres.append(_among(of, place, {condition[-1][1] for condition in rules}))
    if not sets:
        return f"{note}-- There is nothing to do."
    return f"{note}UPDATE {relation} SET\n" + ",\n".join(sets) + "\nWHERE " + "\n   OR ".join(wheres) + ";"


def _rules(
    of: Target, before: Sequence[Sequence[Value]], now: Table, place: int, changed: dict[int, dict[str, Any]]
) -> tuple[dict[_Condition, Value], int]:
    """Conditions that only hold for rows that are changed alike, and for how many changes there is one."""
    found: dict[_Condition, Value] = {}
    unruled = set(changed)
    others = [
        [number] for number, column in enumerate(of.columns) if number != place and column.name not in of.table.key
    ]
    # With the value that the repair follows from, if there is one: elsewhere the same may be another error. Then the
    # old value alone, then beside another value of the row whose rows all hold the new one now.
    for beside in [None, [], *others]:
        if not unruled:
            break
        deciding = _deciding(before, now, beside[0], place) if beside else set()
        wanted: dict[_Condition, Value] = {}
        for row in now.watched(unruled):
            given = json.loads(changed[row]["given"] or "{}")
            places = [of.place(name) for name in given] if beside is None else beside
            if beside and before[beside[0]][row] not in deciding:
                continue
            if places or beside is not None:
                wanted[_condition(before, row, [*places, place])] = changed[row]["new"]
        sound = _sound(before, now, place, changed, wanted)
        found |= sound
        shapes = {tuple(number for number, _ in condition) for condition in sound}
        unruled -= {
            row
            for row in now.watched(unruled)
            for shape in shapes
            if sound.get(_condition(before, row, shape), _NONE) == changed[row]["new"]
        }
    # Longer conditions first: they say more.
    return dict(sorted(found.items(), key=lambda item: -len(item[0]))), len(changed) - len(unruled)


def _deciding(before: Sequence[Sequence[Value]], now: Table, left: int, right: int) -> set[Value]:
    """The values on the left that stand in three rows at least, all with one value on the right."""
    groups: defaultdict[Value, Counter[Value]] = defaultdict(Counter)
    for value, new in now.watched(zip(before[left], now.columns[right], strict=True)):
        groups[value][new] += 1
    return {value for value, news in now.watched(groups.items()) if len(news) == 1 and news.total() >= _LEAST}


def _condition(before: Sequence[Sequence[Value]], row: int, places: Sequence[int]) -> _Condition:
    return tuple((place, before[place][row]) for place in places)


def _sound(
    before: Sequence[Sequence[Value]],
    now: Table,
    place: int,
    changed: dict[int, dict[str, Any]],
    wanted: dict[_Condition, Value],
) -> dict[_Condition, Value]:
    """Those that hold for no row which was left as it was, or became something else."""
    sound = dict(wanted)
    for shape in {tuple(number for number, _ in condition) for condition in wanted}:
        for row, values in enumerate(now.watched(zip(*(before[number] for number in shape), strict=True))):
            condition = tuple(zip(shape, values, strict=True))
            if condition in sound and (row not in changed or changed[row]["new"] != sound[condition]):
                del sound[condition]
    return sound


def _sql(of: Target, condition: _Condition) -> str:
    return " AND ".join(
        f"{quote_ident(of.columns[place].name)} IS NULL"
        if value is None
        else f"{quote_ident(of.columns[place].name)} = {_literal(value, of.columns[place].type)}"
        for place, value in condition
    )


def _among(of: Target, place: int, values: set[Value]) -> str:
    name, kind = quote_ident(of.columns[place].name), of.columns[place].type
    listed = sorted(value for value in values if value is not None)
    parts = [f"{name} IN ({', '.join(_literal(value, kind) for value in listed)})"] if listed else []
    return " OR ".join([*parts, f"{name} IS NULL"] if None in values else parts)


def _literal(value: Value, kind: str) -> str:
    if value is None:
        return "NULL"
    literal = quote_literal(value)
    return literal if kind == "text" else f"{literal}::{kind}"
