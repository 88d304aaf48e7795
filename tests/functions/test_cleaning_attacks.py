from __future__ import annotations

import psycopg
import pytest
from database import value

SINGLE = """UPDATE public.inn SET
    beds = CASE
        WHEN beds = '12 beds' THEN '12'
        ELSE beds
    END
WHERE beds IN ('12 beds');"""


@pytest.mark.parametrize(
    ("condition", "expression"),
    [
        ("{c} <> ''", "set_config('test.ran', {c}, false)"),
        ("(SELECT count(*) > 0 FROM pg_authid) AND {c} <> ''", "left({c}, 2)"),
        ("{c} <> '' -- ", "left({c}, 2)"),
        ("{c} <> ''", "left({c}, 2) ELSE NULL END, note = CASE WHEN true THEN 'x'"),
        ("{c.__class__}", "{x}"),
        ("{", "left({c}, 2)"),
        ("", "left(note, 2)"),
        ("{c} <> ''", "unnest(ARRAY[{c}, {c}])"),
    ],
)
def test_a_stored_step_that_is_no_plain_expression_is_not_run(
    db: psycopg.Connection, condition: str, expression: str
) -> None:
    assert rules_with(db, condition, expression) == SINGLE
    assert not value(db, "SELECT current_setting('test.ran', true)")


def test_a_step_is_not_read_where_a_backslash_means_something_else(db: psycopg.Connection) -> None:
    db.execute("SET standard_conforming_strings = off")
    assert rules_with(db, "{c} <> ''", "left({c}, 2)") == SINGLE


def rules_with(db: psycopg.Connection, condition: str, expression: str) -> str:
    """The rules of a run with one change, whose step has this SQL."""
    db.execute("""
        CREATE TABLE inn (id int PRIMARY KEY, beds text, note text); INSERT INTO inn VALUES (1, '12', ''), (2, '9', '');
        INSERT INTO llm.cleaning (target, columns, rules, relation) VALUES ('inn', '{beds}', '[]', 'inn')
    """)
    run = value(db, "SELECT id::text FROM llm.cleaning")
    db.execute(
        "INSERT INTO llm.step VALUES (%s, 1, 'beds', 'unit', E'two\\nsigns', %s, %s)", (run, condition, expression)
    )
    db.execute(
        'INSERT INTO llm.change (run, key, "column", old, new, confidence, state, detector, reason, step)'
        " VALUES (%s, '{\"id\": 1}', 'beds', '12 beds', '12', 1, 'applied', 'unit', '', 1)",
        (run,),
    )
    return str(value(db, "SELECT llm_rules(%s)", run))


def test_a_step_that_is_plain_is_read(db: psycopg.Connection) -> None:
    assert "WHEN {c} <> '' THEN left({c}, 2)".format(c="beds") in rules_with(db, "{c} <> ''", "left({c}, 2)")
