"""Attacks on guards and kept rules: by owners of schemas, by writers' settings, by values, by definitions of a dump."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from database import value
from psycopg import errors, sql
from psycopg.types.json import Jsonb

Connect = Callable[..., psycopg.Connection]


def recipe(db: psycopg.Connection, table: str = "public.city") -> str:
    """A run all of whose repairs are accepted and applied: spaces, case and units."""
    run = str(value(db, "SELECT llm_find_errors(%s)", table))
    db.execute("SELECT llm_propose_repairs(%s)", (run,))
    for (step,) in db.execute("SELECT step FROM llm_steps(%s)", (run,)).fetchall():
        db.execute("SELECT llm_accept(%s, %s)", (run, step))
    db.execute("SELECT llm_apply(%s)", (run,))
    return run


@pytest.fixture
def city(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(
        "CREATE TABLE city (id int PRIMARY KEY, name text, kind text);"
        "INSERT INTO city SELECT n, CASE WHEN n % 23 = 7 THEN ' ' ELSE '' END"
        " || (ARRAY['Oslo', 'Bergen', 'Hamar'])[n % 3 + 1],"
        " CASE WHEN n % 29 = 8 THEN 'PUBLIC' ELSE 'public' END FROM generate_series(1, 600) AS n"
    )
    return db


def test_a_function_that_somebody_planted_is_no_guard(city: psycopg.Connection, role: str, connect: Connect) -> None:
    city.execute(sql.SQL("GRANT CREATE, USAGE ON SCHEMA public TO {}").format(sql.Identifier(role)))
    run = recipe(city)
    city.execute("SELECT llm_guard('city', %s, mode => 'view')", (run,))
    planter = connect(role)
    # The run is said in the comment of the view, which everybody may read.
    mark = value(planter, "SELECT obj_description('city_clean'::regclass, 'pg_class')")
    planter.execute(
        "CREATE FUNCTION public.city_guard() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'as %', current_user; END $$"
    )
    planter.execute(sql.SQL("COMMENT ON FUNCTION public.city_guard() IS {}").format(sql.Literal(mark)))
    with pytest.raises(errors.DuplicateObject):
        city.execute("SELECT llm_guard('city', %s)", (run,))
    city.execute("INSERT INTO city VALUES (1000, 'Oslo', 'public')")
    assert value(city, "SELECT llm_drop_guard('city')")
    assert not value(city, "SELECT llm_drop_guard('city')")


def test_a_writers_settings_change_no_rule(city: psycopg.Connection) -> None:
    city.execute("SELECT llm_define_rule('city', 'letters', %s, severity => 'error')", (r"name ~ '^\w+$'",))
    city.execute("SELECT llm_guard('city', %s)", (recipe(city),))
    city.execute("INSERT INTO city VALUES (1000, 'Oslo', 'public')")
    with pytest.raises(errors.CheckViolation):
        city.execute("INSERT INTO city VALUES (1001, 'O s', 'public')")
    with psycopg.connect(city.info.dsn, autocommit=True) as writer:
        writer.execute("SET standard_conforming_strings = off; SET escape_string_warning = off")
        writer.execute("INSERT INTO city VALUES (1002, 'Oslo', 'public')")
        with pytest.raises(errors.CheckViolation):
            writer.execute("INSERT INTO city VALUES (1003, 'O s', 'public')")


def test_a_date_in_a_rule_means_what_it_meant_to_its_maker(city: psycopg.Connection) -> None:
    city.execute("ALTER TABLE city ADD ends date DEFAULT '2025-06-01'")
    city.execute("SELECT llm_define_rule('city', 'early', %s, severity => 'error')", ("ends < '01/12/2026'",))
    city.execute("SELECT llm_guard('city', %s)", (recipe(city),))
    city.execute("SET DateStyle = 'ISO, DMY'")
    with pytest.raises(errors.CheckViolation):
        city.execute("INSERT INTO city VALUES (1000, 'Oslo', 'public', '2026-08-01')")
    city.execute("INSERT INTO city VALUES (1000, 'Oslo', 'public', '2026-01-11')")
    city.execute("RESET DateStyle")


def test_a_guard_is_the_same_whatever_a_backslash_means_to_its_maker(city: psycopg.Connection) -> None:
    city.execute("SELECT llm_define_rule('city', 'letters', %s, severity => 'error')", (r"name ~ '^\w+$'",))
    run = recipe(city)
    made = []
    for setting in ("on", "off"):
        city.execute(f"SET standard_conforming_strings = {setting}")
        made.append(
            [
                city.execute("SELECT * FROM llm_guard('city', %s)", (run,)).fetchall(),
                value(city, "SELECT prosrc FROM pg_proc WHERE proname = 'city_guard'"),
            ]
        )
        assert value(city, "SHOW standard_conforming_strings") == setting
        city.execute("SELECT llm_drop_guard('city')")
    assert made[0] == made[1]
    assert r"^\w+$" in made[1][1]


def test_a_value_that_a_condition_cannot_read_breaks_the_rule(city: psycopg.Connection) -> None:
    """A writer chooses such a value: a CHECK constraint would refuse the row, and a data test must not end at it."""
    city.execute("ALTER TABLE city ADD amount text, ADD fee text; UPDATE city SET amount = id, fee = 1")
    rules = {"positive": "amount::numeric > 0", "fee": "1 / fee::int < 2"}
    for name, condition in rules.items():
        city.execute("SELECT llm_define_rule('city', %s, %s, severity => 'error')", (name, condition))
    city.execute("SELECT llm_guard('city', %s)", (recipe(city),))
    city.execute("SET client_min_messages = error")
    row = "INSERT INTO city VALUES (1000, 'Oslo', 'public', %s, %s)"
    for amount in ("-5", "-5 or so"):
        with pytest.raises(errors.CheckViolation, match="breaks the rule positive"):
            city.execute(row, (amount, "1"))
    with pytest.raises(errors.CheckViolation, match="breaks the rule fee") as caught:
        city.execute(row, ("1", "0"))
    assert caught.value.diag.message_detail == "1 / fee::int < 2: division by zero"
    city.execute("SET llm.guard = off")
    with pytest.raises(errors.CheckViolation, match="breaks the rule positive"):
        city.execute("UPDATE city SET amount = '5 or so' WHERE id = 1")
    # Of a session that has checked rows before the table changed.
    city.execute("RESET llm.guard; ALTER TABLE city ALTER amount TYPE varchar, DROP kind")
    with pytest.raises(errors.CheckViolation, match="breaks the rule positive"):
        city.execute("INSERT INTO city VALUES (1001, 'Oslo', '-5', '1')")
    city.execute("INSERT INTO city VALUES (1001, 'Oslo', NULL, '1')")
    city.execute("ALTER TABLE city RENAME fee TO charge")
    city.execute("INSERT INTO city VALUES (1002, 'Oslo', '5', '0')")


def test_a_row_that_a_condition_cannot_read_ends_no_data_test(city: psycopg.Connection) -> None:
    city.execute("ALTER TABLE city ADD amount text, ADD fee text, ADD tags text[], ADD at timestamptz")
    city.execute(
        "UPDATE city SET amount = id, fee = id % 2 + 1, tags = ARRAY['a,\"b', NULL, ''], at = now();"
        "UPDATE city SET amount = '-5 or so' WHERE id IN (5, 7); UPDATE city SET amount = '-5' WHERE id = 6;"
        "UPDATE city SET amount = NULL WHERE id = 8"
    )
    positive = "amount::numeric > fee::int - 2 AND cardinality(tags) = 3 AND tags[1] = 'a,\"b' AND at <= now()"
    for name, condition in (("positive", positive), ("named", "name <> ''")):
        city.execute("SELECT llm_define_rule('city', %s, %s)", (name, condition))
    city.execute("CREATE VIEW town AS SELECT amount, fee FROM city")
    city.execute("SELECT llm_define_rule('town', 'positive', 'amount::numeric > fee::int - 2')")
    assert city.execute("SELECT rule, failed FROM llm_check('city')").fetchall() == [("named", 0), ("positive", 3)]
    examples = value(city, "SELECT examples FROM llm_check('city') WHERE rule = 'positive'")
    assert {example["row"]["id"] for example in examples} == {"5", "6", "7"}
    assert city.execute("SELECT rule, failed FROM llm_check('town')").fetchall() == [("positive", 3)]
    run = str(value(city, "SELECT llm_find_errors('city')"))
    city.execute("SELECT llm_propose_repairs(%s)", (run,))
    found = city.execute(
        "SELECT (key ->> 'id')::int FROM llm.change WHERE run = %s AND reason LIKE '%%the rule positive%%'", (run,)
    ).fetchall()
    assert {row[0] for row in found} == {5, 6, 7}
    given = Jsonb([{"column": "amount", "check": "amount::numeric > 0"}])
    run = str(value(city, "SELECT llm_find_errors('city', rules => %s)", given))
    assert value(city, "SELECT count(*) FROM llm.change WHERE run = %s AND reason LIKE '%%breaks amount%%'", run) == 3


def test_a_view_with_a_check_option_takes_what_it_took(city: psycopg.Connection, role: str, connect: Connect) -> None:
    run = recipe(city)
    city.execute(
        sql.SQL("GRANT CREATE ON SCHEMA public TO {0}; GRANT SELECT ON city TO {0}").format(sql.Identifier(role))
    )
    # Of somebody who writes nothing through it.
    connect(role).execute("CREATE VIEW of_another AS SELECT * FROM city WHERE name = ' Oslo' WITH CHECK OPTION")
    city.execute("SELECT llm_guard('city', %s)", (run,))
    assert value(city, "SELECT llm_drop_guard('city')")
    city.execute("CREATE VIEW oslo AS SELECT id, name FROM city WHERE name = ' Oslo'")
    city.execute("CREATE VIEW far AS SELECT * FROM oslo WITH CHECK OPTION")
    notes = dict(city.execute("SELECT \"column\", note FROM llm_guard('city', %s)", (run,)).fetchall())
    assert "check option" in notes["name"]
    assert notes["kind"] is None
    city.execute("INSERT INTO far VALUES (1000, ' Oslo')")


@pytest.mark.parametrize("definition", ["3", "null", "[]", '{"sql": {"a": 1}}', '{"sql": "true) OR (name = name"}'])
def test_rules_that_a_dump_made_up_are_said_to_be_none(city: psycopg.Connection, definition: str) -> None:
    city.execute("INSERT INTO llm.all_rule VALUES ('postgres', 'public.city', 'planted', 'error', %s)", (definition,))
    with pytest.raises(errors.InvalidParameterValue, match="rule"):
        city.execute("SELECT * FROM llm_check('city')")
