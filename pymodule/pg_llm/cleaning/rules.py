"""Rules that the user gives: what values of a column, or of a row, must be."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pg_llm.cleaning import store
from pg_llm.cleaning.detectors.distance import edits
from pg_llm.cleaning.store import Target
from pg_llm.cleaning.table import Cell, Opinion, Pulse, Table, Value, parts, paused, watched
from pg_llm.database import column_types, table_access
from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_ident
from pg_llm.errors import InvalidInput

DETECTOR = "rule"
_LONGEST = 200
_HINT = (
    """Write rules => '[{"column": "zip", "regex": "^[0-9]{5}$"}, {"column": "state", "values": ["al", "ak"]},"""
    """ {"column": "state", "references": "states.code"}, {"column": "age", "min": 0, "max": 120},"""
    """ {"dependency": "zip -> city"}, {"column": "ends", "check": "ends >= starts"}]'."""
)
_KINDS = ({"regex"}, {"values"}, {"references"}, {"min"}, {"max"}, {"min", "max"}, {"check"})


@dataclass(slots=True)
class Rules:
    """Conditions on values (a column, SQL in which the value is `v`, its parameter, values allowed) and on rows."""

    target: Target
    values: list[tuple[int, str, Any, list[str] | None]] = field(default_factory=list)
    checks: list[tuple[int, str]] = field(default_factory=list)
    dependent: list[tuple[int, int]] = field(default_factory=list)


def parsed(db: Connection, target: Target, given: Any) -> Rules:
    """The rules, each tried once. Raises InvalidInput."""
    if not isinstance(given, list) or not all(isinstance(rule, dict) for rule in given):
        raise InvalidInput("rules must be a JSON list of objects", hint=_HINT)
    rules = Rules(target)
    for rule in given:
        if rule.keys() == {"dependency"}:
            left, arrow, right = (part.strip() for part in str(rule["dependency"]).partition("->"))
            if not arrow:
                raise InvalidInput(f'not a dependency: "{rule["dependency"]}"', hint=_HINT)
            rules.dependent.append((target.place(left), target.place(right)))
        elif "column" in rule and rule.keys() - {"column"} in _KINDS:
            _add(db, rules, target.place(str(rule["column"])), rule)
        else:
            raise InvalidInput(f"not a rule: {json.dumps(rule, default=str)}", hint=_HINT)
    return rules


def _add(db: Connection, rules: Rules, place: int, rule: dict[str, Any]) -> None:
    column = rules.target.columns[place]
    if "check" in rule:
        rules.checks.append((place, str(rule["check"])))
        store.breaking(db, rules.target, str(rule["check"]), {})
    elif "regex" in rule:
        rules.values.append((place, "v ~ $2", str(rule["regex"]), None))
        _violating(db, rules.values[-1], ["a"])
    elif "values" in rule:
        if not isinstance(rule["values"], list):
            raise InvalidInput("values of a rule must be a list", hint=_HINT)
        allowed = [str(value) for value in rule["values"]]
        rules.values.append((place, "v = ANY($2)", allowed, allowed))
    elif "references" in rule:
        allowed = _referenced(db, str(rule["references"]))
        rules.values.append((place, "v = ANY($2)", allowed, allowed))
    else:
        for name, operator in (("min", ">="), ("max", "<=")):
            if name in rule:
                if not column.base.builtin:
                    raise InvalidInput(f'"{name}" of a rule takes a column of a type of PostgreSQL\'s own', hint=_HINT)
                condition = f"CASE WHEN v <> '' THEN v::{column.base.name} {operator} $2::{column.base.name} END"
                rules.values.append((place, condition, str(rule[name]), None))
                _violating(db, rules.values[-1], [str(rule[name])])


def _referenced(db: Connection, reference: str) -> list[str]:
    table, _, column = reference.rpartition(".")
    if not table:
        raise InvalidInput(f'not a reference: "{reference}"', hint="Write schema.table.column.")
    found = db.rows("SELECT to_regclass($1)::text AS name, to_regclass($1)::oid::int8 AS oid", ("text",), (table,))[0]
    if found["name"] is None:
        raise InvalidInput(f'there is no table "{table}"', hint="Name it with its schema: schema.table.column.")
    columns = column_types.of_relation(db, found["oid"])
    if column not in columns:
        raise InvalidInput(f'{table} has no column "{column}"', hint=f"It has: {', '.join(columns)}.")
    text = columns[column].text(f"t.{quote_ident(column)}")
    read = partial(db.query_unprepared, f"SELECT DISTINCT {text} AS v FROM {found['name']} AS t")
    return [row["v"] for row in table_access.on_table(db, found["oid"], read) if row["v"]]


def _violating(db: Connection, rule: tuple[int, str, Any, list[str] | None], values: Sequence[str]) -> set[str]:
    _, condition, parameter, _ = rule
    kind = "text[]" if isinstance(parameter, list) else "text"
    query = f"SELECT v FROM unnest($1) AS v WHERE NOT coalesce({condition}, true)"
    return {row["v"] for row in db.query_unprepared(query, ("text[]", kind), (list(values), parameter))}


def opinions(db: Connection, rules: Rules, keys: Sequence[str], table: Table) -> Iterator[Opinion]:
    """Cells that break a rule; the nearest allowed value as repair where values are listed."""
    for rule in rules.values:
        place, _, _, allowed = rule
        # Arrays of all values of a large table are long in the making, and then nothing can be ended.
        bad = {value for part in parts(table.counts[place]) for value in _violating(db, rule, part)}
        nearest = {value: _nearest(value, allowed, table.pulse) for value in bad} if allowed else {}
        for row, value in enumerate(table.watched(table.columns[place])):
            if value and value in bad:
                new = nearest.get(value)
                sure = 0.8 if new else None
                yield Opinion((row, place), new, sure, DETECTOR, f"{value!r} breaks a rule")
    for place, condition in rules.checks:
        broken = {
            key
            for part in parts(keys)
            for key in store.breaking(db, rules.target, condition, {key: {} for key in part})
        }
        for row, key in enumerate(table.watched(keys)):
            if key in broken:
                yield Opinion((row, place), None, None, DETECTOR, f"the row breaks {condition}")


def _nearest(value: str, allowed: Sequence[str], pulse: Pulse) -> str | None:
    if len(value) > _LONGEST:
        return None
    most = len(value) // 3 or 1
    folded = value.casefold()
    near = sorted((edits(folded, other.casefold(), most), other) for other in watched(allowed, pulse))
    near = [(cost, other) for cost, other in near if cost <= most]
    return near[0][1] if near and (len(near) == 1 or near[0][0] < near[1][0]) else None


def forbidden(db: Connection, rules: Rules, keys: Sequence[str], found: dict[Cell, Opinion]) -> set[Cell]:
    """The cells whose repair the column's type, a rule, or a CHECK constraint of the table does not allow."""
    by_column: dict[int, dict[Value, list[Cell]]] = {}
    for cell, opinion in watched(found.items(), paused(db.poll)):
        if opinion.confidence is not None:
            by_column.setdefault(cell[1], {}).setdefault(opinion.new, []).append(cell)
    cells: set[Cell] = set()
    for place, news in by_column.items():
        bad = store.impossible(db, rules.target, rules.target.columns[place], list(news))
        possible = [value for value in news if value is not None and value not in bad]
        for rule in rules.values:
            if rule[0] == place:
                bad |= {value for part in parts(possible) for value in _violating(db, rule, part)}
        cells.update(cell for value in bad for cell in news.get(value, ()))
    patches: dict[str, dict[str, Value]] = {}
    for cell, opinion in watched(found.items(), paused(db.poll)):
        if opinion.confidence is not None and cell not in cells:
            patches.setdefault(keys[cell[0]], {})[rules.target.columns[cell[1]].name] = opinion.new
    broken: set[str] = set()
    if patches:
        for condition in [*rules.target.checks, *(condition for _, condition in rules.checks)]:
            for part in parts(patches.items()):
                broken |= store.breaking(db, rules.target, condition, dict(part))
    cells.update(cell for cell in found if keys[cell[0]] in broken)
    return cells
