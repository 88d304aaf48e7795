"""Attacks on guards and kept rules: by owners of schemas, by writers' settings, by values, by definitions of a dump."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from database import value
from psycopg import errors, sql

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
