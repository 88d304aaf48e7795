"""Integrity constraints that the user gives as rules: conditions on the values of a column, or on a row."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pg_llm.cleaning import expressions, target_table
from pg_llm.cleaning.analysis import Analysis, Finding, Violation
from pg_llm.cleaning.distance import edit_distance
from pg_llm.cleaning.interruptible import Poll, chunks, interruptible
from pg_llm.cleaning.target_table import TargetTable, Value
from pg_llm.database import column_types, relation_names, table_access
from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_ident
from pg_llm.errors import InvalidInput

DETECTOR = "rule"
_NEAREST_CONFIDENCE = 0.8
_MAX_LENGTH = 200
_HINT = (
    """Write rules => '[{"column": "zip", "regex": "^[0-9]{5}$"}, {"column": "state", "values": ["al", "ak"]},"""
    """ {"column": "state", "references": "states.code"}, {"column": "age", "min": 0, "max": 120},"""
    """ {"dependency": "zip -> city"}, {"column": "ends", "check": "ends >= starts"}]'."""
)
_CHECK_HINT = (
    "A check computes a condition from the columns of the row, by functions and operators of PostgreSQL's own."
)
_KINDS = ({"regex"}, {"values"}, {"references"}, {"min"}, {"max"}, {"min", "max"}, {"check"})


@dataclass(frozen=True, slots=True)
class ValueRule:
    """A condition on the values of the column at `position`: SQL on a value `v`, with the parameter $2.

    `allowed` are the values that a list or a referenced column allows, None for other conditions.
    """

    position: int
    condition: str
    parameter: str | list[str]
    allowed: list[str] | None = None


@dataclass(slots=True)
class Rules:
    """Rules on a table; `checks` are conditions on rows with the column blamed, `dependencies` pairs of columns."""

    target: TargetTable
    value_rules: list[ValueRule] = field(default_factory=list)
    checks: list[tuple[int, str]] = field(default_factory=list)
    dependencies: list[tuple[int, int]] = field(default_factory=list)


def parse(db: Connection, target: TargetTable, given: Any) -> Rules:
    """The rules of a JSON list; each is run once, so that an invalid one fails here. Raises InvalidInput."""
    if not isinstance(given, list) or not all(isinstance(rule, dict) for rule in given):
        raise InvalidInput("rules must be a JSON list of objects", hint=_HINT)
    rules = Rules(target)
    for rule in given:
        if rule.keys() == {"dependency"}:
            left, arrow, right = (part.strip() for part in str(rule["dependency"]).partition("->"))
            if not arrow:
                raise InvalidInput(f'not a dependency: "{rule["dependency"]}"', hint=_HINT)
            rules.dependencies.append((target.position(left), target.position(right)))
        elif "column" in rule and rule.keys() - {"column"} in _KINDS:
            _add(db, rules, target.position(str(rule["column"])), rule)
        else:
            raise InvalidInput(f"not a rule: {json.dumps(rule, default=str)}", hint=_HINT)
    return rules


def _add(db: Connection, rules: Rules, position: int, rule: dict[str, Any]) -> None:
    if "check" in rule:
        condition = str(rule["check"])
        (refusal,) = expressions.refusals(db, [condition], rules.target.table.columns)
        if refusal:
            raise InvalidInput(f"the check {refusal}: {condition[:100]}", hint=_CHECK_HINT)
        rules.checks.append((position, condition))
        target_table.violating_keys(db, rules.target, condition, {})
    elif "regex" in rule:
        rules.value_rules.append(ValueRule(position, "v ~ $2", str(rule["regex"])))
        _violating_values(db, rules.value_rules[-1], ["a"])
    elif "values" in rule:
        if not isinstance(rule["values"], list):
            raise InvalidInput("values of a rule must be a list", hint=_HINT)
        rules.value_rules.append(_list_rule(position, [str(value) for value in rule["values"]]))
    elif "references" in rule:
        rules.value_rules.append(_list_rule(position, _referenced_values(db, str(rule["references"]))))
    else:
        for name, operator in (("min", ">="), ("max", "<=")):
            if name in rule:
                rules.value_rules.append(_bound_rule(rules.target, position, name, operator, str(rule[name])))
                _violating_values(db, rules.value_rules[-1], [str(rule[name])])


def _list_rule(position: int, allowed: list[str]) -> ValueRule:
    return ValueRule(position, "v = ANY($2)", allowed, allowed)


def _bound_rule(target: TargetTable, position: int, name: str, operator: str, bound: str) -> ValueRule:
    base = target.columns[position].base
    if not base.builtin:
        raise InvalidInput(f'"{name}" of a rule takes a column of a type of PostgreSQL\'s own', hint=_HINT)
    return ValueRule(position, f"CASE WHEN v <> '' THEN v::{base.name} {operator} $2::{base.name} END", bound)


def _referenced_values(db: Connection, reference: str) -> list[str]:
    name, _, column = reference.rpartition(".")
    if not name:
        raise InvalidInput(f'not a reference: "{reference}"', hint="Write schema.table.column.")
    query = "SELECT to_regclass($1)::text AS name, to_regclass($1)::oid::int8 AS oid"
    table = db.rows(query, ("text",), (name,))[0]
    if table["name"] is None:
        raise InvalidInput(f'there is no table "{name}"', hint="Name it with its schema: schema.table.column.")
    relation_names.note(db, table["oid"], table["name"])
    columns = column_types.of_relation(db, table["oid"])
    if column not in columns:
        raise InvalidInput(f'{name} has no column "{column}"', hint=f"It has: {', '.join(columns)}.")
    text = columns[column].text(f"t.{quote_ident(column)}")
    read = partial(db.query_unprepared, f"SELECT DISTINCT {text} AS v FROM {table['name']} AS t")
    return [row["v"] for row in table_access.on_table(db, table["oid"], read) if row["v"]]


def _violating_values(db: Connection, rule: ValueRule, values: Sequence[str]) -> set[str]:
    parameter_type = "text[]" if isinstance(rule.parameter, list) else "text"
    query = f"SELECT v FROM unnest($1) AS v WHERE NOT coalesce({rule.condition}, true)"
    rows = db.query_unprepared(query, ("text[]", parameter_type), (list(values), rule.parameter))
    return {row["v"] for row in rows}


def detect(db: Connection, rules: Rules, table: Analysis) -> Iterator[Violation]:
    """Cells that violate a rule; where allowed values are listed, the nearest one is the repair."""
    for rule in rules.value_rules:
        # One array of all values of a large table takes long to make, and that cannot be interrupted.
        for chunk in chunks(table.values(rule.position)):
            for value in sorted(_violating_values(db, rule, chunk)):
                new = _nearest(value, rule.allowed, db.poll) if rule.allowed else None
                confidence = _NEAREST_CONFIDENCE if new else None
                yield Violation(rule.position, value, new, confidence, f"{value!r} breaks a rule")
    for position, condition in rules.checks:
        keys = {
            key
            for chunk in chunks(table.keys)
            for key in target_table.violating_keys(db, rules.target, condition, {key: {} for key in chunk})
        }
        rows = [row for row, key in enumerate(table.keys) if key in keys] if keys else []
        if rows:
            yield Violation(position, rows, None, None, f"the row breaks {condition}")


def _nearest(value: str, allowed: Sequence[str], poll: Poll) -> str | None:
    """The allowed value with the least edit distance, at most a third of the value's length; None for a tie."""
    if len(value) > _MAX_LENGTH:
        return None
    most = len(value) // 3 or 1
    folded = value.casefold()
    ranked = sorted((edit_distance(folded, other.casefold(), most), other) for other in interruptible(allowed, poll))
    near = [(distance, other) for distance, other in ranked if distance <= most]
    return near[0][1] if near and (len(near) == 1 or near[0][0] < near[1][0]) else None


def forbidden_repairs(
    db: Connection,
    rules: Rules,
    keys: Sequence[str],
    findings: Sequence[Finding],
    kept: Sequence[tuple[str, Collection[str]]] = (),
) -> set[tuple[int, int]]:
    """The cells, row and column, whose repair the column's type, a rule, or a CHECK constraint does not allow.

    `kept` are conditions on rows, each with the columns that it is about.
    """
    repairs = [finding for finding in findings if finding.confidence is not None]
    invalid = {
        position: _invalid_values(
            db, rules, position, {finding.new for finding in repairs if finding.column == position}
        )
        for position in {finding.column for finding in repairs}
    }
    forbidden = {
        (row, finding.column) for finding in repairs if finding.new in invalid[finding.column] for row in finding.rows
    }
    every = [column.name for column in rules.target.columns]
    conditions = [*rules.target.checks, *(condition for _, condition in rules.checks)]
    concerned = [*((condition, every) for condition in conditions), *kept]
    if not concerned:
        return forbidden
    patches: defaultdict[int, dict[str, Value]] = defaultdict(dict)
    for finding in repairs:
        if finding.new not in invalid[finding.column]:
            for row in finding.rows:
                patches[row][rules.target.columns[finding.column].name] = finding.new
    for condition, names in concerned:
        places = {place for place, name in enumerate(every) if name in names}
        touching = [(row, patch) for row, patch in patches.items() if not patch.keys().isdisjoint(names)]
        violating: set[str] = set()
        for chunk in chunks(touching):
            violating |= target_table.violating_keys(db, rules.target, condition, {keys[row]: of for row, of in chunk})
        forbidden |= {
            (row, finding.column)
            for finding in repairs
            if finding.column in places
            for row in finding.rows
            if keys[row] in violating
        }
    return forbidden


def _invalid_values(db: Connection, rules: Rules, position: int, values: set[Value]) -> set[Value]:
    """Those of the values that the column's type, its NOT NULL, or a rule rejects."""
    invalid = target_table.invalid_values(db, rules.target, rules.target.columns[position], list(values))
    valid = [value for value in values if value is not None and value not in invalid]
    for rule in rules.value_rules:
        if rule.position == position:
            invalid |= {value for chunk in chunks(valid) for value in _violating_values(db, rule, chunk)}
    return invalid
