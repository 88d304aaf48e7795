"""Rules that are kept: expectations of a table by name, checked as data tests and by every search for errors.

A rule belongs to the name of its table, so that one which is built anew has the same.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pg_llm import arguments
from pg_llm.cleaning import constraints
from pg_llm.cleaning.analysis import Analysis, Violation
from pg_llm.cleaning.constraints import Constraint
from pg_llm.cleaning.target_table import TargetTable, Value
from pg_llm.database import catalog, table_access
from pg_llm.database.catalog import Table
from pg_llm.database.connection import CANCELLED, Connection, DatabaseError
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.errors import InvalidInput, UndefinedObject

SEVERITIES = ("warn", "error")
_MAX_NAME = 200
_EXAMPLES = 5
_SATISFYING = "({0.satisfying})::text AS satisfying, ({0.confidence})::float8 AS confidence"
_HAS_KEY = "SELECT EXISTS (SELECT FROM pg_index WHERE indrelid = $1::regclass AND indisprimary) AS has"
_STORED = """
    SELECT r.name, r.severity, r.definition::text AS definition FROM llm.rule AS r
    WHERE r.relation = $1 ORDER BY r.name
"""


@dataclass(frozen=True, slots=True)
class KeptRule:
    """A rule of the caller's on a table."""

    name: str
    severity: str
    definition: dict[str, Any]
    constraint: Constraint


def define(
    db: Connection, target: str, name: str | None, sql: str | None, definition: Any, severity: str | None
) -> None:
    """Keep a rule, in place of one of that name on that table. Raises InvalidInput for one that cannot be checked."""
    name = arguments.required("name", name).strip()
    if not 0 < len(name) <= _MAX_NAME:
        raise InvalidInput(f"name must have 1 to {_MAX_NAME} characters")
    if severity not in SEVERITIES:
        raise InvalidInput(f'severity is "{severity}"', hint=f"Use one of: {', '.join(SEVERITIES)}.")
    if (sql is None) == (definition is None):
        raise InvalidInput("a rule is either sql or a definition", hint=constraints.HINT)
    given = {"sql": sql} if definition is None else arguments.plain_json(definition)
    if not isinstance(given, dict):
        raise InvalidInput("a definition is a JSON object", hint=constraints.HINT)
    table = _table(db, target)
    rule = KeptRule(name, severity, given, constraints.build(db, table, given))
    if "regex" in given:
        # Of an empty table no row would be matched.
        run(db, table, rule, f"SELECT 'a' ~ {quote_literal(str(given['regex']))}")
    run(db, table, rule, rule.constraint.select(table, _SATISFYING.format(rule.constraint), "LIMIT 0"))
    db.rows("DELETE FROM llm.rule WHERE relation = $1 AND name = $2", ("text", "text"), (table.relation, name))
    db.rows(
        "INSERT INTO llm.rule (relation, name, severity, definition) VALUES ($1, $2, $3, $4::jsonb)",
        ("text",) * 4,
        (table.relation, name, severity, json.dumps(given)),
    )


def drop(db: Connection, target: str, name: str | None) -> None:
    """Forget a rule. Raises UndefinedObject."""
    query = "DELETE FROM llm.rule WHERE relation = $1 AND name = $2 RETURNING name"
    if not db.rows(query, ("text", "text"), (target, arguments.required("name", name).strip())):
        raise UndefinedObject(f'there is no rule "{name}" of yours on {target}', hint="SELECT * FROM llm.rule;")


def check(db: Connection, target: str) -> list[dict[str, Any]]:
    """For each rule of the table how many rows break it, with some of them and what would satisfy it there."""
    table = _table(db, target)
    return [_checked(db, table, rule) for rule in of_table(db, table)]


def of_table(db: Connection, table: Table) -> list[KeptRule]:
    """The caller's rules on a table."""
    return [_read(db, table, row) for row in db.rows(_STORED, ("text",), (table.relation,))]


def _read(db: Connection, table: Table, row: Mapping[str, Any]) -> KeptRule:
    definition = json.loads(row["definition"])
    try:
        return KeptRule(row["name"], row["severity"], definition, constraints.build(db, table, definition))
    except InvalidInput as error:
        hint = f"llm_drop_rule() it, or define it anew. {error.hint}"
        raise InvalidInput(f'the rule "{row["name"]}" cannot be checked any more: {error}', hint=hint) from error


def violations(db: Connection, target: TargetTable, table: Analysis) -> Iterator[Violation]:
    """The cells that break the caller's rules on a table; the only value that is left to satisfy one is new."""
    kept = of_table(db, target.table)
    rows = {key: row for row, key in enumerate(table.keys)} if kept else {}
    places = {column.name: place for place, column in enumerate(target.columns)}
    for rule in kept:
        query = rule.constraint.select(
            target.table, f"{target.table.key_object}::text AS k, {_SATISFYING.format(rule.constraint)}"
        )
        alike: defaultdict[tuple[int, Value, float | None, str], list[int]] = defaultdict(list)
        for found in run(db, target.table, rule, query):
            if found["k"] in rows:
                for cell in _blamed(rule, places, json.loads(found["satisfying"] or "{}"), found["confidence"]):
                    alike[cell].append(rows[found["k"]])
        for (place, new, confidence, reason), numbers in alike.items():
            yield Violation(place, numbers, new, confidence, reason)


def _blamed(
    rule: KeptRule, places: Mapping[str, int], options: Mapping[str, list[Value]], confidence: float
) -> Iterator[tuple[int, Value, float | None, str]]:
    """Place, new value, confidence and reason for a row: the one column for which one value is left, or the last."""
    single = [(name, values[0]) for name, values in options.items() if len(values) == 1 and name in places]
    reason = f"the row breaks the rule {rule.name}"
    if len(single) == 1:
        name, new = single[0]
        yield places[name], new, confidence, f"{reason}, and of {name} only {new!r} satisfies it"
        return
    if options:
        listed = (f"{name} {' or '.join(map(repr, values[:_EXAMPLES]))}" for name, values in sorted(options.items()))
        reason = f"{reason}; it would be satisfied by {', or by '.join(listed)}"
    named = [name for name in rule.constraint.columns if name in places]
    if named:
        yield places[named[-1]], None, None, reason


def conditions(db: Connection, table: Table) -> list[tuple[str, Collection[str]]]:
    """The conditions of the caller's rules that look at one row, with the columns that they are about."""
    rules = of_table(db, table)
    return [(rule.constraint.condition, rule.constraint.columns) for rule in rules if rule.constraint.condition]


def enforceable(db: Connection, target: TargetTable) -> list[tuple[str, str]]:
    """Name and condition of the rules of severity error that look at one row."""
    rules = of_table(db, target.table)
    return [
        (rule.name, rule.constraint.condition)
        for rule in rules
        if rule.severity == "error" and rule.constraint.condition
    ]


def _checked(db: Connection, table: Table, rule: KeptRule) -> dict[str, Any]:
    names = list(dict.fromkeys([*table.key, *rule.constraint.columns]))
    texts = {name: table.text(name) for name in names}
    cells = ", ".join(f"{text} AS {quote_ident(name)}" for name, text in texts.items())
    shown = f"(SELECT to_jsonb(r) FROM (SELECT {cells}) AS r) AS shown"
    found = rule.constraint.select(table, f"{shown}, {_SATISFYING.format(rule.constraint)}", f"LIMIT {_EXAMPLES}")
    query = f"""
        SELECT (SELECT count(*) FROM ({rule.constraint.select(table, "")}) AS f) AS failed, (
            SELECT coalesce(jsonb_agg(jsonb_build_object('row', e.shown, 'satisfied_by', e.satisfying::jsonb)), '[]')
            FROM ({found}) AS e
        )::text AS examples
    """
    row = run(db, table, rule, query)[0]
    return {"rule": rule.name, "severity": rule.severity, "failed": row["failed"], "examples": row["examples"]}


def run(db: Connection, table: Table, rule: KeptRule, query: str) -> Sequence[dict[str, Any]]:
    """The rows of a query for what breaks a rule, with the rights that reading the table has."""
    beside = constraints.referenced(db, rule.definition)

    def work() -> list[dict[str, Any]]:
        with db.savepoint():
            return db.query_unprepared(query)

    try:
        return table_access.on_table(db, table.oid, work, beside=beside)
    except DatabaseError as error:
        if error.sqlstate == CANCELLED or not str(error.sqlstate).startswith(("22", "42")) or error.sqlstate == "42501":
            raise
        raise InvalidInput(f'the rule "{rule.name}" cannot be checked: {error}', hint=constraints.HINT) from error


def _table(db: Connection, target: str) -> Table:
    """The relation, whether it has a primary key or not."""
    has_key = db.rows(_HAS_KEY, ("text",), (target,))[0]["has"]
    return catalog.relation(db, target, None if has_key else [])
