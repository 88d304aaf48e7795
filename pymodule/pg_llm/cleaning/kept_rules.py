"""Rules that are kept: expectations of a table by name, checked as data tests and by every search for errors.

A rule belongs to the name of its table, so that one which is built anew has the same.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pg_llm import arguments
from pg_llm.cleaning import constraints, target_table
from pg_llm.cleaning.analysis import Analysis, Violation
from pg_llm.cleaning.constraints import Constraint
from pg_llm.cleaning.target_table import TargetTable, Value
from pg_llm.database import catalog, table_access
from pg_llm.database.catalog import Table
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.quoting import quote_ident, quote_literal
from pg_llm.errors import InvalidInput, UndefinedObject

_R = TypeVar("_R")
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
        alike: defaultdict[tuple[int, Value, float | None, str], list[int]] = defaultdict(list)
        for found in _run(db, target.table, rule, _keys):
            if found["k"] in rows:
                for cell in _blamed(rule, places, json.loads(found["satisfying"] or "{}"), found["confidence"]):
                    alike[cell].append(rows[found["k"]])
        for (place, new, confidence, reason), numbers in alike.items():
            yield Violation(place, numbers, new, confidence, reason)


def _keys(table: Table, constraint: Constraint) -> str:
    return constraint.select(table, f"{table.key_object}::text AS k, {_SATISFYING.format(constraint)}")


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
    row = _run(db, table, rule, _count)[0]
    return {"rule": rule.name, "severity": rule.severity, "failed": row["failed"], "examples": row["examples"]}


def _count(table: Table, constraint: Constraint) -> str:
    names = list(dict.fromkeys([*table.key, *constraint.columns]))
    texts = {name: table.text(name) for name in names}
    cells = ", ".join(f"{text} AS {quote_ident(name)}" for name, text in texts.items())
    shown = f"(SELECT to_jsonb(r) FROM (SELECT {cells}) AS r) AS shown"
    found = constraint.select(table, f"{shown}, {_SATISFYING.format(constraint)}", f"LIMIT {_EXAMPLES}")
    return f"""
        SELECT (SELECT count(*) FROM ({constraint.select(table, "")}) AS f) AS failed, (
            SELECT coalesce(jsonb_agg(jsonb_build_object('row', e.shown, 'satisfied_by', e.satisfying::jsonb)), '[]')
            FROM ({found}) AS e
        )::text AS examples
    """


def _run(
    db: Connection, table: Table, rule: KeptRule, query: Callable[[Table, Constraint], str]
) -> Sequence[dict[str, Any]]:
    """As `run` for what breaks a rule: its condition is broken too by a row whose values make it raise an error."""
    try:
        return run(db, table, rule, query(table, rule.constraint))
    except InvalidInput:
        if rule.constraint.condition is None:
            raise
    broken = _broken(db, table, rule)
    return run(db, table, rule, query(table, rule.constraint.listed(table, broken)))


def _broken(db: Connection, table: Table, rule: KeptRule) -> list[str]:
    """The values of the columns of a condition that break it."""
    every = rule.constraint.values(table)

    def work() -> list[str]:
        check = db.prepare(rule.constraint.check(table), ("text",))

        def false_of(values: Sequence[str]) -> list[str]:
            return [row["v"] for row in check.rows((f"[{', '.join(values)}]",))]

        found: list[str] = []
        for rows in db.batches(f"SELECT DISTINCT ({every})::text AS v FROM {table.relation} AS t"):
            found += target_table.violating(db, [row["v"] for row in rows], false_of)
        return found

    return _reading(db, table, rule, work)


def run(db: Connection, table: Table, rule: KeptRule, query: str) -> Sequence[dict[str, Any]]:
    """The rows of a query for what breaks a rule, with the rights that reading the table has."""
    return _reading(db, table, rule, lambda: db.query_unprepared(query))


def _reading(db: Connection, table: Table, rule: KeptRule, work: Callable[[], _R]) -> _R:
    def in_savepoint() -> _R:
        with db.savepoint():
            return work()

    try:
        return table_access.on_table(db, table.oid, in_savepoint, beside=constraints.referenced(db, rule.definition))
    except DatabaseError as error:
        if not target_table.may_be_of_row(error):
            raise
        raise InvalidInput(f'the rule "{rule.name}" cannot be checked: {error}', hint=constraints.HINT) from error


def _table(db: Connection, target: str) -> Table:
    """The relation, whether it has a primary key or not."""
    has_key = db.rows(_HAS_KEY, ("text",), (target,))[0]["has"]
    return catalog.relation(db, target, None if has_key else [])
