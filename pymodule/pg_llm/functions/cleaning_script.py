"""Repairs as plain SQL: one UPDATE whose CASEs say what becomes of which value."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import plpy

from pg_llm.cleaning.table import Table, Value
from pg_llm.functions.cleaning_table import Target

# A condition on the row as it was: columns by place, and the values they must have.
_Condition = tuple[tuple[int, Value], ...]


def update(relation: str, of: Target, table: Table, changes: Sequence[dict[str, Any]]) -> str:
    """The statement; `table` is what it holds now. Repairs that follow from no value of the row are only counted."""
    by_column: defaultdict[int, list[tuple[list[_Condition], Value]]] = defaultdict(list)
    for change in changes:
        place = of.place(change["column"])
        old: _Condition = ((place, change["old"]),)
        given = json.loads(change["given"]) if change["given"] else {}
        with_given = tuple((of.place(name), value) for name, value in given.items())
        # With the value that the repair follows from, if there is one: elsewhere the same may be another error.
        by_column[place].append(([(*with_given, *old), old] if with_given else [old], change["new"]))
    left = 0
    cases: dict[int, dict[_Condition, Value]] = {}
    for place, wanted in by_column.items():
        cases[place], unruled = _rules(table, place, wanted)
        left += unruled
    note = f"-- Repairs of single rows, from which no rule follows: {left}\n" if left else ""
    if not any(cases.values()):
        return f"{note}-- There is nothing to do."
    sets, wheres = [], []
    for place, rules in cases.items():
        if rules:
            name = plpy.quote_ident(of.columns[place].name)
            whens = "\n".join(
                f"        WHEN {_sql(of, condition)} THEN {_literal(new, of.columns[place].type)}"
                for condition, new in rules.items()
            )
            sets.append(f"    {name} = CASE\n{whens}\n        ELSE {name}\n    END")
            olds = {condition[-1][1] for condition in rules}
            wheres.append(_among(of, place, olds))
    return f"{note}UPDATE {relation} SET\n" + ",\n".join(sets) + "\nWHERE " + "\n   OR ".join(wheres) + ";"


def _rules(
    table: Table, place: int, wanted: Sequence[tuple[list[_Condition], Value]]
) -> tuple[dict[_Condition, Value], int]:
    """The first conditions that give one value and hit no right cell, and how many repairs have none."""
    says: defaultdict[_Condition, set[Value]] = defaultdict(set)
    for conditions, new in wanted:
        for condition in conditions:
            says[condition].add(new)
    # What is in the table now was right, or is by now: a condition that still holds would change it.
    right = _present(table, {condition for conditions, _ in wanted for condition in conditions})
    found: dict[_Condition, Value] = {}
    left = 0
    for conditions, new in wanted:
        sound = next((each for each in conditions if len(says[each]) == 1 and each not in right), None)
        if sound is None:
            left += 1
        else:
            found[sound] = new
    # Longer conditions first: they say more.
    return dict(sorted(found.items(), key=lambda item: -len(item[0]))), left


def _present(table: Table, conditions: set[_Condition]) -> set[_Condition]:
    by_places: defaultdict[tuple[int, ...], set[_Condition]] = defaultdict(set)
    for condition in conditions:
        by_places[tuple(place for place, _ in condition)].add(condition)
    present: set[_Condition] = set()
    for places, group in by_places.items():
        for values in zip(*(table.columns[place] for place in places), strict=True):
            condition = tuple(zip(places, values, strict=True))
            if condition in group:
                present.add(condition)
    return present


def _sql(of: Target, condition: _Condition) -> str:
    return " AND ".join(
        f"{plpy.quote_ident(of.columns[place].name)} IS NULL" if value is None
        else f"{plpy.quote_ident(of.columns[place].name)} = {_literal(value, of.columns[place].type)}"
        for place, value in condition
    )  # fmt: skip


def _among(of: Target, place: int, values: set[Value]) -> str:
    name, kind = plpy.quote_ident(of.columns[place].name), of.columns[place].type
    listed = sorted(value for value in values if value is not None)
    parts = [f"{name} IN ({', '.join(_literal(value, kind) for value in listed)})"] if listed else []
    return " OR ".join([*parts, f"{name} IS NULL"] if None in values else parts)


def _literal(value: Value, kind: str) -> str:
    if value is None:
        return "NULL"
    literal = plpy.quote_literal(value)
    return literal if kind == "text" else f"{literal}::{kind}"
