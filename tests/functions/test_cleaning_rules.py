"""Rules that are kept: defined, checked as data tests, used by every search for errors, enforced by a guard."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from database import value
from psycopg import errors
from psycopg.types.json import Jsonb


@pytest.fixture
def people(db: psycopg.Connection) -> psycopg.Connection:
    db.execute("""
        CREATE TABLE town (code text, country text, PRIMARY KEY (code, country));
        INSERT INTO town VALUES ('OSL', 'no'), ('BGO', 'no'), ('STO', 'se');
        CREATE TABLE person (
            id int PRIMARY KEY, sex text, relation text, age int, mail text, zip text, country text, city text,
            code text
        );
        INSERT INTO person SELECT n, CASE WHEN n % 2 = 0 THEN 'Female' ELSE 'Male' END,
            CASE n % 3 WHEN 0 THEN 'Child' WHEN 1 THEN 'Friend' ELSE (ARRAY['Wife', 'Husband'])[n % 2 + 1] END,
            20 + n % 50, 'a' || n || '@b.org', 'z' || n % 4, CASE WHEN n % 8 < 4 THEN 'no' ELSE 'se' END,
            'city ' || n % 8, 'OSL' FROM generate_series(1, 240) AS n;
        UPDATE person SET sex = 'Female' WHERE id IN (5, 17, 29, 41);
        UPDATE person SET age = -1 WHERE id = 7; UPDATE person SET mail = 'a9(at)b.org' WHERE id = 9;
        UPDATE person SET mail = 'a11@b.org' WHERE id = 12; UPDATE person SET mail = NULL WHERE id = 13;
        UPDATE person SET city = 'city 3' WHERE id = 16; UPDATE person SET relation = 'Frnd' WHERE id = 22
    """)
    return db


OTHERS = ["Child", "Friend", "Frnd", "Wife"]
RELATIONS = ["Child", "Friend", "Husband", "Wife"]
DEFINITIONS: dict[str, tuple[Any, int, Any]] = {
    "grown": ("age >= 0", 1, None),
    "wedded": ("NOT (sex = 'Female' AND relation = 'Husband')", 4, {"sex": ["Male"], "relation": OTHERS}),
    "one mail each": ({"unique": ["mail"]}, 2, None),
    "reachable": ({"not_null": "mail"}, 1, None),
    "mail": ({"column": "mail", "format": "email"}, 1, None),
    "ages": ({"column": "age", "min": 0, "max": 120}, 1, None),
    "relations": ({"column": "relation", "values": RELATIONS}, 1, {"relation": RELATIONS}),
    "written out": ({"column": "relation", "mapping": {"Frnd": "Friend"}}, 1, {"relation": ["Friend"]}),
    "place": ({"determinant": ["zip", "country"], "dependent": "city"}, 1, {"city": ["city 0"]}),
    "zips": ({"column": "zip", "regex": "^z[0-9]$"}, 0, None),
    "known": ({"columns": ["code", "country"], "references": "public.town", "to": ["code", "country"]}, 120, None),
}


def define(db: psycopg.Connection, name: str, rule: Any, severity: str = "warn", table: str = "person") -> None:
    sql, definition = (rule, None) if isinstance(rule, str) else (None, Jsonb(rule))
    db.execute("SELECT llm_define_rule(%s, %s, %s, %s, %s)", (table, name, sql, definition, severity))


def test_rules_are_kept_and_checked(people: psycopg.Connection, role: str) -> None:
    for name, (rule, _, _) in DEFINITIONS.items():
        define(people, name, rule)
    define(people, "grown", "age >= 0", "error")
    found = {row[0]: row[1:] for row in people.execute("SELECT * FROM llm_check('person')")}
    assert {name: row[1] for name, row in found.items()} == {name: row[1] for name, row in DEFINITIONS.items()}
    assert found["grown"][0] == "error"
    for name, (_, failed, satisfied) in DEFINITIONS.items():
        examples = found[name][2]
        assert len(examples) == min(failed, 5)
        if satisfied:
            assert examples[0]["satisfied_by"] == satisfied, name
    assert found["one mail each"][2][0]["row"].keys() == {"id", "mail"}
    # Of a role's own, and of a table's name.
    people.execute("CREATE TABLE anew AS TABLE person; DROP TABLE person; ALTER TABLE anew RENAME TO person")
    assert value(people, "SELECT failed FROM llm_check('person') WHERE rule = 'wedded'") == 4
    people.execute("CREATE VIEW adult AS SELECT * FROM person WHERE age > 0")
    define(people, "grown", "age >= 18", table="adult")
    assert people.execute("SELECT rule, failed FROM llm_check('adult')").fetchall() == [("grown", 0)]
    people.execute("SELECT llm_drop_rule('person', 'wedded')")
    assert value(people, "SELECT count(*) FROM llm.rule WHERE name = 'wedded'") == 0
    with pytest.raises(errors.UndefinedObject, match='no rule "wedded" of yours on public.person'):
        people.execute("SELECT llm_drop_rule('person', 'wedded')")
    people.execute(f"SET ROLE {role}")
    assert people.execute("SELECT * FROM llm_check('person')").fetchall() == []
    with pytest.raises(errors.InsufficientPrivilege):
        define(people, "grown", "age >= 0")
    people.execute("RESET ROLE; ALTER TABLE person DROP COLUMN age CASCADE")
    with pytest.raises(
        errors.InvalidParameterValue, match='rule "ages" cannot be checked any more: .* no column "age"'
    ):
        people.execute("SELECT * FROM llm_check('person')")


NONE: list[tuple[Any, str]] = [
    ("age >", "cannot be parsed"),
    ("lair.now()", "calls lair.now"),
    ("pg_sleep(9) IS NULL", "calls pg_sleep"),
    ("(SELECT true)", "holds a query"),
    ("true", "names no column"),
    ("agee > 0", "names agee, which is no column"),
    ("age > 'x'", "cannot be checked: invalid input syntax"),
    ("age", "cannot be checked"),
    ({}, "not a rule"),
    ([1], "a definition is a JSON object"),
    ({"unique": []}, "not names of columns"),
    ({"unique": ["id", "id"]}, "not names of columns"),
    ({"unique": ["nothing"]}, 'has no column "nothing"'),
    ({"column": "mail", "format": "mail"}, "there is no format"),
    ({"column": "mail", "regex": "("}, "cannot be checked: invalid regular expression"),
    ({"column": "mail", "values": []}, "not a rule"),
    ({"column": "mail", "mapping": []}, "not a rule"),
    ({"column": "age", "min": "x"}, "cannot be checked: invalid input syntax"),
    ({"columns": ["code"], "references": "public.nothing", "to": ["a"]}, "there is no table"),
    ({"columns": ["code"], "references": "public.town", "to": ["a"]}, "not columns of"),
]


def test_what_is_no_rule(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE town (code text); CREATE TABLE person (id int PRIMARY KEY, age int, mail text, code text)")
    for rule, match in NONE:
        with pytest.raises(errors.InvalidParameterValue, match=match):
            define(db, "x", rule)
    assert value(db, "SELECT count(*) FROM llm.rule") == 0


def test_names_and_severities(db: psycopg.Connection) -> None:
    db.execute("""CREATE TABLE "T ""x" ("a'b" text); INSERT INTO "T ""x" VALUES ('%s'), (NULL)""")
    table = '"T ""x"'
    for name, severity, match in (
        ("", "warn", "name must"),
        ("x" * 201, "warn", "name must"),
        ("x", "fatal", "severity"),
    ):
        with pytest.raises(errors.InvalidParameterValue, match=match):
            define(db, name, {"not_null": "a'b"}, severity, table)
    for call in ("NULL, 'true'", "'x'", "'x', 'true', '{}'"):
        with pytest.raises(errors.InvalidParameterValue):
            db.execute(f"SELECT llm_define_rule('{table}', {call})".encode())
    define(db, "'; --", {"not_null": "a'b"}, table=table)
    define(db, "values", {"column": "a'b", "values": ["'", "\\", "%s"]}, table=table)
    assert db.execute("SELECT rule, failed FROM llm_check(%s)", (table,)).fetchall() == [("'; --", 1), ("values", 0)]


def test_a_search_for_errors_uses_them(people: psycopg.Connection) -> None:
    for name in ("wedded", "written out", "place", "grown"):
        define(people, name, DEFINITIONS[name][0])
    run = str(value(people, "SELECT llm_find_errors('person')"))
    people.execute("SELECT llm_propose_repairs(%s)", (run,))
    query = """SELECT (key ->> 'id')::int, "column", new, reason FROM llm.change WHERE run = %s"""
    found = {(row[0], row[1]): row[2:] for row in people.execute(query, (run,))}
    # In each row only one value is left that satisfies the rule.
    assert {number: found[number, "sex"][0] for number in (5, 17, 29, 41)} == dict.fromkeys((5, 17, 29, 41), "Male")
    assert "of sex only 'Male' satisfies it" in found[5, "sex"][1]
    assert found[22, "relation"][0] == "Friend"
    assert found[16, "city"][0] == "city 0"
    assert found[7, "age"][0] is None
    assert "the rule grown" in found[7, "age"][1]
    # A repair that breaks a rule is not proposed.
    define(people, "no men", "sex <> 'Male'")
    people.execute("SELECT llm_propose_repairs(%s)", (run,))
    assert value(people, "SELECT new IS NULL FROM llm.change WHERE key = '{\"id\": 5}' AND \"column\" = 'sex'")


def test_a_guard_enforces_what_is_an_error(people: psycopg.Connection) -> None:
    define(people, "grown", "age >= 0", "error")
    define(people, "wedded", DEFINITIONS["wedded"][0])
    define(people, "mail", {"column": "mail", "format": "email"}, "error")
    run = str(value(people, "SELECT llm_find_errors('person')"))
    people.execute("SELECT llm_guard('person', %s)", (run,))
    people.execute("INSERT INTO person (id, age, sex, relation) VALUES (900, NULL, 'Female', 'Husband')")
    with pytest.raises(errors.CheckViolation, match="new row for public.person breaks the rule grown") as caught:
        people.execute("INSERT INTO person (id, age) VALUES (901, -1)")
    assert caught.value.diag.message_detail == "age >= 0"
    # Cleaning can be left out, a rule cannot.
    people.execute("SET llm.guard = off")
    with pytest.raises(errors.CheckViolation, match="breaks the rule mail"):
        people.execute("UPDATE person SET mail = 'none' WHERE id = 1")
    people.execute("RESET llm.guard; ALTER TABLE person DROP COLUMN mail")
    people.execute("INSERT INTO person (id, age) VALUES (902, 1)")
    assert json.loads(value(people, "SELECT to_json(array_agg(id))::text FROM person WHERE id > 899")) == [900, 902]
