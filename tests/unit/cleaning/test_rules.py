from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from echo import EchoHost
from fake_catalog import FakeCatalog
from fake_connection import Call, FakeConnection
from pg_llm.ask.host.sql_check import run_in_worker
from pg_llm.cleaning import rules, target_table
from pg_llm.cleaning.analysis import Finding, Violation
from pg_llm.cleaning.target_table import TargetTable, Value
from pg_llm.database.connection import DatabaseError, Row
from pg_llm.errors import InvalidInput

COLUMNS = {"id": "integer", "zip": "text", "state": "text", "age": "integer", "mood": "public.mood"}


@pytest.fixture
def target(db: FakeConnection) -> TargetTable:
    catalog = FakeCatalog(db)
    catalog.add("public.person", COLUMNS, checks=["age < 200"], required=["state"])
    catalog.add("public.states", {"id": "integer", "code": "text"})
    db.answer("SELECT v FROM unnest($1) AS v WHERE NOT coalesce(v ~ $2", by_regex)
    db.answer("coalesce(v = ANY($2)", lambda call: [{"v": v} for v in call.values[0] if v not in call.values[1]])
    db.answer("SELECT DISTINCT t.code::pg_catalog.text", [{"v": "al"}, {"v": "ak"}, {"v": None}])
    db.answer("WHERE NOT (SELECT (", [])
    return target_table.find(db, "person")


def by_regex(call: Call) -> list[Row]:
    return [{"v": value} for value in call.values[0] if not re.search(call.values[1], value)]


@pytest.fixture(autouse=True)
def parsed_here(host: EchoHost) -> None:
    """Expressions are parsed in this process."""
    host.answers["sql_check"] = lambda inputs, options: [run_in_worker(text, options["purpose"]) for text in inputs]


@dataclass
class Content:
    """A table as its analysis has it."""

    keys: list[str]
    columns: list[list[Value]]

    def values(self, column: int) -> list[str]:
        return [value for value in dict.fromkeys(self.columns[column]) if value]


def people(zips: list[Value], states: list[Value], ages: list[Value] | None = None) -> Any:
    rows = len(zips)
    columns = [[str(n) for n in range(rows)], zips, states, ages or ["1"] * rows, ["ok"] * rows]
    return Content([f'{{"id": {n}}}' for n in range(rows)], columns)


def found(violations: Iterable[Violation]) -> dict[tuple[int, Any], tuple[Value, float | None]]:
    return {
        (each.column, each.cells if isinstance(each.cells, str) else tuple(each.cells)): (each.new, each.confidence)
        for each in violations
    }


def test_a_column_is_described(target: TargetTable) -> None:
    assert [column.name for column in target.columns] == list(COLUMNS)
    assert [column.name for column in target.columns if column.fixed] == ["id"]
    assert [column.name for column in target.columns if column.required] == ["state"]
    assert target.checks == ["age < 200"]
    assert target.columns[3].array("$1") == ("$1::integer[]", "pg_catalog.text[]")
    # A cast from text may be a function of the type's owner, so the input function reads the values.
    assert target.columns[4].array("$1") == ("$1", "public.mood[]")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"column": "zip"}, "not a rule"),
        ({"column": "zip", "regex": "x", "values": []}, "not a rule"),
        ({"column": "zip", "values": "al"}, "values of a rule must be a list"),
        ({"dependency": "zip"}, "not a dependency"),
        ({"dependency": "zip -> city"}, 'no column "city"'),
        ({"column": "state", "references": "states"}, "not a reference"),
        ({"column": "state", "references": "nations.code"}, 'there is no table "nations"'),
        ({"column": "state", "references": "states.name"}, 'states has no column "name"'),
        ({"column": "mood", "min": "sad"}, "takes a column of a type of PostgreSQL's own"),
    ],
)
def test_rules_that_are_none(db: FakeConnection, target: TargetTable, rule: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(message)):
        rules.parse(db, target, [rule])
    for other in ({}, "zip", [1]):
        with pytest.raises(InvalidInput, match="rules must be a JSON list of objects"):
            rules.parse(db, target, other)


def test_every_rule_is_tried(db: FakeConnection, target: TargetTable) -> None:
    db.fail("coalesce(v ~ $2", DatabaseError("invalid regular expression", "2201B"))
    with pytest.raises(DatabaseError):
        rules.parse(db, target, [{"column": "zip", "regex": "["}])
    db.fail("WHERE NOT (SELECT (age > zip)", DatabaseError("no such operator", "42883"))
    with pytest.raises(DatabaseError):
        rules.parse(db, target, [{"column": "zip", "check": "age > zip"}])


@pytest.mark.parametrize(
    "check",
    ["nonsense", "lair.now()", "(SELECT true)", "age > 0 -- ", "person.age > 0", "age >", "set_config('a', zip, true)"],
)
def test_a_check_is_an_expression_over_columns(db: FakeConnection, target: TargetTable, check: str) -> None:
    with pytest.raises(InvalidInput, match="the check "):
        rules.parse(db, target, [{"column": "age", "check": check}])


def test_violations_are_found(db: FakeConnection, target: TargetTable) -> None:
    given = [{"column": "zip", "regex": "^[0-9]{5}$"}, {"column": "state", "references": "states.code"}]
    parsed = rules.parse(db, target, [*given, {"dependency": "zip->state"}])
    assert parsed.dependencies == [(1, 2)]
    table = people(["12345", "1234", None], ["al", "all", "xyz"])
    # The one allowed value that is near; to none of two that are as far.
    violations = {(1, "1234"): (None, None), (2, "all"): ("al", 0.8), (2, "xyz"): (None, None)}
    assert found(rules.detect(db, parsed, table)) == violations


def test_the_nearest_value_is_not_guessed(db: FakeConnection, target: TargetTable) -> None:
    parsed = rules.parse(db, target, [{"column": "state", "values": ["cat", "cut", "horse"]}])
    table = people(["1"] * 3, ["cot", "horze", "h" * 300])
    new = {value: repair for (_, value), (repair, _) in found(rules.detect(db, parsed, table)).items()}
    assert new == {"cot": None, "horze": "horse", "h" * 300: None}


def test_bounds_are_compared_as_the_column_s_type(db: FakeConnection, target: TargetTable) -> None:
    db.answer("v::integer >= $2::integer", [])
    db.answer("v::integer <= $2::integer", lambda call: [{"v": v} for v in call.values[0] if int(v) > 120])
    parsed = rules.parse(db, target, [{"column": "age", "min": 0, "max": 120}])
    assert [rule.parameter for rule in parsed.value_rules] == ["0", "120"]
    assert found(rules.detect(db, parsed, people([""], ["al"], ["999"]))).keys() == {(3, "999")}


def test_rows_that_break_a_check(db: FakeConnection, target: TargetTable) -> None:
    parsed = rules.parse(db, target, [{"column": "age", "check": "age > 0"}])
    db.answer("WHERE NOT (SELECT (age > 0)", [{"k": '{"id": 1}'}])
    table = people(["1"] * 2, ["al"] * 2)
    assert found(rules.detect(db, parsed, table)) == {(3, (1,)): (None, None)}
    assert json.loads(db.calls[-1].values[0]) == [{"k": {"id": 0}, "p": {}}, {"k": {"id": 1}, "p": {}}]


def finding(cell: tuple[int, int], new: Value) -> Finding:
    return Finding(cell[1], [cell[0]], "old", new, 0.9, "typo", "")


def test_repairs_that_are_forbidden(db: FakeConnection, target: TargetTable) -> None:
    table = people(["1"] * 6, ["al"] * 6)
    parsed = rules.parse(db, target, [{"column": "zip", "regex": "^[0-9]+$"}])

    def check_type(call: Call) -> list[Row]:
        if not all(value.isdigit() for value in call.values[0]):
            raise DatabaseError("invalid input syntax", "22P02")
        return [{"count": 1}]

    db.answer("SELECT count(v) FROM unnest($1::integer[])", check_type)
    # The table's own CHECK is tried with the repaired cells.
    db.answer(
        "WHERE NOT (SELECT (age < 200)", lambda call: [{"k": table.keys[5]}] if '"age": "999"' in call.values[0] else []
    )
    findings = [
        finding((0, 1), "no zip"),
        finding((1, 1), "123"),
        finding((2, 3), "many"),
        finding((2, 2), None),
        finding((3, 3), "7"),
        finding((5, 3), "999"),
        Finding(3, [4], "old", None, None, "outlier", ""),
    ]
    assert rules.forbidden_repairs(db, parsed, table.keys, findings) == {(0, 1), (2, 3), (2, 2), (5, 3)}
    patched = json.loads(db.asked("WHERE NOT (SELECT (age < 200)")[-1].values[0])
    assert {"k": {"id": 1}, "p": {"zip": "123"}, "p zip": "123"} in patched


def test_an_error_of_another_kind_is_raised(db: FakeConnection, target: TargetTable) -> None:
    db.fail("SELECT count(v)", DatabaseError("canceled", "57014"))
    with pytest.raises(DatabaseError):
        target_table.invalid_values(db, target, target.columns[3], ["1"])
    # Texts are never tried.
    assert target_table.invalid_values(db, target, target.columns[1], ["1", None]) == set()
