from __future__ import annotations

import psycopg
import pytest
from database import value
from psycopg import errors

WHY = "SELECT origin, state, value, before, reason, evidence, usename FROM llm_why('note', %s, %s)"


@pytest.fixture
def notes(db: psycopg.Connection) -> psycopg.Connection:
    """A table with an AI column, of which one value was corrected."""
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text, city text)")
    db.execute("INSERT INTO note SELECT n, 'body ' || n, 'Oslo' FROM generate_series(1, 30) AS n")
    db.execute("CALL llm_column('note', 'shout', 'upper(body)')")
    return db


def test_an_ai_columns_value_tells_its_expression_and_state(notes: psycopg.Connection, role: str) -> None:
    (row,) = notes.execute(WHY, ('{"id": 1}', "shout")).fetchall()
    assert row == ("column shout", "computed", "BODY 1", None, "upper(body)", {"models": {}}, None)
    notes.execute("SELECT llm_correct('note', 'shout', '{\"id\": 1}', 'loud')")
    (row,) = notes.execute(WHY, ('{"id": 1}', "shout")).fetchall()
    assert row[:3] == ("column shout", "corrected", "loud")
    assert notes.execute(WHY, ('{"id": 99}', "shout")).fetchall() == []
    assert notes.execute(WHY, ('{"id": 1}', "body")).fetchall() == []
    # Who may not read the row is not told of its value.
    notes.execute(f"SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege):
        notes.execute(WHY, ('{"id": 1}', "shout"))


def test_a_repair_tells_what_was_there_and_why(notes: psycopg.Connection, role: str) -> None:
    notes.execute("UPDATE note SET city = '  Oslo ' WHERE id = 7")
    run = value(notes, "SELECT llm_find_errors('note')")
    notes.execute("SELECT llm_propose_repairs(%s)", (run,))
    notes.execute("SELECT llm_accept(%s, \"column\" => 'city')", (run,))
    notes.execute("SELECT llm_apply(%s)", (run,))
    (row,) = notes.execute(WHY, ('{"id": 7}', "city")).fetchall()
    assert row[0] == f"cleaning {run}"
    assert row[1:4] == ("applied", "Oslo", "  Oslo ")
    assert row[4]
    assert row[6] == "postgres"
    # Another role's runs are its own.
    notes.execute(f"GRANT SELECT ON note TO {role}; SET ROLE {role}")
    assert notes.execute(WHY, ('{"id": 7}', "city")).fetchall() == []


def test_arguments_are_checked(notes: psycopg.Connection) -> None:
    for call, message in (
        ("llm_why('note', NULL, 'shout')", "key must not be NULL"),
        ("llm_why('note', '{\"id\": 1}', NULL)", "column must not be NULL"),
        ("llm_why(NULL, '{\"id\": 1}', 'shout')", "NULL"),
    ):
        with pytest.raises(errors.DatabaseError, match=message):
            notes.execute(f"SELECT {call}")
    assert notes.execute("SELECT * FROM llm_why('note', '[]', 'city')").fetchall() == []
